//! The client's registration with the cluster, and the stamps that make its retries apply once.
//!
//! Invariants: a sequence is used for one mutation only; at most [`UNANSWERED_MAX`] sequences lie above `answered_up_to`,
//! since the cluster keeps the answers of that many; an expired id is replaced by a new one, never revived.

use std::sync::Arc;

use parking_lot::Mutex;
use quorate_proto::v1;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::sequences::Sequences;

/// Mutations that may lie above `answered_up_to`; a little below the 1,024 answers that the cluster keeps.
pub(crate) const UNANSWERED_MAX: u32 = 1_000;

/// One client id and its sequences.
#[derive(Debug)]
pub(crate) struct Registration {
    cluster_id: u64,
    client_id: u64,
    sequences: Mutex<Sequences>,
    /// One permit per sequence above `answered_up_to`.
    window: Semaphore,
}

impl Registration {
    pub(crate) fn new(response: &v1::RegisterClientResponse) -> Self {
        let window = match response.unanswered_max {
            0 => UNANSWERED_MAX,
            limit => limit.min(UNANSWERED_MAX),
        };
        Self {
            cluster_id: response.header.as_ref().map_or(0, |header| header.cluster_id),
            client_id: response.client_id,
            sequences: Mutex::new(Sequences::default()),
            window: Semaphore::new(window as usize),
        }
    }

    /// Takes the next sequence, waiting until `deadline` while too many are outstanding.
    pub(crate) async fn begin(self: &Arc<Self>, deadline: Instant) -> Result<Stamp> {
        let permit = match self.window.try_acquire() {
            Ok(permit) => Some(permit),
            Err(TryAcquireError::Closed) => None,
            Err(TryAcquireError::NoPermits) => tokio::time::timeout_at(deadline, self.window.acquire())
                .await
                .ok()
                .and_then(|permit| permit.ok()),
        };
        let Some(permit) = permit else {
            let message = format!("{UNANSWERED_MAX} mutations of this client are outstanding: none ended in time");
            return Err(Error::new(ErrorKind::DeadlineExceeded, Outcome::NotApplied, message));
        };
        // Given back by `finish`, when the mark moves past the sequence.
        permit.forget();
        let sequence = self.sequences.lock().begin();
        Ok(Stamp {
            registration: Arc::clone(self),
            sequence,
        })
    }

    fn finish(&self, sequence: u64) {
        let grown = self.sequences.lock().finish(sequence);
        if grown > 0 {
            // At most the window's size, which is a u32.
            self.window.add_permits(usize::try_from(grown).unwrap_or(0));
        }
    }
}

/// What the cluster knows a mutation by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StampName {
    pub(crate) cluster_id: u64,
    pub(crate) client_id: u64,
    pub(crate) sequence: u64,
}

/// One mutation's sequence, outstanding until this is dropped.
#[derive(Debug)]
pub(crate) struct Stamp {
    registration: Arc<Registration>,
    sequence: u64,
}

impl Stamp {
    /// As the next attempt carries it: the id and sequence stay, the mark may have moved.
    pub(crate) fn to_wire(&self) -> v1::ClientStamp {
        v1::ClientStamp {
            client_id: self.registration.client_id,
            sequence: self.sequence,
            answered_up_to: self.registration.sequences.lock().answered_up_to(),
        }
    }

    pub(crate) fn name(&self) -> StampName {
        StampName {
            cluster_id: self.registration.cluster_id,
            client_id: self.registration.client_id,
            sequence: self.sequence,
        }
    }

    pub(crate) fn registration(&self) -> &Arc<Registration> {
        &self.registration
    }
}

impl Drop for Stamp {
    fn drop(&mut self) {
        self.registration.finish(self.sequence);
    }
}

/// The registration in use, shared by all tasks of a client.
#[derive(Debug, Default)]
pub(crate) struct Session {
    current: Mutex<Option<Arc<Registration>>>,
    /// Held while registering, so that one call does it for all.
    registering: tokio::sync::Mutex<()>,
}

impl Session {
    /// The registration in use, made by `register` if there is none.
    pub(crate) async fn registration<F, R>(&self, register: F) -> Result<Arc<Registration>>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<v1::RegisterClientResponse>>,
    {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let _registering = self.registering.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let registration = Arc::new(Registration::new(&register().await?));
        *self.current.lock() = Some(Arc::clone(&registration));
        Ok(registration)
    }

    /// Forgets a registration that the cluster no longer knows, unless another call already did.
    pub(crate) fn expire(&self, expired: &Arc<Registration>) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, expired)) {
            *current = None;
        }
    }

    pub(crate) fn current(&self) -> Option<Arc<Registration>> {
        self.current.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn registration() -> Arc<Registration> {
        let response = v1::RegisterClientResponse {
            client_id: 7,
            unanswered_max: 2,
            ..Default::default()
        };
        Arc::new(Registration::new(&response))
    }

    #[tokio::test]
    async fn a_mutation_waits_while_the_window_is_full() {
        let registration = registration();
        let soon = Instant::now() + Duration::from_millis(20);
        let first = registration.begin(soon).await.unwrap();
        let second = registration.begin(soon).await.unwrap();
        // The second is answered, but the mark stays below the first: the window is still full.
        drop(second);
        let refused = registration.begin(soon).await.unwrap_err();
        assert_eq!(refused.outcome(), Outcome::NotApplied);
        drop(first);
        let third = registration
            .begin(Instant::now() + Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(
            third.to_wire(),
            v1::ClientStamp {
                client_id: 7,
                sequence: 3,
                answered_up_to: 2
            }
        );
    }

    #[tokio::test]
    async fn concurrent_first_mutations_register_once() {
        let session = Session::default();
        let registered = std::sync::atomic::AtomicU64::new(0);
        let register = || async {
            let client_id = registered.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            tokio::task::yield_now().await;
            Ok(v1::RegisterClientResponse {
                client_id,
                ..Default::default()
            })
        };
        let all = futures::future::join_all((0..16).map(|_| session.registration(register))).await;
        assert!(all.into_iter().all(|registration| registration.unwrap().client_id == 1));
        assert_eq!(registered.into_inner(), 1);
    }
}
