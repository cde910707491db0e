//! Shows domains.

use quorate::{Domain, Evict, Tier};
use serde_json::{Map, Value, json};

use super::words::level_text;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

pub(super) async fn list(global: &Global) -> Result<Exit, Failure> {
    let domains = global.connect().await?.domains().list().await?;
    let json = json!({ "domains": domains.iter().map(shown).collect::<Vec<_>>() });
    global.output.show(&json, || {
        let rows = domains.iter().map(|domain| {
            vec![
                domain.name.clone(),
                tier(domain),
                bytes(domain),
                limit(domain.bytes_max),
                level_text(domain.consistency),
                eviction(domain),
            ]
        });
        output::table(&["domain", "tier", "bytes", "most bytes", "level", "evicts"], rows)
    })?;
    Ok(Exit::Success)
}

pub(super) async fn get(name: &str, global: &Global) -> Result<Exit, Failure> {
    let Some(domain) = global.connect().await?.domains().get(name).await? else {
        let message = format!("domain {name:?} does not exist");
        return Err(Failure::new(Exit::Refused, "unknown_domain", message));
    };
    show(&domain, global)?;
    Ok(Exit::Success)
}

pub(super) fn show(domain: &Domain, global: &Global) -> Result<(), Failure> {
    global.output.show(&shown(domain), || description(domain))
}

/// The settings of the other tier are left out.
fn shown(domain: &Domain) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("domain", domain.name.clone().into());
    put("tier", domain.tier.to_string().into());
    put("id", domain.id.into());
    put("built_in", domain.built_in.into());
    put("bytes_max", domain.bytes_max.into());
    let ttl_ms = domain
        .ttl_default
        .map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    put("ttl_ms_default", ttl_ms.into());
    put("ttl_required", domain.ttl_required.into());
    match domain.tier {
        Tier::Eventual => {
            put("volatile", domain.volatile.into());
            put("entries_max", domain.entries_max.into());
            put("strategy", domain.strategy.map(|strategy| strategy.name()).into());
            put("evict", domain.evict.to_string().into());
            put("policy", domain.policy.map(|policy| policy.to_string()).into());
        }
        _ => {
            put("bytes", domain.bytes.into());
            put("level", level_text(domain.consistency).into());
            put("coherent", domain.coherent.into());
        }
    }
    Value::Object(object)
}

fn description(domain: &Domain) -> String {
    let mut rows = vec![
        ("domain", domain.name.clone()),
        ("tier", tier(domain)),
        ("most bytes", limit(domain.bytes_max)),
    ];
    match domain.tier {
        Tier::Eventual => {
            rows.push(("most entries", limit(domain.entries_max)));
            let strategy = domain.strategy.map_or("unknown", |strategy| strategy.name());
            rows.push(("strategy", strategy.to_owned()));
            rows.push(("evicts", eviction(domain)));
        }
        _ => {
            rows.push(("bytes", bytes(domain)));
            rows.push(("level", level_text(domain.consistency)));
            rows.push(("coherent", if domain.coherent { "yes" } else { "no" }.to_owned()));
        }
    }
    rows.push(("life of a key", life(domain)));
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    output::table(&["", ""], rows)
}

fn tier(domain: &Domain) -> String {
    let volatile = if domain.volatile { ", volatile" } else { "" };
    format!("{}{volatile}", domain.tier)
}

/// What an eventual domain takes is each member's own affair.
fn bytes(domain: &Domain) -> String {
    match domain.tier {
        Tier::Eventual => String::new(),
        _ => domain.bytes.to_string(),
    }
}

fn limit(limit: u64) -> String {
    match limit {
        0 => "no limit".to_owned(),
        limit => limit.to_string(),
    }
}

fn eviction(domain: &Domain) -> String {
    match (domain.evict, domain.policy) {
        (Evict::None, _) => String::new(),
        (evict, Some(policy)) => format!("{evict}, {policy} first"),
        (evict, None) => evict.to_string(),
    }
}

fn life(domain: &Domain) -> String {
    match (domain.ttl_default, domain.ttl_required) {
        (Some(ttl), _) => humantime::format_duration(ttl).to_string(),
        (None, true) => "must be said".to_owned(),
        (None, false) => "for ever".to_owned(),
    }
}
