//! A client that has leases and does with them what it may.

use std::time::Duration;

use quorate::{Client, ErrorKind, LeaseOp, LeaseOpReply, OpReply};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};

use super::record::{Call, Done};
use super::workload::Leases;
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::{Ground, Workload};

/// At once, so that some can be left alone while others are renewed.
const LEASES_MAX: usize = 4;

/// Of a time to live, in milliseconds: short, so that they end while faults go on.
const TTL_MS: std::ops::Range<u64> = 1000..3000;

/// A client of [`Leases`].
pub(super) struct LeaseClient {
    number: u64,
    ground: Ground,
    client: Client,
    random: SmallRng,
    /// Those that it believes in, and whether it means to renew them.
    leases: Vec<(u64, bool)>,
    /// Those that it was told are dead, or left alone: it looks at them again.
    given_up: Vec<u64>,
    attached: u64,
}

impl LeaseClient {
    pub(super) async fn new(ground: &Ground) -> Result<LeaseClient, HarnessError> {
        let number = ground.client_number();
        Ok(LeaseClient {
            number,
            client: ground.connect(number).await?,
            random: ground.random(number),
            ground: ground.clone(),
            leases: Vec::new(),
            given_up: Vec::new(),
            attached: 0,
        })
    }

    pub(super) async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            if self.leases.is_empty() {
                self.grant().await;
                continue;
            }
            let index = self.random.random_range(0..self.leases.len());
            let (lease, renewed) = self.leases[index];
            match self.random.random_range(0..100) {
                0..12 if self.leases.len() < LEASES_MAX => self.grant().await,
                0..30 => self.attach(lease).await,
                30..38 => self.revoke(lease).await,
                // From now on nobody renews it, and it is looked at until it is gone.
                38..43 => self.leases[index].1 = false,
                43..75 if renewed => self.keep_alive(lease).await,
                75..90 => self.look(lease).await,
                _ => self.look_again().await,
            }
        }
        Ok(())
    }

    async fn call(&self, call: Call, calling: impl Future<Output = Result<Done, quorate::Error>>) -> Option<Done> {
        let calling = async {
            match calling.await {
                Err(error) if *error.kind() == ErrorKind::UnknownLease => Ok(Done::Dead),
                other => other,
            }
        };
        match self.ground.call::<Leases>(self.number, call, calling).await {
            Answer::Done(done) => Some(done),
            Answer::NotDone | Answer::Unknown => None,
        }
    }

    async fn grant(&mut self) {
        let ttl_ms = self.random.random_range(TTL_MS);
        let granting = async {
            let granted = self.client.grant_lease(Duration::from_millis(ttl_ms)).await?;
            Ok(Done::Granted {
                lease: granted.lease,
                ttl_ms: whole_ms(granted.ttl),
                revision: granted.revision,
            })
        };
        if let Some(Done::Granted { lease, .. }) = self.call(Call::Grant { ttl_ms }, granting).await {
            self.leases.push((lease, true));
        }
    }

    async fn keep_alive(&mut self, lease: u64) {
        let renewing = async {
            let renewed = self.client.keep_alive(&[lease]).await?;
            Ok(match renewed.first().copied().flatten() {
                Some(ttl) => Done::Renewed { ttl_ms: whole_ms(ttl) },
                None => Done::Dead,
            })
        };
        let done = self.call(Call::KeepAlive { lease }, renewing).await;
        self.forget_dead(lease, done);
    }

    async fn revoke(&mut self, lease: u64) {
        let revoking = revoke(&self.client, lease);
        let done = self.call(Call::Revoke { lease }, revoking).await;
        if done.is_some() {
            self.give_up(lease);
        }
    }

    async fn attach(&mut self, lease: u64) {
        self.attached += 1;
        // The same few keys of this client: some pass from one lease to another.
        let key = format!("{}/{}/{}", Leases::NAME, self.number, self.random.next_u32() % 12);
        let writing = async {
            let put = self.client.put(key.clone(), self.attached.to_string()).lease(lease);
            Ok(Done::Attached {
                revision: put.await?.revision,
            })
        };
        let done = self
            .call(
                Call::Attach {
                    lease,
                    key: key.clone(),
                },
                writing,
            )
            .await;
        self.forget_dead(lease, done);
    }

    async fn look(&mut self, lease: u64) {
        let looking = async {
            let found = self.client.lease(lease).await?;
            Ok(if found.is_some() { Done::Lives } else { Done::Dead })
        };
        let done = self.call(Call::Look { lease }, looking).await;
        self.forget_dead(lease, done);
    }

    /// What is dead does not come back: it is looked at, and somebody tries to renew it.
    async fn look_again(&mut self) {
        if self.given_up.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.given_up.len());
        let lease = self.given_up[index];
        match self.random.random_bool(0.5) {
            true => self.look(lease).await,
            false => self.keep_alive(lease).await,
        }
    }

    fn forget_dead(&mut self, lease: u64, done: Option<Done>) {
        if done == Some(Done::Dead) {
            self.give_up(lease);
        }
    }

    fn give_up(&mut self, lease: u64) {
        let before = self.leases.len();
        self.leases.retain(|(known, _)| *known != lease);
        if self.leases.len() < before {
            self.given_up.push(lease);
            if self.given_up.len() > LEASES_MAX {
                self.given_up.remove(0);
            }
        }
    }
}

/// Ends a lease; answers at which revision.
pub(in crate::workloads) async fn revoke(client: &Client, lease: u64) -> Result<Done, quorate::Error> {
    let reply = client.txn().then(LeaseOp::revoke(lease)).await?;
    debug_assert!(matches!(
        reply.results.first(),
        Some(OpReply::Lease(LeaseOpReply::Revoked { .. }))
    ));
    Ok(Done::Revoked {
        revision: reply.revision,
    })
}

/// Whole milliseconds, rounded down: less than what was promised.
pub(in crate::workloads) fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
