//! `quorate lease`.

use std::time::Duration;

use clap::Subcommand;
use quorate::LeaseRecord;
use serde_json::{Value, json};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Leases in one page of a list.
const PAGE: u32 = 1000;

/// What to do with leases.
#[derive(Debug, Subcommand)]
pub enum LeaseVerb {
    /// Grant a lease that lives this long unless it is renewed
    Grant {
        /// Time to live, from 500ms to 1day
        #[arg(value_parser = humantime::parse_duration)]
        ttl: Duration,
        /// What `lease list` shows
        #[arg(long, default_value = "")]
        name: String,
        /// Its id; without it, the store chooses
        #[arg(long)]
        id: Option<u64>,
    },
    /// End a lease, and everything attached to it
    Revoke {
        /// Which
        lease: u64,
    },
    /// Renew a lease once, or until it ends
    KeepAlive {
        /// Which
        lease: u64,
        /// Renew it once
        #[arg(long)]
        once: bool,
    },
    /// Show a lease with its keys
    Show {
        /// Which
        lease: u64,
    },
    /// Show the leases that live
    List,
}

/// Does it.
pub async fn run(verb: LeaseVerb, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    match verb {
        LeaseVerb::Grant { ttl, name, id } => {
            let granted = client.grant_lease(ttl).name(name).id(id.unwrap_or(0)).await?;
            let json = json!({
                "lease": granted.lease, "ttl_ms": milliseconds(granted.ttl), "revision": granted.revision,
            });
            global
                .output
                .show(&json, || format!("lease {} lives for {:?}", granted.lease, granted.ttl))?;
            Ok(Exit::Success)
        }
        LeaseVerb::Revoke { lease } => {
            let attached = client.revoke_lease(lease).await?;
            let json = json!({ "lease": lease, "attached": attached });
            let text = || format!("lease {lease} has ended, and {attached} attached to it with it");
            global.output.show(&json, text)?;
            Ok(Exit::Success)
        }
        LeaseVerb::KeepAlive { lease, once } => keep_alive(&client, lease, once, global).await,
        LeaseVerb::Show { lease } => match client.lease(lease).await? {
            Some(found) => {
                global
                    .output
                    .show(&shown(&found), || table(std::slice::from_ref(&found)))?;
                Ok(Exit::Success)
            }
            None => Err(gone(lease)),
        },
        LeaseVerb::List => {
            let mut leases: Vec<LeaseRecord> = Vec::new();
            loop {
                let after = leases.last().map_or(0, |last| last.lease);
                let page = client.leases(after, PAGE).await?;
                let full = page.len() == PAGE as usize;
                leases.extend(page);
                if !full {
                    break;
                }
            }
            let json = json!({ "leases": leases.iter().map(shown).collect::<Vec<_>>() });
            global.output.show(&json, || table(&leases))?;
            Ok(Exit::Success)
        }
    }
}

/// Renews every third of the time to live.
async fn keep_alive(client: &quorate::Client, lease: u64, once: bool, global: &Global) -> Result<Exit, Failure> {
    loop {
        let Some(ttl) = client.keep_alive(&[lease]).await?.pop().flatten() else {
            return Err(gone(lease));
        };
        let json = json!({ "lease": lease, "ttl_ms": milliseconds(ttl) });
        global
            .output
            .show(&json, || format!("lease {lease} lives for {ttl:?}"))?;
        if once {
            return Ok(Exit::Success);
        }
        tokio::time::sleep(ttl / 3).await;
    }
}

fn gone(lease: u64) -> Failure {
    Failure::new(
        Exit::Refused,
        "unknown_lease",
        format!("lease {lease} does not exist or has expired"),
    )
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn shown(lease: &LeaseRecord) -> Value {
    let keys = lease.keys.iter().map(|(domain, key)| {
        let mut object = serde_json::Map::new();
        object.insert("domain".to_owned(), domain.clone().into());
        bytes::put_json(&mut object, "key", key, false);
        Value::Object(object)
    });
    json!({
        "lease": lease.lease,
        "name": lease.name,
        "ttl_ms": milliseconds(lease.ttl),
        "remaining_ms": lease.remaining.map(milliseconds),
        "attached": lease.attached,
        "granted_revision": lease.granted_revision,
        "keys": keys.collect::<Vec<_>>(),
    })
}

fn table(leases: &[LeaseRecord]) -> String {
    let rows = leases.iter().map(|lease| {
        vec![
            lease.lease.to_string(),
            lease.name.clone(),
            format!("{:?}", lease.ttl),
            lease.remaining.map_or("?".to_owned(), |left| format!("{left:?}")),
            lease.attached.to_string(),
        ]
    });
    let mut text = output::table(&["lease", "name", "ttl", "remaining", "attached"], rows);
    for (domain, key) in leases.iter().flat_map(|lease| &lease.keys) {
        text.push_str(&format!("\n{domain}: {}", bytes::shown(key, false)));
    }
    text
}
