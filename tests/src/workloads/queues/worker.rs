//! One who works, well or badly.

use std::time::Duration;

use quorate::{Client, ErrorKind, Op, OpReply, QueueOpReply};
use rand::Rng;
use rand::rngs::SmallRng;

use super::record::{Call, Claimed, Done, Receipt};
use super::workload::{DONE, QUEUE, Queues};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Ground;
use crate::workloads::leases::{self, revoke, whole_ms};

/// Of a claim, in milliseconds.
const VISIBILITY_MS: std::ops::Range<u64> = 400..2000;

/// Of a lease, in milliseconds.
const TTL_MS: std::ops::Range<u64> = 1000..2500;

const COUNT_MAX: u32 = 4;

/// Dead letters that are redriven at once.
const REDRIVEN_MAX: u32 = 100;

/// A worker of [`Queues`].
pub(super) struct Worker {
    number: u64,
    ground: Ground,
    client: Client,
    random: SmallRng,
    /// It claims under leases.
    with_lease: bool,
    /// That of now; 0: none.
    lease: u64,
}

impl Worker {
    pub(super) async fn new(ground: &Ground, with_lease: bool) -> Result<Worker, HarnessError> {
        let number = ground.client_number();
        Ok(Worker {
            number,
            client: ground.connect(number).await?,
            random: ground.random(number),
            ground: ground.clone(),
            with_lease,
            lease: 0,
        })
    }

    pub(super) async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            if self.with_lease && self.lease == 0 {
                self.grant().await;
                continue;
            }
            let count = self.random.random_range(1..=COUNT_MAX);
            let visibility_ms = self.random.random_range(VISIBILITY_MS);
            match self.claim(count, visibility_ms).await {
                Answer::Done(Done::Claimed { items, .. }) => {
                    if items.is_empty() {
                        self.rest(Duration::from_millis(50)).await;
                    }
                    for claimed in items {
                        self.work(claimed.receipt, visibility_ms).await;
                    }
                }
                // It was not renewed, or revoked.
                Answer::Done(Done::NoLease) => self.lease = 0,
                _ => {}
            }
            match self.random.random_range(0..20) {
                0 => self.redrive().await,
                1..12 if self.lease != 0 => self.keep_alive().await,
                // Whatever it has comes back.
                12 if self.lease != 0 => self.revoke().await,
                _ => {}
            }
        }
        Ok(())
    }

    /// Acknowledges everything that can be claimed now.
    pub(super) async fn finish_what_is_there(&mut self) {
        while let Answer::Done(Done::Claimed { items, .. }) = self.claim(COUNT_MAX, VISIBILITY_MS.end).await {
            if items.is_empty() {
                return;
            }
            for claimed in items {
                self.ack(claimed.receipt).await;
            }
        }
    }

    /// Items that are there, in whatever state.
    pub(super) async fn left(&self) -> Result<u64, quorate::Error> {
        let stats = self.client.queue(QUEUE).stats().await?;
        Ok(stats.map_or(0, |stats| stats.depth()))
    }

    pub(super) async fn redrive(&mut self) {
        let redriving = async {
            let swept = self.client.queue(QUEUE).redrive(REDRIVEN_MAX).await?;
            Ok(Done::Redriven { items: swept.items })
        };
        let count = REDRIVEN_MAX;
        self.call(Call::Redrive { count }, redriving).await;
    }

    async fn work(&mut self, receipt: Receipt, visibility_ms: u64) {
        if !self.ground.turn().await {
            return;
        }
        let visibility = Duration::from_millis(visibility_ms);
        match self.random.random_range(0..100) {
            0..60 => self.ack(receipt).await,
            60..75 => {
                let delayed = self.random.random_bool(0.5);
                let delay_ms = if delayed { self.random.random_range(50..1000) } else { 0 };
                let dead = self.random.random_bool(0.1);
                self.nack(receipt, delay_ms, dead).await;
            }
            75..90 => {
                // Beyond the end that the claim had.
                self.rest(visibility / 2).await;
                self.extend(receipt, visibility_ms).await;
                self.rest(visibility * 3 / 4).await;
                self.ack(receipt).await;
            }
            90..95 => {
                // Too late, or just in time.
                let percent = self.random.random_range(85..130);
                self.rest(visibility * percent / 100).await;
                self.ack(receipt).await;
            }
            // It is forgotten.
            _ => {}
        }
    }

    async fn call(&self, call: Call, calling: impl Future<Output = Result<Done, quorate::Error>>) -> Answer<Done> {
        let calling = async {
            match calling.await {
                Err(error) => match error.kind() {
                    ErrorKind::Fenced => Ok(Done::Fenced),
                    ErrorKind::UnknownItem => Ok(Done::Gone),
                    ErrorKind::UnknownLease => Ok(Done::NoLease),
                    _ => Err(error),
                },
                done => done,
            }
        };
        self.ground.call::<Queues>(self.number, call, calling).await
    }

    async fn claim(&self, count: u32, visibility_ms: u64) -> Answer<Done> {
        let lease = self.lease;
        let queue = self.client.queue(QUEUE);
        let claim = queue
            .claim(count)
            .visibility(Duration::from_millis(visibility_ms))
            .lease(lease);
        let operation = claim.worker(self.number.to_string()).into_op();
        let claiming = async {
            let mut reply = self.client.txn().then(operation).await?;
            Ok(match reply.results.pop() {
                Some(OpReply::Queue(QueueOpReply::Claimed { items, visibility })) => Done::Claimed {
                    items: items.into_iter().map(claimed).collect(),
                    visibility_ms: whole_ms(visibility),
                    revision: reply.revision,
                },
                // The check does not take that for an answer.
                _ => Done::Gone,
            })
        };
        let call = Call::Claim {
            count,
            visibility_ms,
            lease,
        };
        self.call(call, claiming).await
    }

    async fn ack(&self, receipt: Receipt) {
        let record = Op::put(format!("{DONE}{}", receipt.item), receipt.token.to_string());
        let operation = self.client.queue(QUEUE).ack_op(to_sdk(receipt));
        let acknowledging = async {
            let reply = self.client.txn().then(operation).then(record).await?;
            Ok(Done::Acked {
                revision: reply.revision,
            })
        };
        self.call(Call::Ack { receipt }, acknowledging).await;
    }

    async fn nack(&self, receipt: Receipt, delay_ms: u64, dead: bool) {
        let queue = self.client.queue(QUEUE);
        let nack = queue.nack(to_sdk(receipt)).delay(Duration::from_millis(delay_ms));
        let operation = if dead { nack.dead().into_op() } else { nack.into_op() };
        let giving_back = async {
            let reply = self.client.txn().then(operation).await?;
            Ok(Done::Nacked {
                revision: reply.revision,
            })
        };
        let call = Call::Nack {
            receipt,
            delay_ms,
            dead,
        };
        self.call(call, giving_back).await;
    }

    async fn extend(&self, receipt: Receipt, visibility_ms: u64) {
        let queue = self.client.queue(QUEUE);
        let extending = async {
            let visibility = queue
                .extend(to_sdk(receipt), Duration::from_millis(visibility_ms))
                .await?;
            Ok(Done::Extended {
                visibility_ms: whole_ms(visibility),
            })
        };
        let call = Call::Extend { receipt, visibility_ms };
        self.call(call, extending).await;
    }

    async fn grant(&mut self) {
        let ttl_ms = self.random.random_range(TTL_MS);
        let granting = async {
            let granted = self.client.grant_lease(Duration::from_millis(ttl_ms)).await?;
            Ok(Done::Lease(leases::Done::Granted {
                lease: granted.lease,
                ttl_ms: whole_ms(granted.ttl),
                revision: granted.revision,
            }))
        };
        let call = Call::Lease(leases::Call::Grant { ttl_ms });
        if let Answer::Done(Done::Lease(leases::Done::Granted { lease, .. })) = self.call(call, granting).await {
            self.lease = lease;
        }
    }

    async fn keep_alive(&mut self) {
        let lease = self.lease;
        let renewing = async {
            let renewed = self.client.keep_alive(&[lease]).await?;
            Ok(Done::Lease(match renewed.first().copied().flatten() {
                Some(ttl) => leases::Done::Renewed { ttl_ms: whole_ms(ttl) },
                None => leases::Done::Dead,
            }))
        };
        let call = Call::Lease(leases::Call::KeepAlive { lease });
        if self.call(call, renewing).await == Answer::Done(Done::Lease(leases::Done::Dead)) {
            self.lease = 0;
        }
    }

    async fn revoke(&mut self) {
        let lease = std::mem::take(&mut self.lease);
        let revoking = async {
            match revoke(&self.client, lease).await {
                Err(error) if *error.kind() == ErrorKind::UnknownLease => Ok(leases::Done::Dead),
                other => other,
            }
        };
        let call = Call::Lease(leases::Call::Revoke { lease });
        self.call(call, async { revoking.await.map(Done::Lease) }).await;
    }

    /// Waits, but not beyond the end of the run.
    async fn rest(&self, time: Duration) {
        let mut stop = self.ground.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

fn to_sdk(receipt: Receipt) -> quorate::Receipt {
    quorate::Receipt {
        item: receipt.item,
        token: receipt.token,
    }
}

fn claimed(item: quorate::ClaimedItem) -> Claimed {
    Claimed {
        receipt: Receipt {
            item: item.receipt.item,
            token: item.receipt.token,
        },
        attempt: item.attempt,
        payload: String::from_utf8_lossy(&item.payload).into_owned(),
        priority: item.priority,
        group: item.group,
    }
}
