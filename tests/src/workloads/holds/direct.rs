//! Holds without the SDK: whoever has one renews its lease, or stands still for too long and goes on as if nothing were.

use std::time::Duration;

use quorate::{ErrorKind, LockOp};
use quorate_proto::v1;
use quorate_proto::v1::lock_acquisition::State;
use quorate_proto::v1::lock_operation::Operation as LockOperation;
use quorate_proto::v1::lock_result::Result as LockResult;
use rand::Rng;

use super::play::{Player, to_sdk};
use super::record::{Call, Done, Hold, Mode};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Workload;
use crate::workloads::coordination::{Direct, NoAnswer};
use crate::workloads::leases::{self, Promise, revoke, whole_ms};

/// Of a lease, in milliseconds.
const TTL_MS: std::ops::Range<u64> = 1000..3000;

/// A question about what is waited for is answered after this, changed or not.
const QUESTION: Duration = Duration::from_millis(300);

/// Nobody waits for longer.
const QUESTIONS_MAX: u32 = 20;

/// A client that renews its leases itself.
pub struct DirectClient<W> {
    player: Player<W>,
    direct: Direct,
    requests: u64,
    /// What was last promised of its lease.
    promise: Option<Promise>,
}

impl<W: Workload<Call = Call, Answer = Done>> DirectClient<W> {
    /// It plays when it is run.
    pub fn new(player: Player<W>) -> DirectClient<W> {
        DirectClient {
            direct: Direct::new(player.ground.endpoints.clone()),
            player,
            requests: 0,
            promise: None,
        }
    }

    /// Plays until the run is over.
    pub async fn run(mut self) -> Result<(), HarnessError> {
        while self.player.ground.turn().await {
            let Some(lease) = self.grant().await else { continue };
            // More than one hold under a lease, one after the other.
            for _ in 0..self.player.random.random_range(1..4) {
                if let Some((hold, mode)) = self.acquire(lease).await {
                    self.hold(&hold, mode).await;
                    self.release(hold).await;
                }
            }
            if self.player.random.random_bool(0.8) {
                let revoking = revoke(&self.player.client, lease);
                self.lease(leases::Call::Revoke { lease }, revoking).await;
            }
        }
        Ok(())
    }

    async fn lease(
        &self,
        call: leases::Call,
        calling: impl Future<Output = Result<leases::Done, quorate::Error>>,
    ) -> Answer<Done> {
        let calling = async {
            match calling.await {
                Err(error) if *error.kind() == ErrorKind::UnknownLease => Ok(Done::Lease(leases::Done::Dead)),
                other => other.map(Done::Lease),
            }
        };
        self.player.call(Call::Lease(call), calling).await
    }

    async fn grant(&mut self) -> Option<u64> {
        let ttl_ms = self.player.random.random_range(TTL_MS);
        let sent = self.player.ground.clock.now();
        let granting = async {
            let granted = self.player.client.grant_lease(Duration::from_millis(ttl_ms)).await?;
            Ok(leases::Done::Granted {
                lease: granted.lease,
                ttl_ms: whole_ms(granted.ttl),
                revision: granted.revision,
            })
        };
        match self.lease(leases::Call::Grant { ttl_ms }, granting).await {
            Answer::Done(Done::Lease(leases::Done::Granted { lease, ttl_ms, .. })) => {
                let ttl = Duration::from_millis(ttl_ms);
                self.promise = Some(Promise { lease, sent, ttl });
                Some(lease)
            }
            _ => None,
        }
    }

    async fn keep_alive(&mut self, lease: u64) {
        let sent = self.player.ground.clock.now();
        let renewing = async {
            let renewed = self.player.client.keep_alive(&[lease]).await?;
            Ok(match renewed.first().copied().flatten() {
                Some(ttl) => leases::Done::Renewed { ttl_ms: whole_ms(ttl) },
                None => leases::Done::Dead,
            })
        };
        let answer = self.lease(leases::Call::KeepAlive { lease }, renewing).await;
        if let Answer::Done(Done::Lease(leases::Done::Renewed { ttl_ms })) = answer {
            let ttl = Duration::from_millis(ttl_ms);
            self.promise = Some(Promise { lease, sent, ttl });
        }
    }

    /// By its own clock.
    fn certain_until(&self) -> Duration {
        self.promise.as_ref().map_or(Duration::ZERO, Promise::certain_until)
    }

    async fn acquire(&mut self, lease: u64) -> Option<(Hold, Mode)> {
        self.requests += 1;
        let request = self.requests;
        let (lock, mode) = (self.player.menu)(&mut self.player.random);
        for _ in 0..QUESTIONS_MAX {
            if !self.player.ground.turn().await {
                return None;
            }
            match self.ask(&lock, mode, lease, request).await {
                Answer::Done(Done::Held { hold, .. }) => return Some((hold, mode)),
                Answer::Done(Done::Queued { .. }) => break,
                Answer::Done(_) => return None,
                Answer::NotDone | Answer::Unknown => self.keep_alive(lease).await,
            }
        }
        for _ in 0..QUESTIONS_MAX {
            match self.wait(&lock, mode, lease, request).await {
                Answer::Done(Done::Held { hold, .. }) => return Some((hold, mode)),
                Answer::Done(Done::Absent) => return None,
                _ if !self.player.ground.turn().await => return None,
                _ => self.keep_alive(lease).await,
            }
        }
        None
    }

    /// Takes the lock, or a place in its queue. To ask again changes nothing.
    async fn ask(&mut self, lock: &str, mode: Mode, lease: u64, request: u64) -> Answer<Done> {
        let operation = LockOperation::Acquire(v1::LockAcquire {
            lease,
            request,
            names: vec![lock.to_owned()],
            mode: match mode {
                Mode::Exclusive => v1::LockMode::Exclusive.into(),
                Mode::Shared => v1::LockMode::Shared.into(),
                Mode::Permits { .. } => v1::LockMode::Unspecified.into(),
            },
            semaphore: match mode {
                Mode::Permits { of, count } => Some(v1::LockPermits { permits: of, count }),
                Mode::Exclusive | Mode::Shared => None,
            },
            wait: true,
            ..v1::LockAcquire::default()
        });
        let invoked = self.player.ground.clock.now();
        let answer = match self.direct.lock(operation).await {
            Ok((LockResult::Granted(granted), _)) => match granted.holds.first() {
                Some(grant) => Answer::Done(self.held(lock, lease, request, grant.token)),
                // It was ended by force before anybody was told.
                None => Answer::Done(Done::Absent),
            },
            Ok((LockResult::Queued(_), revision)) => Answer::Done(Done::Queued { revision }),
            Err(NoAnswer::Refused(_)) => Answer::Done(Done::Absent),
            Err(NoAnswer::NotDone) => Answer::NotDone,
            Ok(_) | Err(NoAnswer::Unknown) => Answer::Unknown,
        };
        let lock = lock.to_owned();
        let call = Call::Ask {
            lock,
            mode,
            lease,
            request,
        };
        self.player
            .ground
            .record::<W>(self.player.number, invoked, call, answer)
    }

    async fn wait(&mut self, lock: &str, mode: Mode, lease: u64, request: u64) -> Answer<Done> {
        let invoked = self.player.ground.clock.now();
        let answer = match self.direct.acquisition(lease, request, QUESTION).await {
            Ok(acquisition) => match (acquisition.state(), acquisition.holds.first()) {
                (State::Granted, Some(grant)) => Answer::Done(self.held(lock, lease, request, grant.token)),
                (State::Granted, None) | (State::Absent, _) => Answer::Done(Done::Absent),
                (State::Queued, _) => Answer::Done(Done::Waiting),
                (State::Unspecified, _) => Answer::NotDone,
            },
            // It changes nothing, whatever became of it.
            Err(_) => Answer::NotDone,
        };
        let lock = lock.to_owned();
        let call = Call::Await {
            lock,
            mode,
            lease,
            request,
        };
        self.player
            .ground
            .record::<W>(self.player.number, invoked, call, answer)
    }

    fn held(&self, lock: &str, lease: u64, request: u64, token: u64) -> Done {
        Done::Held {
            hold: Hold {
                lock: lock.to_owned(),
                lease,
                request,
                token,
            },
            certain_until: self.certain_until(),
        }
    }

    async fn hold(&mut self, hold: &Hold, mode: Mode) {
        if self.player.random.random_bool(0.3) {
            self.oversleep().await;
        }
        for _ in 0..self.player.random.random_range(1..5) {
            if !self.player.ground.turn().await {
                return;
            }
            match self.player.random.random_range(0..10) {
                0..3 => {
                    self.player.put(hold).await;
                }
                3..6 if mode == Mode::Exclusive => self.player.write(hold, self.certain_until()).await,
                6..8 => {
                    let certain_until = self.certain_until();
                    let asking = async {
                        let txn = self.player.client.txn().then(LockOp::fence(&to_sdk(hold)));
                        txn.await?;
                        Ok(Done::Stands { certain_until })
                    };
                    self.player.call(Call::Renew { hold: hold.clone() }, asking).await;
                }
                _ => self.keep_alive(hold.lease).await,
            }
        }
    }

    /// Beyond the end of its lease, as a process does that is paused.
    async fn oversleep(&mut self) {
        let ttl = self.promise.map_or(Duration::ZERO, |promise| promise.ttl);
        let percent = self.player.random.random_range(110..250);
        self.player.rest(ttl * percent / 100).await;
    }

    async fn release(&mut self, hold: Hold) {
        let releasing = async {
            self.player.client.txn().then(LockOp::release(&to_sdk(&hold))).await?;
            Ok(Done::Released)
        };
        self.player.call(Call::Release { hold: hold.clone() }, releasing).await;
    }
}
