//! `quorate status`.

use futures::future::join_all;
use quorate::MemberStatus;
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Asks every endpoint; exit code 3 when one of them does not answer.
pub async fn run(global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let client = &client;
    let answers = join_all(global.endpoints.iter().map(|endpoint| async move {
        let answer = client.status(endpoint).await;
        (endpoint, answer.map_err(|error| Failure::from(error).message))
    }))
    .await;
    let json: Vec<Value> = answers
        .iter()
        .map(|(endpoint, answer)| to_json(endpoint, answer))
        .collect();
    let rows = answers.iter().map(|(endpoint, answer)| to_row(endpoint, answer));
    let header = [
        "endpoint", "member", "role", "leader", "term", "revision", "applied", "state", "log", "alarms",
    ];
    global
        .output
        .show(&json!({ "endpoints": json }), || output::table(&header, rows))?;
    if answers.iter().all(|(_, answer)| answer.is_ok()) {
        Ok(Exit::Success)
    } else {
        Ok(Exit::Unavailable)
    }
}

fn to_json(endpoint: &str, answer: &Result<MemberStatus, String>) -> Value {
    match answer {
        Err(message) => json!({ "endpoint": endpoint, "error": message }),
        Ok(status) => json!({
            "endpoint": endpoint,
            "member": status.member_id,
            "version": status.version,
            "role": status.role,
            "leader": status.leader_id,
            "term": status.raft_term,
            "revision": status.revision,
            "compacted_revision": status.compacted_revision,
            "committed_index": status.committed_index,
            "applied_index": status.applied_index,
            "snapshot_index": status.snapshot_index,
            "log_first_index": status.log_first_index,
            "log_last_index": status.log_last_index,
            "state_hash": format!("{:016x}", status.state_hash),
            "log_bytes": status.log_bytes,
            "state_bytes": status.state_bytes,
            "disk_free_bytes": status.disk_free_bytes,
            "clients": status.clients,
            "alarms": status.alarms,
            "wall_ms": status.wall_ms,
        }),
    }
}

fn to_row(endpoint: &str, answer: &Result<MemberStatus, String>) -> Vec<String> {
    match answer {
        Err(message) => {
            let mut row = vec![String::new(); 10];
            row[0] = endpoint.to_owned();
            row[2] = "no answer".to_owned();
            row[9] = message.clone();
            row
        }
        Ok(status) => vec![
            endpoint.to_owned(),
            status.member_id.to_string(),
            status.role.clone(),
            status
                .leader_id
                .map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
            status.raft_term.to_string(),
            status.revision.to_string(),
            status.applied_index.to_string(),
            mib(status.state_bytes),
            mib(status.log_bytes),
            status.alarms.join("; "),
        ],
    }
}

fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_mebibytes() {
        assert_eq!(mib(0), "0.0 MiB");
        assert_eq!(mib(1_572_864), "1.5 MiB");
    }

    #[test]
    fn an_endpoint_that_does_not_answer_has_a_row_that_says_so() {
        let row = to_row("127.0.0.1:1", &Err("connection refused".to_owned()));
        assert_eq!(row.len(), 10);
        assert_eq!((row[2].as_str(), row[9].as_str()), ("no answer", "connection refused"));
    }
}
