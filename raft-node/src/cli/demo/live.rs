//! How far each worker is, live: written to the eventual tier at one node, read at another.
//!
//! What a worker reports as it goes costs the log nothing: it is in the memory of the node that it asks, and a moment later
//! in that of every other. A report that is lost with a killed node is made up for by the next; the last one of each
//! worker waits until two nodes have it, and is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use quorate::{Client, Eventual, EventualEntry, Keys};
use serde::{Deserialize, Serialize};

use super::worker::json;
use crate::cli::exit::Failure;

const PREFIX: &str = "demo/progress/";
/// A worker that reports nothing for so long is not shown any more.
const TTL: Duration = Duration::from_secs(60);
/// The readers look this often.
const INTERVAL: Duration = Duration::from_millis(100);
/// Nodes that must have the last report of a worker.
const ACKS: u32 = 2;
/// The last reports must be everywhere within this.
const LAST_REPORT_MAX: Duration = Duration::from_secs(10);
/// Workers that are shown beside the bar.
const SHOWN_MAX: usize = 8;

/// What a worker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    files: u64,
    lines: u64,
}

/// What was reported and read in one run.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Reports that were acknowledged.
    pub written: AtomicU64,
    /// Reports that were not: the node was killed, or could not be reached.
    pub failed: AtomicU64,
    /// Times that the reports of all workers were read at the other node.
    pub reads: AtomicU64,
}

/// One worker's way to say how far it is.
pub struct Reporter {
    eventual: Eventual,
    key: String,
    progress: Progress,
    traffic: Arc<Traffic>,
}

impl Reporter {
    /// Nothing was done yet. The client says at which node it reports.
    pub fn new(client: &Client, worker: &str, traffic: Arc<Traffic>) -> Self {
        Reporter {
            eventual: client.eventual(),
            key: format!("{PREFIX}{worker}"),
            progress: Progress::default(),
            traffic,
        }
    }

    /// One more file is done. That this cannot be told now is no reason to stop.
    pub async fn did(&mut self, lines: u64) -> Result<(), Failure> {
        self.progress.files += 1;
        self.progress.lines += lines;
        let report = self.eventual.put(&self.key, json(&self.progress)?).ttl(TTL).await;
        let counter = if report.is_ok() {
            &self.traffic.written
        } else {
            &self.traffic.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The last word: two nodes have it when this returns.
    pub async fn finish(self) -> Result<u64, Failure> {
        let report = self.eventual.put(&self.key, json(&self.progress)?);
        report.ttl(TTL).acks(ACKS).await?;
        self.traffic.written.fetch_add(1, Ordering::Relaxed);
        Ok(self.progress.files)
    }
}

/// Shows what is read at the node that the client asks, until it is dropped. While that node is down, nothing new is shown.
pub async fn show(client: Client, bar: ProgressBar, traffic: Arc<Traffic>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Ok(entries) = read(&client).await else { continue };
        traffic.reads.fetch_add(1, Ordering::Relaxed);
        let shown: Vec<String> = entries.iter().take(SHOWN_MAX).filter_map(one).collect();
        let more = if entries.len() > SHOWN_MAX { ", ..." } else { "" };
        bar.set_message(format!("{}{more}", shown.join(", ")));
    }
}

/// Waits until the last reports can be read at the node that the client asks, and say in all that so many files were done.
pub async fn verify(client: &Client, files: u64) -> Result<(), Failure> {
    let all_there = async {
        loop {
            let sum: u64 = read(client)
                .await?
                .iter()
                .filter_map(progress)
                .map(|progress| progress.files)
                .sum();
            if sum == files {
                return Ok::<_, Failure>(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(LAST_REPORT_MAX, all_there)
        .await
        .unwrap_or_else(|_| {
            let seconds = LAST_REPORT_MAX.as_secs();
            Err(Failure::local(format!(
                "the workers' reports, read at another node, did not add up to {files} files within {seconds} s"
            )))
        })
}

async fn read(client: &Client) -> Result<Vec<EventualEntry>, Failure> {
    let mut entries = client.eventual().scan(Keys::prefix(PREFIX)).all(1000).await?;
    entries.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(entries)
}

fn progress(entry: &EventualEntry) -> Option<Progress> {
    serde_json::from_slice(&entry.value).ok()
}

fn one(entry: &EventualEntry) -> Option<String> {
    let worker = entry.key.strip_prefix(PREFIX.as_bytes())?;
    Some(format!(
        "{} {}",
        String::from_utf8_lossy(worker),
        progress(entry)?.files
    ))
}
