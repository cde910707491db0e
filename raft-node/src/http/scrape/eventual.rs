//! The eventual tier, and how full the domains of both are.

use std::sync::atomic::Ordering;

use quorate_eventual::Strategy;

use super::super::site::Observed;
use crate::eventual::Pressure;
use crate::metrics::{self as table, Names, Page};
use crate::mvcc::Domains;
use crate::storage::StorageError;
use crate::types::Tier;

pub(super) fn put(page: &mut Page, observed: &Observed, names_max: usize) -> Result<(), StorageError> {
    let tier = &observed.tier;
    page.number(table::EVENTUAL_WRITES, &[], tier.writes());
    page.number(table::EVENTUAL_HEAL_REPORTS, &[], tier.heals_count());
    let now_us = tier.monotonic_us();
    let mut damaged = 0;
    for peer in tier.peers.all() {
        let here_us = peer.freshness.here_us();
        // 0 is never.
        if here_us != 0 {
            let lag = now_us.saturating_sub(here_us) as f64 / 1e6;
            page.add(table::EVENTUAL_SYNC_LAG_SECONDS, &[&peer.member.to_string()], lag);
        }
        damaged += peer.traffic.damaged_frames.load(Ordering::Relaxed);
    }
    page.number(table::EVENTUAL_DAMAGED_FRAMES, &[], damaged);
    let mut names = Names::new(names_max);
    eventual_domains(page, observed, &mut names);
    strong_domains(page, observed, &mut names)
}

fn eventual_domains(page: &mut Page, observed: &Observed, names: &mut Names) {
    let domains = observed.store.domains().load();
    for domain in domains.all_eventual() {
        let counts = observed.tier.store.counts().domain(domain.id.0);
        let name = names.label(&domain.name);
        page.number(table::EVENTUAL_ENTRIES, &[name], counts.entries());
        page.number(table::EVENTUAL_SIBLINGS, &[name], counts.siblings());
        for strategy in Strategy::ALL {
            let conflicts = counts.conflicts(strategy);
            if conflicts > 0 {
                page.number(table::EVENTUAL_CONFLICTS, &[name, word(strategy)], conflicts);
            }
        }
        let evicted = counts.evicted.load(Ordering::Relaxed);
        page.number(table::EVICTIONS, &[name, domain.policy.name()], evicted);
        memory(page, name, counts.bytes(), domain.bytes_max);
        let pressure = Pressure::of_domain(domain, &counts);
        page.raise(table::MEMORY_PRESSURE, &[name], f64::from(pressure as u8));
    }
}

/// There are at most 1,024 domains, a row each.
fn strong_domains(page: &mut Page, observed: &Observed, names: &mut Names) -> Result<(), StorageError> {
    let engine = observed.store.engine();
    let domains = Domains::load(engine.view().as_ref())?;
    for domain in domains.iter().filter(|domain| domain.tier == Tier::Strong) {
        let name = names.label(&domain.name);
        let bytes_max = domain.settings.bytes_max;
        memory(page, name, domain.bytes, bytes_max);
        let pressure = Pressure::of(domain.bytes, bytes_max);
        page.raise(table::MEMORY_PRESSURE, &[name], f64::from(pressure as u8));
    }
    Ok(())
}

fn memory(page: &mut Page, domain: &str, bytes: u64, bytes_max: u64) {
    page.number(table::MEMORY_USED_BYTES, &[domain], bytes);
    if bytes_max != 0 {
        page.number(table::MEMORY_LIMIT_BYTES, &[domain], bytes_max);
    }
}

fn word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::LastWrite => "last_write",
        Strategy::Union => "union",
        Strategy::Merge => "merge",
        Strategy::Max => "max",
        Strategy::Min => "min",
        Strategy::Siblings => "siblings",
    }
}
