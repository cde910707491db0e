//! The workload, and its verdict.

use std::time::Duration;

use quorate::{Outcome, QueueConfig};
use rand::Rng;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::history::History;
use super::pusher::Pusher;
use super::record::{Call, Done, QueueOperation};
use super::truth::{Ended, State};
use super::violations;
use super::worker::Worker;
use crate::HarnessError;
use crate::verdict::Verdict;
use crate::watch_check::Truth;
use crate::workloads::coordination::{fault_times, joined};
use crate::workloads::{Facts, Ground, Workload};

/// The queue.
pub(super) const QUEUE: &str = "queues/work";

/// What records that an item is done.
pub(super) const DONE: &str = "queues/done/";

const PUSHERS: u64 = 2;

/// Of each way, with a lease and without.
const WORKERS: u64 = 4;

/// Few, so that some items become dead letters.
const ATTEMPTS_MAX: u32 = 4;

/// Longer than any run.
const DEDUPE_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// For the queue to be there, and in the end to be empty.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);

/// A queue under faults.
#[derive(Clone, Copy, Debug)]
pub struct Queues;

impl Workload for Queues {
    const NAME: &'static str = "queues";
    const KINDS: &'static [&'static str] = &["push", "claim", "extend", "ack", "nack", "lease"];
    type Call = Call;
    type Answer = Done;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        make(&ground).await?;
        let mut running = JoinSet::new();
        for _ in 0..PUSHERS {
            running.spawn(Pusher::new(&ground).await?.run());
        }
        for number in 0..2 * WORKERS {
            running.spawn(Worker::new(&ground, number % 2 == 0).await?.run());
        }
        joined(running).await
    }

    /// Works until nothing is left.
    async fn finish(ground: Ground) -> Result<(), HarnessError> {
        let mut worker = Worker::new(&ground, false).await?;
        let end = Instant::now() + PATIENCE;
        loop {
            worker.redrive().await;
            worker.finish_what_is_there().await;
            let left = worker.left().await;
            match left {
                Ok(0) => return Ok(()),
                left if Instant::now() > end => {
                    return Err(HarnessError::TimedOut {
                        condition: format!("queue {QUEUE} to be empty"),
                        after: PATIENCE,
                        last_seen: format!("{left:?}"),
                    });
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn kind(call: &Call) -> &'static str {
        call.kind()
    }

    fn check(operations: &[QueueOperation], truth: &Truth, facts: &Facts<'_>) -> Verdict {
        let faults = fault_times(facts);
        let history = History::new(operations, truth, &faults, QUEUE, DONE, ATTEMPTS_MAX);
        let items = &history.items;
        let acked = items
            .all
            .values()
            .filter(|item| matches!(item.state, State::Acked(_)))
            .count() as u64;
        let again = items.all.values().filter(|item| item.claims.len() > 1).count() as u64;
        let redriven = items.all.values().filter(|item| item.redriven).count() as u64;
        let ended = |why: Ended| {
            let ended = items.claims().filter_map(|(_, claim)| claim.ended);
            ended.filter(|(_, how)| *how == why).count() as u64
        };
        let (timed_out, lease_ended) = (ended(Ended::TimedOut), ended(Ended::LeaseEnded));
        let refused = operations.iter().filter_map(|operation| operation.answer.done());
        let refused = refused.filter(|done| matches!(done, Done::Fenced | Done::Gone)).count() as u64;
        let needed = [
            ("items that were acknowledged", acked),
            ("claims that ran out", timed_out),
            ("claims that ended with a lease", lease_ended),
            ("receipts that were refused", refused),
        ];
        violations(&history).verdict(&needed, || {
            format!(
                "{acked} items acknowledged once each, {again} of them claimed more than once and {redriven} dead letters in \
                 between; {timed_out} claims ran out, {lease_ended} ended with a lease, {refused} receipts were refused"
            )
        })
    }
}

async fn make(ground: &Ground) -> Result<(), HarnessError> {
    let number = ground.client_number();
    let client = ground.connect(number).await?;
    let pause = Duration::from_millis(ground.random(number).random_range(20..200));
    let config = QueueConfig::default()
        .attempts_max(ATTEMPTS_MAX)
        .dedupe_window(DEDUPE_WINDOW);
    let end = Instant::now() + PATIENCE;
    loop {
        match client.queue(QUEUE).create(config.clone()).await {
            Ok(_) => return Ok(()),
            // To make it twice is to make it once.
            Err(error) if (error.is_retryable() || error.outcome() == Outcome::Unknown) && Instant::now() < end => {
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(HarnessError::call("make the queue")(error)),
        }
    }
}
