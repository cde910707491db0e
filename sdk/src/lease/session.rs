//! A lease that this process renews.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::call::GrantLease;
use super::keeper::Kept;
use crate::client::Client;
use crate::error::Result;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// The cluster ended the lease: it was revoked, or no renewal arrived in time.
    Ended,
    /// No renewal was confirmed before the deadline. The lease may live a little longer, but nothing may be built on it.
    Unconfirmed,
    /// The session was ended here.
    Closed,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the cluster ended the lease",
            Self::Unconfirmed => "no renewal was confirmed in time",
            Self::Closed => "the session was ended here",
        })
    }
}

/// A session to be opened.
#[must_use = "a call is made when it is awaited"]
pub struct OpenSession<'a> {
    client: &'a Client,
    grant: GrantLease<'a>,
}

impl<'a> OpenSession<'a> {
    pub(super) fn new(client: &'a Client, ttl: Duration) -> Self {
        Self {
            client,
            grant: client.grant_lease(ttl),
        }
    }

    /// What people are shown, at most 128 bytes. Default: empty.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.grant = self.grant.name(name);
        self
    }

    async fn open(self) -> Result<Session> {
        let sent = Instant::now();
        let granted = self.grant.await?;
        let kept = self
            .client
            .core
            .keeper
            .keep(&self.client.core, granted.lease, granted.ttl, sent);
        Ok(Session {
            inner: Arc::new(Inner {
                client: self.client.clone(),
                kept,
            }),
        })
    }
}

impl<'a> IntoFuture for OpenSession<'a> {
    type Output = Result<Session>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// A lease that is renewed in the background. All clones are the same session; when the last one is dropped, the lease is
/// ended, and everything attached to it goes.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    kept: Arc<Kept>,
}

impl Session {
    /// The lease.
    pub fn id(&self) -> u64 {
        self.inner.kept.lease()
    }

    /// The time to live without a renewal.
    pub fn ttl(&self) -> Duration {
        self.inner.kept.ttl()
    }

    /// Until this moment the lease certainly lives: counted from when the last confirmed renewal was sent, less a twentieth
    /// of the time to live, by which clocks may differ in speed.
    pub fn deadline(&self) -> Instant {
        self.inner.kept.deadline()
    }

    /// Why the session is over; none while it lives.
    pub fn loss(&self) -> Option<Loss> {
        self.inner.kept.loss()
    }

    /// Completes when the session is over.
    pub async fn lost(&self) -> Loss {
        self.inner.kept.lost().await
    }

    /// Ends the lease, and everything attached to it, now. It concerns all clones.
    ///
    /// # Errors
    ///
    /// What any call may return, except that a lease which is gone already is no error. The lease is renewed no longer
    /// whatever happens, so it ends by itself.
    pub async fn end(&self) -> Result<()> {
        self.inner.kept.close();
        self.inner.client.core.keeper.forget(self.id());
        match self.inner.client.revoke_lease(self.id()).await {
            Err(error) if *error.kind() == crate::ErrorKind::UnknownLease => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The client it belongs to.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .field("ttl", &self.ttl())
            .field("loss", &self.loss())
            .finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.client.core.keeper.forget(self.kept.lease());
        if self.kept.loss().is_some() {
            return;
        }
        self.kept.close();
        // Without a runtime nobody can send; the lease then ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (client, lease) = (self.client.clone(), self.kept.lease());
            runtime.spawn(async move {
                if let Err(error) = client.revoke_lease(lease).await {
                    tracing::debug!(%error, lease, "a dropped session was not ended; it will end by itself");
                }
            });
        }
    }
}
