//! `quorate sync`.

use clap::Subcommand;
use futures::future::join_all;
use quorate::{HealReport, PeerSync, SyncStatus};
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// What to do with the exchange between members of the eventual tier.
#[derive(Debug, Subcommand)]
pub enum SyncVerb {
    /// How far each endpoint has what the other members have, and what became of partitions
    Status,
    /// Have each endpoint exchange what differs with the others now, and wait for it, no longer than --timeout
    Force,
}

/// Asks every endpoint; exit code 3 when one of them does not answer.
pub async fn run(verb: SyncVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        SyncVerb::Status => status(global).await,
        SyncVerb::Force => force(global).await,
    }
}

async fn status(global: &Global) -> Result<Exit, Failure> {
    let admin = global.connect().await?.eventual_admin();
    let admin = &admin;
    let answers = join_all(global.endpoints.iter().map(|endpoint| async move {
        let answer = admin.sync_status(endpoint).await;
        (endpoint, answer.map_err(|error| Failure::from(error).message))
    }))
    .await;
    let json = answers.iter().map(|(endpoint, answer)| match answer {
        Ok(status) => json!({ "endpoint": endpoint, "status": status }),
        Err(message) => json!({ "endpoint": endpoint, "error": message }),
    });
    let json = json!({ "endpoints": json.collect::<Vec<Value>>() });
    global.output.show(&json, || {
        let known = || answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        let mut text = peers_table(known());
        if known().any(|status| !status.heals.is_empty()) {
            text.push_str("\n\n");
            text.push_str(&heals_table(known()));
        }
        for status in known().filter(|status| status.diverged_shards > 0) {
            let (member, shards) = (status.member, status.diverged_shards);
            text.push_str(&format!(
                "\nmember {member}: {shards} shards differ though their clocks are equal: report a bug"
            ));
        }
        for (endpoint, answer) in &answers {
            if let Err(message) = answer {
                text.push_str(&format!("\n{endpoint}: {message}"));
            }
        }
        text
    })?;
    Ok(exit_of(answers.iter().all(|(_, answer)| answer.is_ok())))
}

async fn force(global: &Global) -> Result<Exit, Failure> {
    let admin = global.connect().await?.eventual_admin();
    let admin = &admin;
    let answers = join_all(global.endpoints.iter().map(|endpoint| async move {
        let answer = admin.sync_force(endpoint, global.timeout).await;
        (endpoint, answer.map_err(|error| Failure::from(error).message))
    }))
    .await;
    let json = answers.iter().map(|(endpoint, answer)| match answer {
        Ok(peers) => json!({ "endpoint": endpoint, "peers": peers }),
        Err(message) => json!({ "endpoint": endpoint, "error": message }),
    });
    let json = json!({ "endpoints": json.collect::<Vec<Value>>() });
    global.output.show(&json, || {
        let line = |(endpoint, answer): &(&String, Result<Vec<PeerSync>, String>)| match answer {
            Ok(peers) => format!(
                "{endpoint} has what its {} peers have, and they what it has",
                peers.len()
            ),
            Err(message) => format!("{endpoint}: {message}"),
        };
        answers.iter().map(line).collect::<Vec<String>>().join("\n")
    })?;
    Ok(exit_of(answers.iter().all(|(_, answer)| answer.is_ok())))
}

fn exit_of(all_answered: bool) -> Exit {
    if all_answered { Exit::Success } else { Exit::Unavailable }
}

fn peers_table<'a>(members: impl Iterator<Item = &'a SyncStatus>) -> String {
    let rows = members.flat_map(|status| {
        status.peers.iter().map(move |peer| {
            vec![
                status.member.to_string(),
                peer.member.to_string(),
                if peer.connected { "connected" } else { "away" }.to_owned(),
                milliseconds(peer.behind_ms),
                milliseconds(peer.age_ms),
                peer.unsent_operations.to_string(),
                peer.shards_whole.to_string(),
                peer.sent_bytes.to_string(),
                peer.received_bytes.to_string(),
            ]
        })
    });
    let header = [
        "member", "peer", "", "behind", "age", "unsent", "shards", "sent", "received",
    ];
    output::table(&header, rows)
}

fn heals_table<'a>(members: impl Iterator<Item = &'a SyncStatus>) -> String {
    let row = |heal: &HealReport| {
        vec![
            heal.member.to_string(),
            heal.peer.to_string(),
            milliseconds(Some(heal.apart_ms)),
            milliseconds(Some(heal.duration_ms)),
            heal.mode.clone(),
            heal.merged.to_string(),
            heal.conflicts_resolved.to_string(),
            heal.siblings_left.to_string(),
            heal.discarded.to_string(),
            heal.bytes.to_string(),
        ]
    };
    let header = [
        "member",
        "peer",
        "apart",
        "healed in",
        "by",
        "merged",
        "resolved",
        "siblings",
        "discarded",
        "bytes",
    ];
    output::table(&header, members.flat_map(|status| status.heals.iter().map(row)))
}

/// Absent: not since they were connected.
fn milliseconds(time_ms: Option<u64>) -> String {
    time_ms.map_or_else(|| "?".to_owned(), |time_ms| format!("{time_ms}ms"))
}
