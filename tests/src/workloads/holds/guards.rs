//! Holds through the SDK: guards, whose sessions it renews.

use std::time::Duration;

use quorate::{LockGuard, Session};
use rand::Rng;

use super::play::{Player, from_sdk};
use super::record::{Call, Done, Mode};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Workload;

/// Of a session, in milliseconds.
const TTL_MS: std::ops::Range<u64> = 1000..3000;

/// For something that is not free, in milliseconds.
const WAIT_MS: std::ops::Range<u64> = 200..4000;

/// Between two things that a holder does, in milliseconds.
const REST_MS: std::ops::Range<u64> = 5..150;

/// A client that holds one thing after the other.
pub struct GuardClient<W> {
    player: Player<W>,
    /// Half of the holds are under this one, the others each under its own.
    session: Option<Session>,
}

impl<W: Workload<Call = Call, Answer = Done>> GuardClient<W> {
    /// It plays when it is run.
    pub fn new(player: Player<W>) -> GuardClient<W> {
        GuardClient { player, session: None }
    }

    /// Plays until the run is over.
    pub async fn run(mut self) -> Result<(), HarnessError> {
        while self.player.ground.turn().await {
            if let Some((guard, mode)) = self.acquire().await {
                self.hold(&guard, mode).await;
                self.give_back(guard).await;
            }
        }
        Ok(())
    }

    async fn acquire(&mut self) -> Option<(LockGuard, Mode)> {
        let shares = self.player.random.random_bool(0.5);
        if shares && self.session.as_ref().is_none_or(|session| session.loss().is_some()) {
            let ttl = self.ttl();
            self.session = self.player.client.session(ttl).await.ok();
        }
        let session = self.session.clone().filter(|_| shares);
        let ttl = self.ttl();
        let (lock, mode) = (self.player.menu)(&mut self.player.random);
        let wait = self.player.random.random_bool(0.7);
        let within = Duration::from_millis(self.player.random.random_range(WAIT_MS));
        let call = Call::Acquire {
            lock: lock.clone(),
            mode,
            wait,
        };
        let client = &self.player.client;
        let taking = async {
            macro_rules! take {
                ($builder:expr) => {{
                    let builder = match &session {
                        Some(session) => $builder.session(session),
                        None => $builder.ttl(ttl),
                    };
                    match wait {
                        true => builder.acquire_within(within).await,
                        false => builder.try_acquire().await,
                    }
                }};
            }
            match mode {
                Mode::Exclusive => take!(client.lock(lock)),
                Mode::Shared => take!(client.lock(lock).shared()),
                Mode::Permits { of, count } => take!(client.semaphore(lock, of).count(count)),
            }
        };
        let mut held = None;
        let asking = async {
            Ok(match taking.await? {
                Some(guard) => {
                    let done = Done::Held {
                        hold: from_sdk(guard.hold()),
                        certain_until: self.player.on_clock(guard.deadline()),
                    };
                    held = Some(guard);
                    done
                }
                None => Done::Busy,
            })
        };
        self.player.call(call, asking).await;
        Some((held?, mode))
    }

    fn ttl(&mut self) -> Duration {
        Duration::from_millis(self.player.random.random_range(TTL_MS))
    }

    async fn hold(&mut self, guard: &LockGuard, mode: Mode) {
        let hold = from_sdk(guard.hold());
        for _ in 0..self.player.random.random_range(0..5) {
            if !self.player.ground.turn().await {
                return;
            }
            let over = match self.player.random.random_range(0..10) {
                0..4 => self.player.put(&hold).await == Answer::Done(Done::Fenced),
                4..7 if mode == Mode::Exclusive => {
                    let certain_until = self.player.on_clock(guard.deadline());
                    self.player.write(&hold, certain_until).await;
                    false
                }
                _ => {
                    let asking = async {
                        guard.renew().await?;
                        Ok(Done::Stands {
                            certain_until: self.player.on_clock(guard.deadline()),
                        })
                    };
                    let call = Call::Renew { hold: hold.clone() };
                    self.player.call(call, asking).await == Answer::Done(Done::Fenced)
                }
            };
            if over {
                return;
            }
            let rest = self.player.random.random_range(REST_MS);
            self.player.rest(Duration::from_millis(rest)).await;
        }
    }

    async fn give_back(&mut self, guard: LockGuard) {
        let call = Call::Release {
            hold: from_sdk(guard.hold()),
        };
        if self.player.random.random_bool(0.2) {
            // It says nothing to anybody, and the SDK gives it back when it can.
            let invoked = self.player.ground.clock.now();
            self.player
                .ground
                .record::<W>(self.player.number, invoked, call, Answer::Unknown);
            drop(guard);
            return;
        }
        let releasing = async {
            guard.release().await?;
            Ok(Done::Released)
        };
        self.player.call(call, releasing).await;
    }
}
