//! One worker: claims files, counts them, writes the results.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::ProgressBar;
use quorate::{Client, Compare, Keys, Op, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::input::InputFile;
use super::{Counts, WriteGap};
use crate::cli::exit::Failure;

/// Tasks read at a time when a worker looks for what others have not begun.
const PAGE: u64 = 500;

/// A write whose outcome is unknown is looked up and repeated this often.
const ATTEMPTS_MAX: u32 = 10;

/// The value of `demo/tasks/N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// For people who look into the store.
    pub path: String,
    /// The worker that claimed it.
    pub worker: Option<String>,
    /// The result is written.
    pub done: bool,
}

/// The value of `demo/results/N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Who counted.
    pub worker: String,
    /// What it counted.
    pub counts: Counts,
}

/// What the workers share outside the store: the input, and what is measured. The work itself is shared out by the store
/// alone.
#[derive(Debug)]
pub struct Floor {
    /// File N is task N.
    pub files: Vec<InputFile>,
    /// The revision at which task N was created.
    pub created: Vec<u64>,
    /// Results that were written.
    pub done: watch::Sender<usize>,
    /// Claims that succeeded.
    pub claimed: AtomicUsize,
    /// From this claim on, work waits until the leader was killed.
    pub gate: usize,
    /// The leader was killed.
    pub leader_killed: watch::Receiver<bool>,
    /// Measures.
    pub gap: WriteGap,
    /// Shows.
    pub bar: ProgressBar,
}

/// Key of a task.
pub fn task_key(number: usize) -> String {
    format!("demo/tasks/{number:05}")
}

/// Key of a result.
pub fn result_key(number: usize) -> String {
    format!("demo/results/{number:05}")
}

/// Number of the task or result with this key.
pub fn number_of(key: &[u8]) -> Option<usize> {
    std::str::from_utf8(key).ok()?.rsplit('/').next()?.parse().ok()
}

/// Works until no task is open. `place` of `workers` says with which tasks to begin.
pub async fn work(client: Client, floor: Arc<Floor>, place: usize, workers: usize) -> Result<(), Failure> {
    let worker = Worker {
        client,
        name: format!("worker-{}", place + 1),
        floor,
    };
    for number in (place..worker.floor.files.len()).step_by(workers) {
        worker.attend(number).await?;
    }
    // Its own share is done: help the others, from the far end so that they meet late.
    for number in worker.open_tasks().await?.into_iter().rev() {
        worker.attend(number).await?;
    }
    Ok(())
}

struct Worker {
    client: Client,
    name: String,
    floor: Arc<Floor>,
}

impl Worker {
    /// Does a task unless somebody else has it.
    async fn attend(&self, number: usize) -> Result<(), Failure> {
        let Some(claim_revision) = self.claim(number).await? else {
            return Ok(());
        };
        if self.floor.claimed.fetch_add(1, Ordering::Relaxed) >= self.floor.gate {
            let mut killed = self.floor.leader_killed.clone();
            // The sender goes only when the demonstration ends.
            let _ = killed.wait_for(|killed| *killed).await;
        }
        let path = self.floor.files[number].path.clone();
        let content = tokio::fs::read(&path)
            .await
            .map_err(|error| Failure::file(&path, &error))?;
        self.write_result(number, claim_revision, Counts::of(&content)).await?;
        self.floor.done.send_modify(|done| *done += 1);
        self.floor.bar.inc(1);
        Ok(())
    }

    /// The revision of this worker's claim; nothing if another has it.
    async fn claim(&self, number: usize) -> Result<Option<u64>, Failure> {
        let (key, value) = (task_key(number), self.task(number, false)?);
        for _ in 0..ATTEMPTS_MAX {
            match self
                .client
                .compare_and_swap(&key, self.floor.created[number], value.clone())
                .await
            {
                Ok(reply) => {
                    self.floor.gap.wrote(Instant::now());
                    return Ok(reply.swapped.then_some(reply.revision));
                }
                Err(error) if error.outcome() == Outcome::Unknown => {
                    // Either it is this worker's now, or the same attempt may be made again.
                    let record = self.client.get(&key).await?.record;
                    if let Some(record) = record
                        && record.mod_revision != self.floor.created[number]
                    {
                        return Ok((record.value == value).then_some(record.mod_revision));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(unresolved(&key))
    }

    /// Writes the result if the claim still stands.
    async fn write_result(&self, number: usize, claim_revision: u64, counts: Counts) -> Result<(), Failure> {
        let (task, key) = (task_key(number), result_key(number));
        let value = json(&TaskResult {
            worker: self.name.clone(),
            counts,
        })?;
        for _ in 0..ATTEMPTS_MAX {
            let txn = self
                .client
                .txn()
                .when(Compare::mod_revision(&task).equals(claim_revision))
                .when(Compare::version(&key).equals(0))
                .then(Op::put(&key, value.clone()))
                .then(Op::put(&task, self.task(number, true)?));
            let reply = match txn.await {
                Ok(reply) => reply,
                Err(error) if error.outcome() == Outcome::Unknown => continue,
                Err(error) => return Err(error.into()),
            };
            if reply.succeeded {
                self.floor.gap.wrote(Instant::now());
                return Ok(());
            }
            // An earlier attempt, whose answer was lost, may have done it.
            let written = self.client.get(&key).await?.record;
            return match written {
                Some(record) if record.value == value => Ok(()),
                _ => Err(Failure::local(format!(
                    "{task}: the claim of {} did not hold",
                    self.name
                ))),
            };
        }
        Err(unresolved(&key))
    }

    /// Tasks that nobody has claimed.
    async fn open_tasks(&self) -> Result<Vec<usize>, Failure> {
        let (mut open, mut next) = (Vec::new(), 0);
        while next < self.floor.files.len() {
            let keys = Keys::interval(task_key(next), "demo/tasks0");
            let page = self.client.range(keys).limit(PAGE).await?;
            for record in &page.records {
                let number = number_of(&record.key).filter(|number| *number < self.floor.files.len());
                let number = number.ok_or_else(|| Failure::local("a foreign key stands among the tasks"))?;
                if record.mod_revision == self.floor.created[number] {
                    open.push(number);
                }
                next = number + 1;
            }
            if !page.more {
                break;
            }
        }
        Ok(open)
    }

    fn task(&self, number: usize, done: bool) -> Result<Vec<u8>, Failure> {
        json(&Task {
            path: self.floor.files[number].path.display().to_string(),
            worker: Some(self.name.clone()),
            done,
        })
    }
}

/// As JSON.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::local(format!("JSON: {error}")))
}

fn unresolved(key: &str) -> Failure {
    Failure::local(format!(
        "{key}: the outcome stayed unknown after {ATTEMPTS_MAX} attempts"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_and_lead_back_to_them() {
        assert!(task_key(99) < task_key(100));
        assert_eq!(number_of(result_key(4999).as_bytes()), Some(4999));
        assert_eq!(number_of(b"demo/tasks/x"), None);
    }
}
