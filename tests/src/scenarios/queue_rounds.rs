//! Items go through many workers while workers and leaders are killed: every item is acknowledged exactly once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use quorate::{Client, Keys, NewItem, Outcome, Queue, QueueConfig, Record};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::queue_worker::DONE;
use crate::cluster::{Cluster, EqualState};
use crate::{HarnessError, wait};

const QUEUE: &str = "work";
/// Items in one push.
const BATCH: u64 = 100;
/// Nothing is acknowledged for so long: it will not be.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at the queue.
const POLL: Duration = Duration::from_millis(50);
/// No item may become a dead letter because its workers were killed too often.
const ATTEMPTS_MAX: u32 = 10_000;

/// Workers are processes. While items are pushed and worked on, workers and leaders are killed with SIGKILL, as often as
/// the number of items says.
#[derive(Clone, Debug)]
pub struct QueueRounds {
    /// Items that are pushed.
    pub items: u64,
    /// Workers at a time.
    pub workers: u64,
    /// Everything random comes from it.
    pub seed: u64,
    /// The program of this crate, whose `queue-worker` is a worker.
    pub program: PathBuf,
}

/// What a run that passed has covered.
#[derive(Clone, Copy, Debug)]
pub struct QueueReport {
    /// Items that were acknowledged, each once.
    pub items: u64,
    /// Of these, those that were not acknowledged by the first who claimed them.
    pub redelivered: u64,
    /// Workers that were killed.
    pub worker_kills: u64,
    /// Leaders that were killed.
    pub leader_kills: u64,
    /// The state that all members agree on.
    pub state: EqualState,
}

impl fmt::Display for QueueReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueReport {
            items,
            redelivered,
            worker_kills,
            leader_kills,
            state,
        } = self;
        write!(
            f,
            "{items} items acknowledged once each, {redelivered} of them after a claim that came to nothing; killed \
             {worker_kills} workers and {leader_kills} leaders; state {:016x} on every member at index {}",
            state.state_hash, state.applied_index
        )
    }
}

impl QueueRounds {
    /// Runs it on three members; `progress` gets a line for each leader that is killed.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<QueueReport, HarnessError> {
        let QueueRounds {
            items, workers, seed, ..
        } = self;
        progress(format!("queue-rounds: {items} items, {workers} workers, seed {seed}"));
        let cluster = Cluster::start(3).await?;
        let client = cluster.client().await?;
        let queue = client.queue(QUEUE);
        let config = QueueConfig::default().attempts_max(ATTEMPTS_MAX);
        queue
            .create(config)
            .await
            .map_err(HarnessError::call("create the queue"))?;
        let pushing = tokio::spawn(push(queue.clone(), items));
        let mut run = Run {
            random: SmallRng::seed_from_u64(seed),
            fleet: Vec::new(),
            plan: self,
            cluster,
            queue,
            pushing,
            worker_kills: 0,
            leader_kills: 0,
        };
        for number in 0..workers {
            let worker = run.start_worker(number)?;
            run.fleet.push(worker);
        }
        run.until_empty(&mut progress).await?;
        run.verdict(&client).await
    }
}

struct Run {
    plan: QueueRounds,
    cluster: Cluster,
    queue: Queue,
    pushing: JoinHandle<Result<(), HarnessError>>,
    fleet: Vec<Child>,
    random: SmallRng,
    worker_kills: u64,
    leader_kills: u64,
}

/// What is known of the queue.
struct Seen {
    acknowledged: u64,
    empty: bool,
}

impl Run {
    fn start_worker(&self, number: u64) -> Result<Child, HarnessError> {
        let mut command = Command::new(&self.plan.program);
        command.arg("queue-worker").args(["--queue", QUEUE]);
        command.args(["--name", &format!("worker-{number}")]);
        command.args(["--endpoints", &self.cluster.endpoints().join(",")]);
        if number.is_multiple_of(2) {
            command.arg("--session");
        }
        // It ends when the pipe does, if this process dies; what it has to say goes to the terminal.
        command.stdin(Stdio::piped()).kill_on_drop(true);
        command.spawn().map_err(HarnessError::io("start a worker"))
    }

    /// Kills whom the plan says until everything that was pushed is acknowledged.
    async fn until_empty(&mut self, progress: &mut impl FnMut(String)) -> Result<(), HarnessError> {
        let items = self.plan.items;
        let leader_kills = (items / 5000).max(2);
        let a_worker_each = (items / 400).max(20);
        let mut last = (0, Instant::now());
        loop {
            self.check_fleet()?;
            self.cluster.check_nobody_ended()?;
            let seen = self.look().await?;
            if seen.acknowledged > last.0 {
                last = (seen.acknowledged, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                return Err(HarnessError::TimedOut {
                    condition: "an acknowledgement".to_owned(),
                    after: PATIENCE,
                    last_seen: format!("{} of {items} items", seen.acknowledged),
                });
            }
            if seen.empty && self.pushing.is_finished() {
                return Ok(());
            }
            // Leaders first: workers are due nearly always, and the items may be done before a leader's turn comes.
            if seen.acknowledged >= (self.leader_kills + 1) * items / (leader_kills + 1) {
                let victim = self.kill_leader().await?;
                progress(format!(
                    "killed leader {victim}; {} of {items} items, {} workers killed",
                    seen.acknowledged, self.worker_kills
                ));
            } else if seen.acknowledged >= (self.worker_kills + 1) * a_worker_each {
                self.kill_worker().await?;
            } else {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// A worker ends by itself only with a reason, which it has printed.
    fn check_fleet(&mut self) -> Result<(), HarnessError> {
        for worker in &mut self.fleet {
            if let Some(status) = worker.try_wait().map_err(HarnessError::io("look after a worker"))? {
                return Err(HarnessError::Broken(format!("a worker ended by itself: {status}")));
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<Seen, HarnessError> {
        let stats = self
            .queue
            .stats()
            .await
            .map_err(HarnessError::call("look at the queue"))?;
        let stats = stats.ok_or_else(|| HarnessError::Broken("the queue is gone".to_owned()))?;
        Ok(Seen {
            acknowledged: stats.enqueued - stats.depth(),
            empty: stats.depth() == 0,
        })
    }

    async fn kill_worker(&mut self) -> Result<(), HarnessError> {
        let number = self.random.random_range(0..self.plan.workers);
        let fresh = self.start_worker(number)?;
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let place = self.fleet.get_mut(index);
        let place = place.ok_or_else(|| HarnessError::Broken(format!("there is no worker {number}")))?;
        // SIGKILL, and nothing else.
        place.kill().await.map_err(HarnessError::io("kill a worker"))?;
        *place = fresh;
        self.worker_kills += 1;
        Ok(())
    }

    async fn kill_leader(&mut self) -> Result<u64, HarnessError> {
        let victim = self.cluster.wait_for_leader().await?;
        let before = self.look().await?.acknowledged;
        self.cluster.kill9(victim)?;
        self.leader_kills += 1;
        wait::until("acknowledgements under another leader", PATIENCE, async || {
            let seen = self.look().await.map_err(|error| error.to_string())?;
            let goes_on = seen.acknowledged > before || (seen.empty && self.pushing.is_finished());
            goes_on.then_some(()).ok_or(format!("{} items", seen.acknowledged))
        })
        .await?;
        self.cluster.restart(victim)?;
        let leader = self.cluster.wait_for_leader().await?;
        let status = self.cluster.status(leader).await.map_err(HarnessError::Broken)?;
        self.cluster.wait_until_applied(victim, status.applied_index).await?;
        Ok(victim)
    }

    async fn verdict(mut self, client: &Client) -> Result<QueueReport, HarnessError> {
        let pushed = (&mut self.pushing).await;
        pushed.map_err(|error| HarnessError::Broken(format!("the pusher ended: {error}")))??;
        self.check_fleet()?;
        for worker in &mut self.fleet {
            worker.kill().await.map_err(HarnessError::io("kill a worker"))?;
        }
        let items = self.plan.items;
        let seen = self.look().await?;
        if (seen.acknowledged, seen.empty) != (items, true) {
            let message = format!("{} of {items} items are acknowledged", seen.acknowledged);
            return Err(HarnessError::Broken(message));
        }
        let limit = usize::try_from(items).unwrap_or(usize::MAX).saturating_mul(2);
        let records = client.range(Keys::prefix(DONE)).all(limit).await;
        let redelivered = check_records(&records.map_err(HarnessError::call("read the records"))?, items)?;
        self.queue
            .delete()
            .await
            .map_err(HarnessError::call("delete the empty queue"))?;
        let state = self.cluster.wait_for_equal_state().await?;
        if self.worker_kills == 0 || self.leader_kills == 0 || redelivered == 0 {
            return Err(HarnessError::Broken(format!(
                "nothing was shown: {} workers and {} leaders were killed, {redelivered} items were claimed again",
                self.worker_kills, self.leader_kills
            )));
        }
        Ok(QueueReport {
            items,
            redelivered,
            worker_kills: self.worker_kills,
            leader_kills: self.leader_kills,
            state,
        })
    }
}

/// One record for each item, written once; returns how many were not acknowledged by the first who claimed them.
fn check_records(records: &[Record], items: u64) -> Result<u64, HarnessError> {
    let mut missing: BTreeSet<u64> = (0..items).collect();
    let mut redelivered = 0;
    for record in records {
        let value = String::from_utf8_lossy(&record.value);
        let numbers = value
            .split_once(' ')
            .and_then(|(number, attempt)| Some((number.parse::<u64>().ok()?, attempt.parse::<u64>().ok()?)));
        match numbers {
            Some((number, attempt)) if missing.remove(&number) && record.version == 1 => {
                redelivered += u64::from(attempt > 1);
            }
            _ => {
                let message = format!("a record that should not be there: {record:?}");
                return Err(HarnessError::Broken(message));
            }
        }
    }
    match missing.first() {
        None => Ok(redelivered),
        Some(first) => Err(HarnessError::Broken(format!(
            "{} items are gone without a record, {first} is the first",
            missing.len()
        ))),
    }
}

/// Pushes the numbers from 0 on. A push whose outcome is unknown is repeated: the keys make that harmless.
async fn push(queue: Queue, items: u64) -> Result<(), HarnessError> {
    let mut first = 0;
    while first < items {
        let end = (first + BATCH).min(items);
        let batch = (first..end).map(|number| {
            NewItem::new(number.to_string())
                .dedupe_key(number.to_string())
                .group(format!("group-{}", number % 7))
        });
        match queue.push_all(batch).await {
            Ok(_) => first = end,
            Err(error) if error.is_retryable() || error.outcome() == Outcome::Unknown => {
                tokio::time::sleep(POLL).await;
            }
            Err(error) => return Err(HarnessError::call("push")(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &str, version: u64) -> Record {
        Record {
            value: value.to_owned().into(),
            version,
            ..Record::default()
        }
    }

    #[test]
    fn a_record_too_many_too_few_or_written_twice_is_found() {
        assert_eq!(check_records(&[record("1 1", 1), record("0 3", 1)], 2).unwrap(), 1);
        for wrong in [
            vec![record("0 1", 1)],
            vec![record("0 1", 1), record("0 2", 1)],
            vec![record("0 1", 1), record("1 1", 2)],
            vec![record("0 1", 1), record("1 1", 1), record("2 1", 1)],
            vec![record("0 1", 1), record("x", 1)],
        ] {
            assert!(check_records(&wrong, 2).is_err(), "{wrong:?}");
        }
    }
}
