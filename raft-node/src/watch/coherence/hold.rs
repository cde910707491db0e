//! How a write waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Coherence, TouchedKeys};
use crate::types::Revision;
use crate::watch::watches::WatchKey;

/// What the answer of a write waits for.
#[must_use = "the write is answered when it is over"]
pub struct Hold {
    pub(super) coherence: Arc<Coherence>,
    pub(super) revision: Revision,
    /// What the write touched; none if nobody knows any more.
    pub(super) keys: Option<TouchedKeys>,
    pub(super) blockers: Vec<Blocker>,
    /// Until then caches of another leader may answer.
    pub(super) led_until: Option<Duration>,
}

/// A cache that may answer with what was there before.
pub(super) struct Blocker {
    pub(super) cache: WatchKey,
    /// Its lease as it was when the write looked. One that is proved later comes behind the event of the write.
    pub(super) until: Duration,
    /// What the ledger knows of the cache has changed.
    pub(super) changed: Arc<Notify>,
}

impl Hold {
    /// Completes when no cache can answer with what was there before: at the latest when the leases are over that ran when
    /// the write looked.
    pub async fn over(self) {
        for blocker in &self.blockers {
            loop {
                let changed = blocker.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                let Some(left) = self.left(blocker) else { break };
                // Whichever it is: it is looked at again.
                let _ = tokio::time::timeout(left, changed).await;
            }
        }
        while let Some(left) = self.led_until.and_then(|until| self.time_until(until)) {
            tokio::time::sleep(left).await;
        }
    }

    pub(super) fn left(&self, blocker: &Blocker) -> Option<Duration> {
        let ledger = self.coherence.ledger.lock();
        let blocks = ledger.blocks(blocker.cache, self.revision, self.keys.as_deref());
        drop(ledger);
        self.time_until(blocker.until).filter(|_| blocks)
    }

    pub(super) fn time_until(&self, until: Duration) -> Option<Duration> {
        until
            .checked_sub(self.coherence.clock.monotonic())
            .filter(|left| !left.is_zero())
    }
}
