//! Lets calls in until it is closed, and waits for those inside.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::time::{Duration, timeout};

use crate::error::{Error, ErrorKind, Outcome, Result};

/// The door of a [`Memory`](crate::Memory).
#[derive(Debug)]
pub(super) struct Gate {
    inside: AtomicUsize,
    closed: watch::Sender<bool>,
    /// Changes when one leaves after it was closed.
    left: watch::Sender<()>,
}

/// A call that is inside.
#[derive(Debug)]
pub(super) struct Pass<'a>(&'a Gate);

impl Default for Gate {
    fn default() -> Self {
        Self {
            inside: AtomicUsize::new(0),
            closed: watch::Sender::new(false),
            left: watch::Sender::new(()),
        }
    }
}

impl Gate {
    /// A call that would change something.
    pub(super) fn enter(&self) -> Result<Pass<'_>> {
        self.enter_as(Outcome::NotApplied)
    }

    /// A call that reads.
    pub(super) fn enter_to_read(&self) -> Result<Pass<'_>> {
        self.enter_as(Outcome::NotAMutation)
    }

    fn enter_as(&self, outcome: Outcome) -> Result<Pass<'_>> {
        // Counted before the look: whoever closes it sees this call, or this call sees that it is closed.
        self.inside.fetch_add(1, Ordering::SeqCst);
        let pass = Pass(self);
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, outcome, "the memory was shut down"));
        }
        Ok(pass)
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// How many are inside.
    pub(super) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits for those who were inside when it was closed, at most that long.
    pub(super) async fn emptied(&self, patience: Duration) {
        let mut left = self.left.subscribe();
        let empty = async { while self.inside() > 0 && left.changed().await.is_ok() {} };
        if timeout(patience, empty).await.is_err() {
            tracing::warn!(calls = self.inside(), "a memory is shut down with calls outstanding");
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
        if self.0.is_closed() {
            self.0.left.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_waits_for_those_inside_and_lets_in_nobody_else() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        gate.close();
        let mut closing = std::pin::pin!(gate.emptied(Duration::from_secs(60)));
        assert!(futures::poll!(&mut closing).is_pending());
        let refused = gate.enter_to_read().unwrap_err();
        assert_eq!(
            (refused.kind(), refused.outcome()),
            (&ErrorKind::Closed, Outcome::NotAMutation)
        );
        drop(pass);
        closing.await;
        gate.emptied(Duration::from_secs(60)).await;
    }
}
