//! What members have of eventual domains, and what happened to it.

use quorate::{DomainMemory, MemberMemory};
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Every member's figures of a domain, or of all; exit code 3 when a member could not be asked.
pub(super) async fn stats(name: Option<&str>, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    if let Some(name) = name
        && client.domains().get(name).await?.is_none()
    {
        let message = format!("domain {name:?} does not exist");
        return Err(Failure::new(Exit::Refused, "unknown_domain", message));
    }
    let first = global.endpoints.first().map_or("", String::as_str);
    let mut members = client.eventual_admin().cluster_memory(first).await?;
    for member in &mut members {
        member
            .domains
            .retain(|domain| name.is_none_or(|name| domain.domain == name));
    }
    let json: Vec<Value> = members.iter().map(|member| json!(member)).collect();
    global.output.show(&json!({ "members": json }), || table(&members))?;
    let all_answered = members.iter().all(|member| member.unreachable.is_none());
    Ok(if all_answered { Exit::Success } else { Exit::Unavailable })
}

fn table(members: &[MemberMemory]) -> String {
    let rows = members.iter().flat_map(|member| {
        let row = |domain: &DomainMemory| {
            vec![
                domain.domain.clone(),
                member.member.to_string(),
                domain.entries.to_string(),
                domain.bytes.to_string(),
                domain.pressure.clone(),
                domain.cold_values.to_string(),
                domain.cold_bytes.to_string(),
                domain.evicted.to_string(),
                domain.expired.to_string(),
                domain.refused.to_string(),
                conflicts(domain),
            ]
        };
        member.domains.iter().map(row).collect::<Vec<_>>()
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.sort();
    let header = [
        "domain",
        "member",
        "entries",
        "bytes",
        "pressure",
        "cold",
        "cold bytes",
        "evicted",
        "expired",
        "refused",
        "conflicts",
    ];
    let mut text = output::table(&header, rows);
    for member in members {
        if let Some(why) = &member.unreachable {
            text.push_str(&format!("\nmember {}: {why}", member.member));
        }
    }
    text
}

fn conflicts(domain: &DomainMemory) -> String {
    let each = domain.conflicts_by_strategy.iter();
    let texts: Vec<String> = each.map(|one| format!("{} {}", one.strategy, one.conflicts)).collect();
    texts.join(", ")
}
