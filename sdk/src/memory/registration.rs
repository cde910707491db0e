//! This worker, as the cluster knows it: its session, what it said of itself, its heartbeats.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Duration, MissedTickBehavior};

use super::events::MemoryEvent;
use super::handle::Shared;
use super::value::encode;
use crate::error::{ErrorKind, Result};
use crate::lease::Session;
use crate::txn::Op;
use crate::worker::{Worker, capacity_op};

/// How many tasks a worker may have that has not said it.
const CAPACITY: u32 = 1;

/// The registration, if there is one.
#[derive(Debug, Default)]
pub(super) struct Registration {
    pub(super) current: Mutex<Option<Registered>>,
    beating: AtomicBool,
}

/// A worker that is registered.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) session: Session,
    pub(super) worker: Worker,
    pub(super) capacity: u32,
    /// The capacity is under a key, too.
    pub(super) capacity_told: bool,
    /// What it said of itself last, as JSON.
    pub(super) status: Option<Bytes>,
    pub(super) beats: u64,
}

impl Shared {
    /// The registration, made if there is none, and made anew, with all that was said, if its session was lost.
    pub(super) async fn registered<'a>(
        self: &Arc<Self>,
        current: &'a mut Option<Registered>,
        capacity: Option<u32>,
    ) -> Result<&'a mut Registered> {
        let lives = current.as_ref().is_some_and(|there| there.session.loss().is_none());
        if !lives {
            // What was said is kept until it is said again.
            let registered = self.register(capacity, current.as_ref()).await?;
            *current = Some(registered);
            self.start_beating();
        }
        match current {
            Some(registered) => Ok(registered),
            None => Err(crate::Error::new(
                ErrorKind::UnknownWorker,
                crate::Outcome::NotApplied,
                "this worker is not registered",
            )),
        }
    }

    async fn register(&self, capacity: Option<u32>, before: Option<&Registered>) -> Result<Registered> {
        let (client, name) = (&self.client, &self.settings.worker_id);
        let capacity = capacity.or(before.map(|before| before.capacity)).unwrap_or(CAPACITY);
        let session = client.session(self.settings.session_ttl).await?;
        let worker = client.register_worker(name, &session).capacity(capacity).await?;
        let mut registered = Registered {
            session,
            worker,
            capacity,
            capacity_told: false,
            status: None,
            beats: before.map_or(0, |before| before.beats),
        };
        let Some(before) = before else { return Ok(registered) };
        if let Some(status) = &before.status {
            self.put_status(&mut registered, status.clone(), None).await?;
        }
        if before.capacity_told {
            self.tell_capacity(&mut registered, capacity).await?;
        }
        Ok(registered)
    }

    /// Writes what the worker says of itself, for as long as its session lives, and with it its capacity, if that is another
    /// one than before.
    pub(super) async fn put_status(
        &self,
        registered: &mut Registered,
        status: Bytes,
        capacity: Option<u32>,
    ) -> Result<u64> {
        let (worker, lease) = (&self.settings.worker_id, registered.session.id());
        let key = self.table.worker_status(worker)?;
        let revision = match capacity.filter(|capacity| *capacity != registered.capacity) {
            None => self.client.put(key, &status).lease(lease).await?.revision,
            Some(tasks) => {
                let mut txn = self.client.txn().then(capacity_op(worker, lease, tasks));
                txn = txn.then(Op::put(key, &status).lease(lease));
                if registered.capacity_told {
                    let key = self.table.worker_capacity(worker)?;
                    txn = txn.then(Op::put(&key, encode(&key, &tasks)?).lease(lease));
                }
                let revision = txn.await?.revision;
                registered.capacity = tasks;
                revision
            }
        };
        registered.status = Some(status);
        Ok(revision)
    }

    /// Changes the capacity of the worker, in its registration and under its key.
    pub(super) async fn tell_capacity(&self, registered: &mut Registered, tasks: u32) -> Result<u64> {
        let lease = registered.session.id();
        let revision = self.put_capacity(&self.settings.worker_id, lease, tasks).await?;
        (registered.capacity, registered.capacity_told) = (tasks, true);
        Ok(revision)
    }

    fn start_beating(self: &Arc<Self>) {
        if !self.registration.beating.swap(true, Ordering::SeqCst) {
            tokio::spawn(beats(Arc::downgrade(self), self.settings.heartbeat_interval));
        }
    }

    /// Forgets the registration, here and in the cluster.
    pub(super) async fn deregister(&self) -> Result<()> {
        let Some(registered) = self.registration.current.lock().await.take() else {
            return Ok(());
        };
        let deregistered = match registered.worker.deregister().await {
            // It was over before.
            Err(error) if matches!(error.kind(), ErrorKind::UnknownWorker | ErrorKind::Fenced) => Ok(()),
            other => other.map(|_| ()),
        };
        registered.session.end().await?;
        deregistered
    }
}

/// Says that the worker lives, as long as the memory does. The session is renewed beside it; if that was lost, the worker is
/// registered anew.
async fn beats(shared: Weak<Shared>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let Ok(_pass) = shared.gate.enter() else { return };
        if let Err(error) = shared.beat(false).await {
            tracing::debug!(%error, "a heartbeat failed; the next one tries again");
            shared.events.tell(|| MemoryEvent::HeartbeatFailed { error });
        }
    }
}
