//! Workers: what they say of themselves, and whether they live.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::handle::{Memory, Shared};
use super::metrics::count;
use super::tasks::wall_ms;
use super::value::encode;
use crate::domain::Tier;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::Strategy;
use crate::txn::Op;
use crate::worker::{Worker, WorkerRecord, WorkerState, capacity_op};

/// What a worker leaves at `workers/{worker}/heartbeat` behind the prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The worker.
    pub worker: String,
    /// When it was made, by the worker's clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// How many it has made.
    pub beat: u64,
}

impl Memory {
    /// Writes what a worker says of itself, at `workers/{worker}/status` in the strong tier, and returns the revision. It goes
    /// with the session of the worker.
    ///
    /// For this worker it also registers it, at the first call, and from then on heartbeats are made in the background. If the
    /// status is an object with a whole number `capacity`, that is how many tasks it may have at a time from this revision on;
    /// without one it stays as it is, one at first. Another worker must be registered, and its status does not change its
    /// capacity: [`sync_worker_capacity`](Self::sync_worker_capacity) does.
    ///
    /// # Errors
    ///
    /// [`NoCapacity`](ErrorKind::NoCapacity) if it has more tasks than it says that it may have;
    /// [`WorkerExists`](ErrorKind::WorkerExists) if this worker is registered by another process, which may have died less
    /// than three heartbeats ago; [`UnknownWorker`](ErrorKind::UnknownWorker) if another one is not registered;
    /// [`Closed`](ErrorKind::Closed), and what any call may return.
    pub async fn sync_worker_status<T: Serialize + ?Sized>(&self, worker: &str, status: &T) -> Result<u64> {
        let shared = &self.shared;
        let _pass = shared.gate.enter()?;
        let key = shared.table.worker_status(worker)?;
        let json = Bytes::from(encode(&key, status)?);
        let revision = if worker == shared.settings.worker_id {
            let mut current = shared.registration.current.lock().await;
            let capacity = capacity_in(&json);
            let registered = shared.registered(&mut current, capacity).await?;
            shared.put_status(registered, json.clone(), capacity).await?
        } else {
            let lease = shared.lease_of(worker).await?;
            shared.client.put(&key, &json).lease(lease).await?.revision
        };
        shared.wrote(key, Tier::Strong, Some(revision), json);
        Ok(revision)
    }

    /// Sets how many tasks a worker may have at a time, at most 10,000, and writes it to `workers/{worker}/capacity`, at one
    /// revision, which is returned. Assignments keep to it. As with [`sync_worker_status`](Self::sync_worker_status), this
    /// worker is registered by it, and another one must be.
    ///
    /// # Errors
    ///
    /// [`NoCapacity`](ErrorKind::NoCapacity) if it has more tasks already; as
    /// [`sync_worker_status`](Self::sync_worker_status).
    pub async fn sync_worker_capacity(&self, worker: &str, tasks: u32) -> Result<u64> {
        let shared = &self.shared;
        let _pass = shared.gate.enter()?;
        let key = shared.table.worker_capacity(worker)?;
        let json = Bytes::from(encode(&key, &tasks)?);
        let revision = if worker == shared.settings.worker_id {
            let mut current = shared.registration.current.lock().await;
            let registered = shared.registered(&mut current, Some(tasks)).await?;
            shared.tell_capacity(registered, tasks).await?
        } else {
            let lease = shared.lease_of(worker).await?;
            shared.put_capacity(worker, lease, tasks).await?
        };
        shared.wrote(key, Tier::Strong, Some(revision), json);
        Ok(revision)
    }

    /// Renews the session of this worker, registering it if it is not, and leaves a heartbeat. Both happen every
    /// `heartbeat_interval` by themselves once the worker is registered.
    ///
    /// # Errors
    ///
    /// As [`sync_worker_status`](Self::sync_worker_status).
    pub async fn update_heartbeat(&self) -> Result<()> {
        let _pass = self.shared.gate.enter()?;
        self.shared.beat(true).await
    }

    /// The workers whose sessions live, by name, with their capacities and loads: those of the whole cluster, whatever their
    /// prefix.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed), and what any read may return.
    pub async fn get_active_workers(&self) -> Result<Vec<WorkerRecord>> {
        let shared = &self.shared;
        let _pass = shared.gate.enter_to_read()?;
        count(&shared.counters.reads, 1);
        let workers = shared.client.workers();
        workers.state(WorkerState::Active).state(WorkerState::Draining).await
    }

    /// This worker, for its assignments; none if it is not registered.
    pub async fn worker(&self) -> Option<Worker> {
        let current = self.shared.registration.current.lock().await;
        current.as_ref().map(|registered| registered.worker.clone())
    }
}

impl Shared {
    /// Says that the worker lives; asks the cluster whether it does, if wanted.
    pub(super) async fn beat(self: &Arc<Self>, confirm: bool) -> Result<()> {
        let beat = {
            let mut current = self.registration.current.lock().await;
            let registered = self.registered(&mut current, None).await?;
            let lease = registered.session.id();
            let gone = confirm && self.client.keep_alive(&[lease]).await? == [None];
            let registered = if gone {
                // The session has not noticed yet.
                registered.session.end().await?;
                self.registered(&mut current, None).await?
            } else {
                registered
            };
            registered.beats += 1;
            registered.beats
        };
        let worker = &self.settings.worker_id;
        let key = self.table.worker_heartbeat(worker)?;
        let heartbeat = Heartbeat {
            worker: worker.clone(),
            at_ms: wall_ms(),
            beat,
        };
        let put = self.client.eventual().put(&key, encode(&key, &heartbeat)?);
        let put = put.strategy(Strategy::LastWrite).ttl(self.settings.session_ttl);
        self.batch.push(put).await
    }

    /// The lease of another worker.
    async fn lease_of(&self, worker: &str) -> Result<u64> {
        match self.client.worker(worker).await? {
            Some(record) if record.state != WorkerState::Offline => Ok(record.lease),
            _ => {
                let message = format!("worker {worker:?} is not registered, or is offline");
                Err(Error::new(ErrorKind::UnknownWorker, Outcome::NotApplied, message))
            }
        }
    }

    pub(super) async fn put_capacity(&self, worker: &str, lease: u64, tasks: u32) -> Result<u64> {
        let key = self.table.worker_capacity(worker)?;
        let put = Op::put(&key, encode(&key, &tasks)?).lease(lease);
        let txn = self.client.txn().then(capacity_op(worker, lease, tasks));
        Ok(txn.then(put).await?.revision)
    }
}

/// What a status says of the capacity, if it does.
fn capacity_in(status: &[u8]) -> Option<u32> {
    let status: Value = serde_json::from_slice(status).ok()?;
    u32::try_from(status.get("capacity")?.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_the_capacity_or_does_not() {
        assert_eq!(capacity_in(b"{\"state\": \"active\", \"capacity\": 5}"), Some(5));
        for without in [
            &b"{\"capacity\": -1}"[..],
            b"{\"capacity\": \"5\"}",
            b"\"active\"",
            b"{}",
        ] {
            assert_eq!(capacity_in(without), None);
        }
    }
}
