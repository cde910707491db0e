//! What is held.

use std::fmt;

use tokio::time::Instant;

use super::acquire::abandon_in_background;
use super::op::{LockHold, LockOp};
use crate::error::Result;
use crate::lease::{Loss, Session};
use crate::record::IntoBytes;
use crate::txn::Op;

/// The holds of one acquisition; given back when it is dropped.
pub(super) struct Held {
    session: Session,
    own: bool,
    request: u64,
    holds: Vec<LockHold>,
    over: bool,
}

impl Held {
    pub(super) fn new(session: Session, own: bool, request: u64, holds: Vec<LockHold>) -> Self {
        Self {
            session,
            own,
            request,
            holds,
            over: false,
        }
    }

    fn fences(&self) -> impl Iterator<Item = LockOp> {
        self.holds.iter().map(LockOp::fence)
    }

    async fn renew(&self) -> Result<()> {
        self.all(LockOp::fence).await
    }

    /// What fails here is left to the drop, which repeats it.
    async fn release(mut self) -> Result<()> {
        self.all(LockOp::release).await?;
        self.over = true;
        Ok(())
    }

    async fn proclaim(&self, value: impl IntoBytes) -> Result<()> {
        let value = value.into_bytes();
        // The value is the acquisition's: setting it for one of its holds sets it for all.
        let Some(first) = self.holds.first() else { return Ok(()) };
        let operation = LockOp::set_value(first, value);
        self.session.client().txn().then(operation).await.map(|_| ())
    }

    async fn all(&self, operation: fn(&LockHold) -> LockOp) -> Result<()> {
        let txn = self.session.client().txn();
        let txn = self.holds.iter().fold(txn, |txn, hold| txn.then(operation(hold)));
        txn.await.map(|_| ())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.own {
            if !self.over {
                abandon_in_background(&self.session, self.request, None);
            }
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It would end by itself, but not before the last of its clones is gone, which others may have.
            let session = self.session.clone();
            runtime.spawn(async move {
                if let Err(error) = session.end().await {
                    tracing::debug!(%error, "the session of a lock was not ended; it ends by itself");
                }
            });
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("holds", &self.holds)
            .field("session", &self.session)
            .finish()
    }
}

/// A lock that is held, a permit, or a leadership. It is given back when it is dropped, in the background;
/// [`release`](Self::release) waits for that.
///
/// It is lost when its session is: do no more for it after [`lost`](Self::lost), and let whatever you write start with
/// [`fence`](Self::fence). One that was released by force notices that by the next fenced write or [`renew`](Self::renew).
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct LockGuard {
    held: Held,
    hold: LockHold,
}

impl LockGuard {
    pub(super) fn new(held: Held) -> Self {
        // Exactly one name was asked for, and all that was asked for is held.
        let hold = held.holds.first().cloned().unwrap_or_default();
        Self { held, hold }
    }

    /// The fencing token: greater than that of every hold of this lock before it.
    pub fn token(&self) -> u64 {
        self.hold.token
    }

    /// The name of the lock, its lease and its token.
    pub fn hold(&self) -> &LockHold {
        &self.hold
    }

    /// What keeps it alive.
    pub fn session(&self) -> &Session {
        &self.held.session
    }

    /// Until this moment the session certainly lives; see [`Session::deadline`].
    pub fn deadline(&self) -> Instant {
        self.held.session.deadline()
    }

    /// Why its session is over; none while it lives.
    pub fn loss(&self) -> Option<Loss> {
        self.held.session.loss()
    }

    /// Completes when its session is over.
    pub async fn lost(&self) -> Loss {
        self.held.session.lost().await
    }

    /// To start a transaction with: it is refused with [`Fenced`](crate::ErrorKind::Fenced) unless this hold lives.
    pub fn fence(&self) -> Op {
        LockOp::fence(&self.hold).into()
    }

    /// Asks the cluster whether the hold lives. The session is renewed without this.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if it is over, and what any call may return.
    pub async fn renew(&self) -> Result<()> {
        self.held.renew().await
    }

    /// Proclaims another value, at most 4,096 bytes.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if the hold is over, and what any call may return.
    pub async fn proclaim(&self, value: impl IntoBytes) -> Result<()> {
        self.held.proclaim(value).await
    }

    /// Gives it back. A session of its own ends with it, in the background.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if it was lost before, and what any call may return. It is given back in the
    /// background then, or ends with its session.
    pub async fn release(self) -> Result<()> {
        self.held.release().await
    }
}

/// Several locks that are held together. They are given back when this is dropped, in the background;
/// [`release`](Self::release) waits for that. See [`LockGuard`].
#[derive(Debug)]
#[must_use = "the locks are given back when this is dropped"]
pub struct LocksGuard(Held);

impl LocksGuard {
    pub(super) fn new(held: Held) -> Self {
        Self(held)
    }

    /// The holds, by name; each has its own fencing token.
    pub fn holds(&self) -> &[LockHold] {
        &self.0.holds
    }

    /// What keeps them alive.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Until this moment the session certainly lives; see [`Session::deadline`].
    pub fn deadline(&self) -> Instant {
        self.0.session.deadline()
    }

    /// Why their session is over; none while it lives.
    pub fn loss(&self) -> Option<Loss> {
        self.0.session.loss()
    }

    /// Completes when their session is over.
    pub async fn lost(&self) -> Loss {
        self.0.session.lost().await
    }

    /// To start a transaction with: it is refused with [`Fenced`](crate::ErrorKind::Fenced) unless all holds live.
    pub fn fences(&self) -> Vec<Op> {
        self.0.fences().map(Op::from).collect()
    }

    /// Asks the cluster whether all holds live. The session is renewed without this.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if one is over, and what any call may return.
    pub async fn renew(&self) -> Result<()> {
        self.0.renew().await
    }

    /// Gives them back, all at one revision. A session of their own ends with them, in the background.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if one was lost before, and what any call may return. What is still held is
    /// given back in the background then, or ends with its session.
    pub async fn release(self) -> Result<()> {
        self.0.release().await
    }
}
