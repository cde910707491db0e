//! What can be taken, and how.

use std::time::Duration;

use quorate_proto::v1;

use super::acquire::{Asked, Keeping, Patience};
use super::guard::{LockGuard, LocksGuard};
use crate::client::Client;
use crate::error::Result;
use crate::lease::Session;
use crate::record::IntoBytes;

/// A lock to be taken. Of those who wait, the first is served first; a shared request behind an exclusive one waits.
#[derive(Clone, Debug)]
#[must_use = "nothing is taken before `acquire`, `acquire_within` or `try_acquire`"]
pub struct Lock(Asked);

/// Several locks to be taken together.
#[derive(Clone, Debug)]
#[must_use = "nothing is taken before `acquire`, `acquire_within` or `try_acquire`"]
pub struct Locks(Asked);

/// Permits of a semaphore to be taken.
#[derive(Clone, Debug)]
#[must_use = "nothing is taken before `acquire`, `acquire_within` or `try_acquire`"]
pub struct Semaphore(Asked);

impl Lock {
    pub(super) fn new(client: &Client, name: String) -> Self {
        Self(Asked::new(client, vec![name]))
    }

    /// Together with others who want it shared. Default: alone.
    pub fn shared(mut self) -> Self {
        self.0.mode = v1::LockMode::Shared;
        self
    }

    /// What the holder proclaims, at most 4,096 bytes. Default: empty.
    pub fn value(mut self, value: impl IntoBytes) -> Self {
        self.0.value = value.into_bytes();
        self
    }
}

impl Locks {
    pub(super) fn new(client: &Client, names: Vec<String>) -> Self {
        Self(Asked::new(client, names))
    }

    /// Together with others who want them shared. Default: alone.
    pub fn shared(mut self) -> Self {
        self.0.mode = v1::LockMode::Shared;
        self
    }
}

impl Semaphore {
    pub(super) fn new(client: &Client, name: String, permits: u32) -> Self {
        let mut asked = Asked::new(client, vec![name]);
        asked.semaphore = Some(v1::LockPermits { permits, count: 1 });
        Self(asked)
    }

    /// How many permits are taken at once. Default: 1.
    pub fn count(mut self, count: u32) -> Self {
        if let Some(semaphore) = &mut self.0.semaphore {
            semaphore.count = count;
        }
        self
    }

    /// What the holder proclaims, at most 4,096 bytes. Default: empty.
    pub fn value(mut self, value: impl IntoBytes) -> Self {
        self.0.value = value.into_bytes();
        self
    }
}

macro_rules! acquisition {
    ($builder:ident, $guard:ident) => {
        impl $builder {
            /// Takes it under a session of its own, with this time to live. Default: 10 s.
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.0.keeping = Keeping::Own(ttl);
                self
            }

            /// Takes it under this session, which others may use, too: cheaper than one of its own.
            pub fn session(mut self, session: &Session) -> Self {
                self.0.keeping = Keeping::Shared(session.clone());
                self
            }

            /// Takes it, and waits as long as it must. Dropping the future leaves the queue, in the background.
            ///
            /// # Errors
            ///
            /// [`UnknownLease`](crate::ErrorKind::UnknownLease) if the session is lost meanwhile,
            /// [`LockConflict`](crate::ErrorKind::LockConflict) if it is in use in another way,
            /// [`LimitReached`](crate::ErrorKind::LimitReached) if 16,384 wait for it, and what any call may return.
            pub async fn acquire(self) -> Result<$guard> {
                self.0.acquire_at_last().await.map($guard::new)
            }

            /// Takes it, and waits no longer than this; none if it was not free in time.
            ///
            /// # Errors
            ///
            /// As [`acquire`](Self::acquire), and [`DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded) if the cluster
            /// did not answer in time.
            pub async fn acquire_within(self, time: Duration) -> Result<Option<$guard>> {
                let held = self.0.acquire(Patience::Within(time)).await?;
                Ok(held.map($guard::new))
            }

            /// Takes it if it is free; none if not.
            ///
            /// # Errors
            ///
            /// [`LockConflict`](crate::ErrorKind::LockConflict) if it is in use in another way, and what any call may
            /// return.
            pub async fn try_acquire(self) -> Result<Option<$guard>> {
                let held = self.0.acquire(Patience::No).await?;
                Ok(held.map($guard::new))
            }
        }
    };
}

acquisition!(Lock, LockGuard);
acquisition!(Locks, LocksGuard);
acquisition!(Semaphore, LockGuard);
