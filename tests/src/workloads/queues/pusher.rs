//! One who pushes.

use std::time::Duration;

use quorate::{Client, NewItem, OpReply, QueueOpReply};
use rand::Rng;
use rand::rngs::SmallRng;

use super::record::{Call, Done, Work};
use super::workload::{QUEUE, Queues};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Ground;

/// Where there are more, nobody pushes: the workers must keep up.
const DEPTH_MAX: u64 = 100;

const GROUPS: u32 = 3;
const PRIORITIES: u8 = 3;

/// A push whose outcome is unknown is repeated so often at most.
const TRIES: u32 = 10;

const PAUSE: Duration = Duration::from_millis(100);

/// A pusher of [`Queues`].
pub(super) struct Pusher {
    number: u64,
    ground: Ground,
    client: Client,
    random: SmallRng,
    pushed: u64,
}

impl Pusher {
    pub(super) async fn new(ground: &Ground) -> Result<Pusher, HarnessError> {
        let number = ground.client_number();
        Ok(Pusher {
            number,
            client: ground.connect(number).await?,
            random: ground.random(number),
            ground: ground.clone(),
            pushed: 0,
        })
    }

    pub(super) async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            let stats = self.client.queue(QUEUE).stats().await;
            if stats.is_ok_and(|stats| stats.is_some_and(|stats| stats.depth() > DEPTH_MAX)) {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let items = (0..self.random.random_range(1..4)).map(|_| self.work()).collect();
            self.push(items).await;
        }
        Ok(())
    }

    fn work(&mut self) -> Work {
        self.pushed += 1;
        let delayed = self.random.random_bool(0.2);
        Work {
            payload: format!("{}.{}", self.number, self.pushed),
            priority: self.random.random_range(0..PRIORITIES),
            group: format!("group-{}", self.random.random_range(0..GROUPS)),
            delay_ms: if delayed { self.random.random_range(50..1500) } else { 0 },
        }
    }

    /// Until it is known to be there, or for so long. The dedupe keys make it harmless to repeat it; now and then that is
    /// done for no reason.
    async fn push(&mut self, items: Vec<Work>) {
        for _ in 0..TRIES {
            let answer = self.push_once(items.clone()).await;
            let again = self.random.random_bool(0.1);
            match answer {
                Answer::Done(_) if !again => return,
                _ if !self.ground.turn().await => return,
                _ => {}
            }
        }
    }

    async fn push_once(&self, items: Vec<Work>) -> Answer<Done> {
        let queue = self.client.queue(QUEUE);
        let new = items.iter().map(|work| {
            NewItem::new(work.payload.clone())
                .dedupe_key(work.payload.clone())
                .priority(work.priority)
                .group(work.group.clone())
                .delay(Duration::from_millis(work.delay_ms))
        });
        let operation = queue.push_all_op(new);
        let pushing = async {
            let mut reply = self.client.txn().then(operation).await?;
            Ok(match reply.results.pop() {
                Some(OpReply::Queue(QueueOpReply::Pushed(pushed))) => Done::Pushed {
                    items: pushed
                        .into_iter()
                        .map(|pushed| (pushed.item, pushed.duplicate))
                        .collect(),
                    revision: reply.revision,
                },
                // The check does not take that for an answer.
                _ => Done::Gone,
            })
        };
        self.ground
            .call::<Queues>(self.number, Call::Push { items }, pushing)
            .await
    }
}
