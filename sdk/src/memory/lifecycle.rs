//! The end of what was begun.

use std::time::Duration;

use super::handle::{Memory, Shared};
use crate::error::{Error, Result};
use crate::eventual::Flushed;

/// How long calls that are under way may take when the memory is shut down.
const PATIENCE: Duration = Duration::from_secs(15);

impl Memory {
    /// Returns when everything that the batch has taken is acknowledged, and how many writes that were since the last time;
    /// those that became one count once. Writes of the strong tier are acknowledged when their own calls return.
    ///
    /// # Errors
    ///
    /// If writes failed since the last time, the error of the first one, with its key and how many there were;
    /// [`MemoryEvent::BatchFlushed`](crate::MemoryEvent::BatchFlushed) names each. [`Closed`](crate::ErrorKind::Closed).
    pub async fn force_sync(&self) -> Result<u64> {
        let shared = &self.shared;
        let _pass = shared.gate.enter()?;
        shared.flush().await;
        let flushed = std::mem::take(&mut *shared.flushed.lock());
        verdict(flushed)
    }

    /// Lets the calls under way finish, ends subscriptions and heartbeats, sends what the batch has taken, gives back the
    /// locks, deregisters the worker, and closes the client, unless it was given to the builder. It concerns all clones; from
    /// now on every call ends with [`Closed`](crate::ErrorKind::Closed). A second call does nothing.
    ///
    /// # Errors
    ///
    /// The first that one of these steps met; the others are done nevertheless. Locks and registration end with their
    /// sessions at the latest; as with [`force_sync`](Self::force_sync), a write of the batch that failed is an error.
    pub async fn shutdown(&self) -> Result<()> {
        let shared = &self.shared;
        if !shared.gate.close(PATIENCE).await {
            return Ok(());
        }
        shared.subscriptions.end_all();
        let batch = shared.close_batch().await;
        let locks = shared.release_all().await;
        let worker = shared.deregister().await;
        shared.events.end();
        if shared.own_client {
            shared.client.close().await;
        }
        batch.and(locks).and(worker)
    }
}

impl Shared {
    async fn close_batch(&self) -> Result<()> {
        let last = self.batch.close().await;
        let mut flushed = std::mem::take(&mut *self.flushed.lock());
        flushed.take_over(last);
        verdict(flushed).map(|_| ())
    }

    async fn release_all(&self) -> Result<()> {
        let mut released = Ok(());
        for guard in self.locks.take_all() {
            // A lock that was lost is given back already.
            if guard.loss().is_none() {
                released = released.and(guard.release().await);
            }
        }
        released
    }
}

fn verdict(flushed: Flushed) -> Result<u64> {
    let count = flushed.failed.len() as u64 + flushed.failed_left_out;
    match flushed.failed.into_iter().next() {
        None => Ok(flushed.written),
        Some(first) => {
            let key = first.key.escape_ascii();
            let context = format!("{count} writes of the batch failed, the first of {key}");
            Err(Error::with_context(first.error, &context))
        }
    }
}
