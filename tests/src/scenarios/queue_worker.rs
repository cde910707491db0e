//! A worker that is made to be killed: it claims, and acknowledges each item in the transaction that records it.

use std::time::Duration;

use quorate::{Claimed, Client, Compare, ErrorKind, Op, Outcome, Session};

use crate::HarnessError;

/// Of the records, one for each item that was acknowledged.
pub(super) const DONE: &str = "done/";
/// Short, so that the items of a worker that was killed come back while the run goes on.
const SESSION_TTL: Duration = Duration::from_secs(2);
const VISIBILITY: Duration = Duration::from_secs(3);
const WAIT: Duration = Duration::from_secs(5);
/// More than one, so that whoever dies holds something.
const BATCH: u32 = 4;
/// After a call that failed because no leader could be reached.
const PAUSE: Duration = Duration::from_millis(50);

/// A worker of [`QueueRounds`](super::QueueRounds).
#[derive(Clone, Debug)]
pub struct QueueWorker {
    /// Members of the cluster.
    pub endpoints: Vec<String>,
    /// Where the items are.
    pub queue: String,
    /// What it is called.
    pub name: String,
    /// Its claims end with a session; without one, they time out.
    pub session: bool,
}

impl QueueWorker {
    /// Works until it is killed. Returns if the store did what it must not do.
    pub async fn work(self) -> Result<(), HarnessError> {
        let client = loop {
            let connecting = Client::builder()
                .endpoints(self.endpoints.clone())
                .name(self.name.clone());
            match connecting.connect().await {
                Ok(client) => break client,
                Err(error) => pass(error, "connecting").await?,
            }
        };
        let mut session = None;
        loop {
            match self.claim(&client, &mut session).await {
                Ok(items) => {
                    for item in &items {
                        done(&client, item).await?;
                    }
                }
                // It stood still for too long; its items are back.
                Err(error) if *error.kind() == ErrorKind::UnknownLease => session = None,
                Err(error) => pass(error, "claiming").await?,
            }
        }
    }

    async fn claim(&self, client: &Client, session: &mut Option<Session>) -> quorate::Result<Vec<Claimed>> {
        let queue = client.queue(self.queue.clone());
        let claim = queue.claim(BATCH).wait(WAIT).worker(self.name.clone());
        if !self.session {
            return claim.visibility(VISIBILITY).await;
        }
        if session.as_ref().is_none_or(|session| session.loss().is_some()) {
            *session = Some(client.session(SESSION_TTL).name(self.name.clone()).await?);
        }
        match session {
            Some(session) => claim.session(session).await,
            None => claim.await,
        }
    }
}

/// Acknowledges an item and records that, at one revision. If it was recorded before, the acknowledgement must be refused.
async fn done(client: &Client, item: &Claimed) -> Result<(), HarnessError> {
    let key = format!("{DONE}{:020}", item.id());
    let record = format!("{} {}", String::from_utf8_lossy(item.payload()), item.attempt());
    let answered = client
        .txn()
        .when(Compare::is_missing(key.clone()))
        .then(item.ack_op())
        .then(Op::put(key, record))
        .otherwise(item.ack_op())
        .await;
    match answered {
        Ok(reply) if reply.succeeded => Ok(()),
        Ok(reply) => Err(HarnessError::Broken(format!(
            "item {} was acknowledged twice, for the second time at revision {} with receipt {}",
            item.id(),
            reply.revision,
            item.receipt()
        ))),
        // The claim ran out: another worker has, or had, the item.
        Err(error) if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::UnknownItem) => Ok(()),
        Err(error) => pass(error, "acknowledging").await,
    }
}

/// Faults are part of the run; anything else is not.
async fn pass(error: quorate::Error, doing: &str) -> Result<(), HarnessError> {
    if !error.is_retryable() && error.outcome() != Outcome::Unknown {
        return Err(HarnessError::call(doing)(error));
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}
