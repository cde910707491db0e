//! What became of a damaged member.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::bulk::Bulk;
use super::damage::Damage;
use crate::cluster::Cluster;
use crate::{HarnessError, wait};

/// A member replays its log, or gets what it lacks from another.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Between an answer that fails and the end of the process.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// A machine that is busy fails a read or two.
const READS_MAX: usize = 3;

/// What became of it.
#[derive(Debug)]
pub(super) enum Fate {
    /// It runs, and has applied what the others had.
    Served,
    /// It ended by itself.
    Ended {
        status: ExitStatus,
        /// It had answered before.
        was_up: bool,
    },
    /// It runs, and answers reads of some keys with this error.
    Failing(String),
}

/// What a member said since it was damaged.
#[derive(Debug)]
pub(super) struct Met {
    /// Bytes of its log before.
    log_bytes: usize,
}

impl Met {
    pub(super) fn begin(cluster: &Cluster, victim: u64) -> Result<Met, HarnessError> {
        Ok(Met {
            log_bytes: log(cluster, victim)?.len(),
        })
    }

    /// Waits until it has caught up, or has ended.
    pub(super) async fn wait(&self, cluster: &mut Cluster, victim: u64) -> Result<Fate, HarnessError> {
        let mut goal = None;
        let mut was_up = false;
        wait::until(
            &format!("member {victim} to catch up or to end"),
            START_DEADLINE,
            async || {
                if cluster.ended(victim).is_some() {
                    let status = cluster.wait_until_ended(victim, END_DEADLINE).await?;
                    return Ok(Ok(Fate::Ended { status, was_up }));
                }
                let goal = match goal {
                    Some(index) => index,
                    None => *goal.insert(index_of_another(cluster, victim).await.ok_or("nobody leads")?),
                };
                let status = cluster.status(victim).await?;
                was_up = true;
                match status.applied_index >= goal {
                    true => Ok(Ok(Fate::Served)),
                    false => Err(Seen(format!("it is at {} of {goal}", status.applied_index))),
                }
            },
        )
        .await?
    }

    pub(super) fn said(&self, cluster: &Cluster, victim: u64) -> Result<String, HarnessError> {
        let log = log(cluster, victim)?;
        Ok(String::from_utf8_lossy(log.get(self.log_bytes..).unwrap_or_default()).into_owned())
    }

    /// Whether it noticed something and says that it put it right.
    pub(super) fn has_complained(&self, said: &str) -> bool {
        const WORDS: [&str; 4] = ["torn", "damage", "orrupt", "not the file the manifest describes"];
        let complains = |line: &str| {
            (line.contains(" WARN ") || line.contains(" ERROR ")) && WORDS.iter().any(|word| line.contains(word))
        };
        said.lines().any(complains)
    }
}

/// What was seen instead of the end of a wait.
struct Seen(String);

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Seen {
    fn from(text: &str) -> Seen {
        Seen(text.to_owned())
    }
}

impl From<String> for Seen {
    fn from(text: String) -> Seen {
        Seen(text)
    }
}

impl From<HarnessError> for Seen {
    fn from(error: HarnessError) -> Seen {
        Seen(error.to_string())
    }
}

async fn index_of_another(cluster: &Cluster, victim: u64) -> Option<u64> {
    let mut indexes = Vec::new();
    for id in cluster.running().into_iter().filter(|id| *id != victim) {
        indexes.push(cluster.status(id).await.ok()?.applied_index);
    }
    indexes.into_iter().max()
}

fn log(cluster: &Cluster, victim: u64) -> Result<Vec<u8>, HarnessError> {
    let path = cluster.member(victim)?.log();
    std::fs::read(&path).map_err(HarnessError::io(format!("read {}", path.display())))
}

/// Reads everything that is known from a member that is up, several times if that fails.
pub(super) async fn while_reading(cluster: &mut Cluster, victim: u64, bulk: &Bulk) -> Result<Fate, HarnessError> {
    let mut last = String::new();
    for _ in 0..READS_MAX {
        let failure = match cluster.client_of(victim).await {
            Ok(client) => bulk.read(&client).await?.err(),
            Err(error) => Some(error.to_string()),
        };
        match failure {
            Some(failure) => last = failure,
            None => return Ok(Fate::Served),
        }
        if let Ok(status) = cluster.wait_until_ended(victim, END_DEADLINE).await {
            return Ok(Fate::Ended { status, was_up: true });
        }
    }
    Ok(Fate::Failing(last))
}

/// It may end, but not by a signal, nor with a panic.
pub(super) fn demand_an_orderly_end(
    victim: u64,
    status: ExitStatus,
    said: &str,
    damage: &Damage,
) -> Result<(), HarnessError> {
    let orderly = status.signal().is_none() && !status.success() && !said.contains("panicked at");
    match orderly {
        true => Ok(()),
        false => Err(HarnessError::Broken(format!(
            "member {victim} ended with {status} after {damage}:\n{said}"
        ))),
    }
}
