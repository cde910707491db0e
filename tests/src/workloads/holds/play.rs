//! What all who play with holds share.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use quorate::{Client, ErrorKind, LockHold, LockOp, Op, PutOp};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};
use tokio::time::Instant;

use super::outside::Outside;
use super::record::{Call, Done, Hold, Mode};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::{Ground, Workload};

/// What there is to be held: draws a lock and how it is wanted.
pub type Menu = fn(&mut SmallRng) -> (String, Mode);

/// One who plays, with a client of the SDK.
pub struct Player<W> {
    pub(super) number: u64,
    pub(super) ground: Ground,
    pub(super) client: Client,
    pub(super) random: SmallRng,
    pub(super) menu: Menu,
    outside: Arc<Outside>,
    /// What keys that are written with a fence begin with.
    keys: &'static str,
    workload: PhantomData<W>,
}

impl<W: Workload<Call = Call, Answer = Done>> Player<W> {
    /// Joins the run.
    pub async fn new(
        ground: &Ground,
        menu: Menu,
        outside: &Arc<Outside>,
        keys: &'static str,
    ) -> Result<Player<W>, HarnessError> {
        let number = ground.client_number();
        Ok(Player {
            number,
            client: ground.connect(number).await?,
            random: ground.random(number),
            ground: ground.clone(),
            menu,
            outside: Arc::clone(outside),
            keys,
            workload: PhantomData,
        })
    }

    /// Makes a call; a hold that is over is an answer.
    pub(super) async fn call(
        &self,
        call: Call,
        calling: impl Future<Output = Result<Done, quorate::Error>>,
    ) -> Answer<Done> {
        let calling = async {
            match calling.await {
                Err(error) if *error.kind() == ErrorKind::Fenced => Ok(Done::Fenced),
                other => other,
            }
        };
        self.ground.call::<W>(self.number, call, calling).await
    }

    /// Writes a key of the store with a fence; the value begins with the token.
    pub(super) async fn put(&mut self, hold: &Hold) -> Answer<Done> {
        let (key, value) = (format!("{}{}", self.keys, hold.lock), self.random.next_u32());
        let put: PutOp = Op::put(key, format!("{} {}.{value}", hold.token, self.number));
        let writing = async {
            let txn = self.client.txn().then(LockOp::fence(&to_sdk(hold))).then(put);
            Ok(Done::Put {
                revision: txn.await?.revision,
            })
        };
        self.call(Call::Put { hold: hold.clone() }, writing).await
    }

    /// Writes to what lies outside of the store, whether or not the hold is still certain.
    pub(super) async fn write(&mut self, hold: &Hold, certain_until: Duration) {
        let fenced = self.random.random_bool(0.5);
        let call = Call::Write {
            hold: hold.clone(),
            fenced,
        };
        let writing = async {
            let (order, accepted) = self.outside.write(&hold.lock, hold.token, fenced);
            Ok(Done::Asked {
                order,
                accepted,
                certain_until,
            })
        };
        self.call(call, writing).await;
    }

    /// Waits, but not beyond the end of the run.
    pub(super) async fn rest(&self, time: Duration) {
        let mut stop = self.ground.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// A moment of the runtime, on the clock of the journal; rather earlier than later.
    pub(super) fn on_clock(&self, moment: Instant) -> Duration {
        let now = self.ground.clock.now();
        match moment.checked_duration_since(Instant::now()) {
            Some(later) => now + later,
            None => now.saturating_sub(moment.elapsed()),
        }
    }
}

/// As the SDK names it.
pub(super) fn to_sdk(hold: &Hold) -> LockHold {
    LockHold {
        lock: hold.lock.clone(),
        lease: hold.lease,
        token: hold.token,
        request: hold.request,
    }
}

/// As the journal names it.
pub(super) fn from_sdk(hold: &LockHold) -> Hold {
    Hold {
        lock: hold.lock.clone(),
        lease: hold.lease,
        request: hold.request,
        token: hold.token,
    }
}
