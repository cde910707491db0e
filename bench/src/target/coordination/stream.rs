//! Quorate through its SDK.

use bytes::Bytes;
use quorate::{Client, Error, Queue, QueueConfig, Session};

use super::{HOLDER_TTL, LEASE_IS_GONE, LEASE_TTL, NO_LEASE, NOTHING_TO_CLAIM, QUEUE, Verb};

/// One client, as a task of a program that shares an SDK client with others.
#[derive(Debug)]
pub struct StreamVerbs {
    client: Client,
    session: Option<Session>,
    queue: Queue,
}

impl StreamVerbs {
    pub(super) async fn open(client: Client, number: usize, verb: Verb) -> Result<StreamVerbs, String> {
        let session = match verb {
            Verb::Lock => Some(client.session(HOLDER_TTL).await.map_err(said)?),
            Verb::Lease | Verb::Queue => None,
        };
        let queue = client.queue(QUEUE);
        if verb == Verb::Queue && number == 0 {
            queue.create(QueueConfig::default()).await.map_err(said)?;
        }
        Ok(StreamVerbs { client, session, queue })
    }

    pub(super) async fn lock_and_unlock(&self, name: &str) -> Result<(), String> {
        let session = self.session.as_ref().ok_or(NO_LEASE)?;
        let guard = self.client.lock(name).session(session).acquire().await.map_err(said)?;
        guard.release().await.map_err(said)
    }

    pub(super) async fn grant_renew_revoke(&self) -> Result<(), String> {
        let lease = self.client.grant_lease(LEASE_TTL).await.map_err(said)?.lease;
        let renewed = self.client.keep_alive(&[lease]).await.map_err(said)?;
        if renewed != [Some(LEASE_TTL)] {
            return Err(format!("{LEASE_IS_GONE}: {renewed:?}"));
        }
        self.client.revoke_lease(lease).await.map_err(said)?;
        Ok(())
    }

    pub(super) async fn push_claim_ack(&self, payload: Bytes) -> Result<(), String> {
        self.queue.push(payload).await.map_err(said)?;
        let claimed = self.queue.claim(1).await.map_err(said)?;
        let item = claimed.first().ok_or(NOTHING_TO_CLAIM)?;
        item.ack().await.map_err(said)
    }
}

fn said(error: Error) -> String {
    error.to_string()
}
