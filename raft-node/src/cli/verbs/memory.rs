//! `quorate memory`.

use clap::Args;
use quorate::MemberMemory;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Whose memory.
#[derive(Args, Debug)]
pub struct MemoryArguments {
    /// That of every member, as the first endpoint collects it
    #[arg(long)]
    cluster: bool,
}

/// Shows what the eventual tier has in memory; exit code 3 when a member could not be asked.
pub async fn run(arguments: MemoryArguments, global: &Global) -> Result<Exit, Failure> {
    let admin = global.connect().await?.eventual_admin();
    let mut members = Vec::new();
    if arguments.cluster {
        let first = global.endpoints.first().map_or("", String::as_str);
        members.extend(admin.cluster_memory(first).await?);
    } else {
        for endpoint in &global.endpoints {
            members.push(admin.memory(endpoint).await?);
        }
    }
    global.output.show(&json!({ "members": members }), || table(&members))?;
    let all_answered = members.iter().all(|memory| memory.unreachable.is_none());
    Ok(if all_answered { Exit::Success } else { Exit::Unavailable })
}

fn table(members: &[MemberMemory]) -> String {
    let rows = members.iter().flat_map(|memory| {
        memory.domains.iter().map(|domain| {
            vec![
                memory.member.to_string(),
                domain.domain.clone(),
                domain.entries.to_string(),
                domain.bytes.to_string(),
                domain.bytes_max.map_or_else(String::new, |limit| limit.to_string()),
                domain.pressure.clone(),
                domain.cold_values.to_string(),
                domain.cold_bytes.to_string(),
                domain.evicted.to_string(),
                domain.refused.to_string(),
                domain.expired.to_string(),
                domain.conflicts.to_string(),
            ]
        })
    });
    let header = [
        "member",
        "domain",
        "entries",
        "bytes",
        "limit",
        "pressure",
        "cold",
        "cold bytes",
        "evicted",
        "refused",
        "expired",
        "conflicts",
    ];
    let mut text = output::table(&header, rows);
    for memory in members {
        let member = memory.member;
        text.push_str(&match &memory.unreachable {
            Some(why) => format!("\nmember {member}: {why}"),
            None => format!(
                "\nmember {member}: {} operations in the log, {} bytes; {} bytes of values kept for peers",
                memory.log_operations, memory.log_bytes, memory.orphan_bytes
            ),
        });
    }
    text
}
