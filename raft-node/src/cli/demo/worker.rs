//! One worker: claims files from the queue, counts them, writes the results; the first to finish writes the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use quorate::{Claimed, Client, Compare, ErrorKind, Keys, Op, Outcome, Queue, Session};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Counts;
use super::input::InputFile;
use super::live::{Reporter, Traffic};
use crate::cli::exit::Failure;

/// The queue of files.
pub const QUEUE: &str = "demo/files";
/// The lock that whoever writes the report holds.
pub const REPORT_LOCK: &str = "demo/report";
/// The report.
pub const REPORT_KEY: &str = "demo/report";

/// A worker that is silent for this long is gone: what it holds goes back.
pub const SESSION_TTL: Duration = Duration::from_secs(2);
/// Files that a worker claims at a time.
pub const FILES_PER_CLAIM: u32 = 4;
/// An idle worker looks whether everything is done this often.
const CLAIM_WAIT: Duration = Duration::from_millis(500);
/// A write whose outcome is unknown is repeated this often.
const ATTEMPTS_MAX: u32 = 10;
/// Results read at a time.
const PAGE: u64 = 1000;

/// What an item of the queue says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Number of the file.
    pub number: usize,
    /// Where it is, for people who look into the queue.
    pub path: String,
}

/// The value of `demo/results/N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Who counted.
    pub worker: String,
    /// What it counted.
    pub counts: Counts,
}

/// The value of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Who added up.
    pub worker: String,
    /// Files counted.
    pub files: usize,
    /// Sum of the results.
    pub counts: Counts,
}

/// What the workers share outside the store: the input, and what is measured. The work itself is shared out by the store
/// alone.
#[derive(Debug)]
pub struct Floor {
    /// File N is what item N of the queue is about.
    pub files: Vec<InputFile>,
    /// Results that were written.
    pub done: watch::Sender<usize>,
    /// Files that were begun.
    pub begun: AtomicUsize,
    /// From this file on, work waits until the leader was killed.
    pub gate: usize,
    /// The leader was killed.
    pub leader_killed: watch::Receiver<bool>,
    /// Files that had been claimed before by a worker that was lost.
    pub came_back: AtomicUsize,
    /// Shows.
    pub bar: ProgressBar,
    /// Reports of progress.
    pub traffic: Arc<Traffic>,
    /// Files that the last reports of all workers add up to.
    pub reported: AtomicU64,
}

/// Key of a result.
pub fn result_key(number: usize) -> String {
    format!("demo/results/{number:05}")
}

/// Number of the result with this key.
pub fn number_of(key: &[u8]) -> Option<usize> {
    std::str::from_utf8(key).ok()?.rsplit('/').next()?.parse().ok()
}

/// JSON of a value.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::local(format!("a value has no JSON: {error}")))
}

/// Works until every file is done and the report is written.
pub async fn work(client: Client, floor: Arc<Floor>, name: String) -> Result<(), Failure> {
    let session = client.session(SESSION_TTL).name(&name).await?;
    let queue = client.queue(QUEUE);
    let reporter = Reporter::new(&client, &name, Arc::clone(&floor.traffic));
    let mut worker = Worker {
        client,
        session,
        queue,
        name,
        floor,
        reporter,
    };
    while worker.floor.done.borrow().lt(&worker.floor.files.len()) {
        let claim = worker.queue.claim(FILES_PER_CLAIM).session(&worker.session);
        for claimed in claim.worker(&worker.name).wait(CLAIM_WAIT).await? {
            worker.attend(&claimed).await?;
        }
    }
    worker.report().await?;
    let files = worker.reporter.finish().await?;
    worker.floor.reported.fetch_add(files, Ordering::Relaxed);
    Ok(worker.session.end().await?)
}

struct Worker {
    client: Client,
    session: Session,
    queue: Queue,
    name: String,
    floor: Arc<Floor>,
    reporter: Reporter,
}

impl Worker {
    async fn attend(&mut self, claimed: &Claimed) -> Result<(), Failure> {
        let task: Task = serde_json::from_slice(claimed.payload())
            .map_err(|error| Failure::local(format!("item {} does not parse: {error}", claimed.id())))?;
        if claimed.attempt() > 1 {
            self.floor.came_back.fetch_add(1, Ordering::Relaxed);
        }
        if self.floor.begun.fetch_add(1, Ordering::Relaxed) >= self.floor.gate {
            let mut killed = self.floor.leader_killed.clone();
            // The sender goes only when the demonstration ends.
            let _ = killed.wait_for(|killed| *killed).await;
        }
        let path = &self.floor.files[task.number].path;
        let content = tokio::fs::read(path)
            .await
            .map_err(|error| Failure::file(path, &error))?;
        let counts = Counts::of(&content);
        if self.commit(claimed, task.number, counts).await? {
            self.reporter.did(counts.lines).await?;
            self.floor.done.send_modify(|done| *done += 1);
            self.floor.bar.inc(1);
        }
        Ok(())
    }

    /// Writes the result and acknowledges the item, at one revision or not at all; false if the item is another's by now.
    async fn commit(&self, claimed: &Claimed, number: usize, counts: Counts) -> Result<bool, Failure> {
        let key = result_key(number);
        let value = json(&TaskResult {
            worker: self.name.clone(),
            counts,
        })?;
        let mut repeated = false;
        for _ in 0..ATTEMPTS_MAX {
            let txn = self.client.txn().when(Compare::version(&key).equals(0));
            let txn = txn.then(Op::put(&key, value.clone())).then(claimed.ack_op());
            match txn.await {
                Ok(reply) if reply.succeeded => return Ok(true),
                // The attempt before had been applied after all.
                Ok(_) if repeated => return Ok(true),
                Ok(_) => {
                    return Err(Failure::local(format!(
                        "{key} is there, but its item was not acknowledged"
                    )));
                }
                Err(error) if error.outcome() == Outcome::Unknown => repeated = true,
                Err(error) if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::UnknownItem) => {
                    return Ok(repeated && self.is_mine(&key).await?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::local(format!(
            "{key} could not be written in {ATTEMPTS_MAX} attempts"
        )))
    }

    async fn is_mine(&self, key: &str) -> Result<bool, Failure> {
        let found = self.client.get(key).await?.record;
        let result = found.and_then(|record| serde_json::from_slice::<TaskResult>(&record.value).ok());
        Ok(result.is_some_and(|result| result.worker == self.name))
    }

    /// Adds up the results, once: whoever gets the lock first does, and the others find it done. Each write carries the
    /// lock's fence, so that a worker which lost the lock without noticing could write nothing.
    async fn report(&self) -> Result<(), Failure> {
        let lock = self.client.lock(REPORT_LOCK).session(&self.session).acquire().await?;
        if self.client.get(REPORT_KEY).await?.record.is_none() {
            let (files, counts) = total(&self.client).await?;
            let value = json(&Total {
                worker: self.name.clone(),
                files,
                counts,
            })?;
            let txn = self.client.txn().then(lock.fence());
            txn.then(Op::put(REPORT_KEY, value)).await?;
        }
        Ok(lock.release().await?)
    }
}

/// How many results there are, and their sum.
async fn total(client: &Client) -> Result<(usize, Counts), Failure> {
    let records = client
        .range(Keys::prefix("demo/results/"))
        .limit(PAGE)
        .all(usize::MAX)
        .await?;
    let mut sum = Counts::default();
    for record in &records {
        let result: TaskResult = serde_json::from_slice(&record.value)
            .map_err(|error| Failure::local(format!("a result does not parse: {error}")))?;
        sum += result.counts;
    }
    Ok((records.len(), sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_and_lead_back_to_them() {
        assert!(result_key(99) < result_key(100));
        assert_eq!(number_of(result_key(4999).as_bytes()), Some(4999));
        assert_eq!(number_of(b"demo/results/x"), None);
    }
}
