//! Leases, locks, queues, workers.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::super::site::Observed;
use crate::coordination::queues::{QueueRow, query};
use crate::metrics::{self as table, Names, Page};
use crate::state_machine::StateCounts;
use crate::storage::{StorageError, View};
use crate::types::LogTimeMs;

/// The states of an item, in the order of [`StateCounts::items`].
const STATES: [&str; 4] = ["ready", "claimed", "delayed", "dead"];
/// What queues that are not told apart go by.
const OTHER: &str = "other";

pub(super) fn put(page: &mut Page, observed: &Observed, names_max: usize) -> Result<(), StorageError> {
    let counts = observed.store.counts();
    page.number(table::LEASES, &[], counts.leases());
    page.number(table::LEASES_EXPIRED, &[], counts.leases_expired.get());
    page.number(table::LOCKS_HELD, &[], counts.holds());
    page.number(table::LOCK_WAITERS, &[], counts.waiters());
    page.timed(table::LOCK_WAIT_SECONDS, &[], observed.api.lock_waits().read());
    page.number(table::QUEUES, &[], counts.queues());
    page.number(table::WORKERS, &[], counts.workers());
    page.number(table::ASSIGNMENTS, &[], counts.tasks());
    let engine = observed.store.engine();
    let log_time = log_time(observed);
    let shown = queues(page, engine.view().as_ref(), counts, log_time, names_max)?;
    happened_to_items(page, counts, &shown, names_max);
    Ok(())
}

/// Of a queue to whose items nothing happened yet it is said, too: what begins at 0 is seen to rise.
fn happened_to_items(page: &mut Page, counts: &StateCounts, queues: &[String], names_max: usize) {
    for (metric, by_queue) in [
        (table::QUEUE_REDELIVERED, &counts.redelivered),
        (table::QUEUE_DEAD, &counts.dead),
    ] {
        let mut of_others = BTreeMap::new();
        by_queue.each(|queue, count| {
            of_others.insert(queue.to_owned(), count);
        });
        let mut names = Names::new(names_max);
        for queue in queues {
            let count = of_others.remove(queue).unwrap_or(0);
            page.number(metric, &[names.label(queue)], count);
        }
        for (queue, count) in &of_others {
            page.number(metric, &[names.label(queue)], *count);
        }
    }
}

/// While nothing is written no entry says how late it is; a leader knows without one.
fn log_time(observed: &Observed) -> LogTimeMs {
    let applied = observed.store.applied().log_time;
    if !observed.raft.is_leader() {
        return applied;
    }
    let term = crate::consensus::term(&observed.raft);
    observed.clock.log_time(term).max(applied)
}

/// The first queues by name are read, at most `names_max`, and returned; the others are what is left of the counts of all.
fn queues(
    page: &mut Page,
    view: &dyn View,
    counts: &StateCounts,
    log_time: LogTimeMs,
    names_max: usize,
) -> Result<Vec<String>, StorageError> {
    let mut rest = counts.items();
    let mut shown: Vec<(String, QueueRow)> = Vec::new();
    if names_max > 0 {
        query::scan(view, "", &mut |name, row| {
            shown.push((name, row));
            if shown.len() < names_max {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
    }
    for (name, row) in &shown {
        let items = [row.ready, row.claimed, row.delayed, row.dead];
        for ((state, items), rest) in STATES.into_iter().zip(items).zip(&mut rest) {
            page.number(table::QUEUE_ITEMS, &[name, state], items);
            *rest = rest.saturating_sub(items);
        }
        let oldest = match row.ready {
            0 => None,
            _ => query::oldest_ready(view, row.id)?,
        };
        let age_ms = oldest.map_or(0, |since| log_time.0.saturating_sub(since.0));
        page.add(table::QUEUE_OLDEST_AGE_SECONDS, &[name], age_ms as f64 / 1000.0);
    }
    if counts.queues() > shown.len() as u64 {
        for (state, items) in STATES.into_iter().zip(rest) {
            page.number(table::QUEUE_ITEMS, &[OTHER, state], items);
        }
    }
    Ok(shown.into_iter().map(|(name, _)| name).collect())
}
