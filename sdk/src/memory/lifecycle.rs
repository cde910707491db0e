//! The end of what was begun.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::handle::{Memory, Shared};
use crate::error::{Error, ErrorKind, Outcome, Result};
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
        // Others may have learned meanwhile what became of writes that were made before this call.
        let _nobody = shared.flushing.write().await;
        let flushed = std::mem::take(&mut *shared.flushed.lock());
        verdict(flushed)
    }

    /// Lets the calls under way finish, ends subscriptions and heartbeats, sends what the batch has taken, gives back the
    /// locks, deregisters the worker, and closes the client, unless it was given to the builder. It concerns all clones; from
    /// now on every call ends with [`Closed`](crate::ErrorKind::Closed). It goes on if this is dropped before it is done, and every
    /// further call waits for the same end.
    ///
    /// # Errors
    ///
    /// The first that one of these steps met; the others are done nevertheless. Locks and registration end with their
    /// sessions at the latest; as with [`force_sync`](Self::force_sync), a write of the batch that failed is an error.
    pub async fn shutdown(&self) -> Result<()> {
        let mut ended = self.shared.end();
        let told = ended.wait_for(Option::is_some).await;
        told.ok().and_then(|told| told.clone()).unwrap_or_else(|| {
            let message = "the runtime ended while the memory was being shut down";
            Err(Error::new(ErrorKind::Closed, Outcome::Unknown, message))
        })
    }
}

impl Shared {
    /// Begins the end, once.
    fn end(self: &Arc<Self>) -> watch::Receiver<Option<Result<()>>> {
        let mut ended = self.ended.lock();
        if let Some(ended) = &*ended {
            return ended.clone();
        }
        let (tell, told) = watch::channel(None);
        *ended = Some(told.clone());
        self.gate.close();
        let shared = Arc::clone(self);
        tokio::spawn(async move { tell.send_replace(Some(shared.finish().await)) });
        told
    }

    async fn finish(&self) -> Result<()> {
        self.gate.emptied(PATIENCE).await;
        self.subscriptions.end_all();
        let batch = self.close_batch().await;
        let locks = self.release_all().await;
        let worker = self.deregister().await;
        self.events.end();
        if self.own_client {
            self.client.close().await;
        }
        batch.and(locks).and(worker)
    }

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
