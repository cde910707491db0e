//! Elections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;

use super::acquire::{Asked, Keeping, PAUSE, QUESTION_WAIT};
use super::call::find;
use super::guard::LockGuard;
use super::record::{LockHolder, LockRecord};
use crate::client::Client;
use crate::core::Core;
use crate::error::{ErrorKind, Result};
use crate::lease::Session;
use crate::record::IntoBytes;

/// An election: a lock whose holder leads, and proclaims a value, e.g. its address.
///
/// ```no_run
/// # async fn example(client: quorate::Client) -> quorate::Result<()> {
/// let leadership = client.election("scheduler").campaign("10.0.0.7:80").await?;
/// println!("leading, with token {}", leadership.token());
/// leadership.release().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nobody is elected before `campaign`"]
pub struct Election(Asked);

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leader {
    /// Its lease.
    pub lease: u64,
    /// Its fencing token: greater than that of every leader before it.
    pub token: u64,
    /// What it proclaims.
    pub value: Bytes,
}

impl Election {
    pub(super) fn new(client: &Client, name: String) -> Self {
        Self(Asked::new(client, vec![name]))
    }

    /// Campaigns under a session of its own, with this time to live. Default: 10 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.0.keeping = Keeping::Own(ttl);
        self
    }

    /// Campaigns under this session, which others may use, too.
    pub fn session(mut self, session: &Session) -> Self {
        self.0.keeping = Keeping::Shared(session.clone());
        self
    }

    /// Waits until this one leads, and proclaims the value, at most 4,096 bytes. The leadership ends when the guard is
    /// released or dropped, or its session is lost. Dropping the future ends the campaign.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`](super::Lock::acquire).
    pub async fn campaign(mut self, value: impl IntoBytes) -> Result<LockGuard> {
        self.0.value = value.into_bytes();
        self.0.acquire_at_last().await.map(LockGuard::new)
    }

    /// Who leads now; none if nobody does.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn leader(&self) -> Result<Option<Leader>> {
        let found = find(&self.0.client.core, self.name(), None).await?;
        Ok(found.and_then(leader))
    }

    /// Who leads now, and from then on whenever another one leads, nobody does, or the leader proclaims another value. What
    /// changes twice in a short time may be seen once. It ends after an error that asking again does not mend.
    ///
    /// ```no_run
    /// # use futures::StreamExt;
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let mut leaders = std::pin::pin!(client.election("scheduler").observe());
    /// while let Some(leader) = leaders.next().await {
    ///     println!("{:?}", leader?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe(&self) -> impl Stream<Item = Result<Option<Leader>>> + Send + 'static {
        let observer = Observer {
            core: Arc::clone(&self.0.client.core),
            name: self.name(),
            seen: None,
            over: false,
        };
        futures::stream::unfold(observer, |mut observer| async move {
            let next = observer.next().await?;
            Some((next, observer))
        })
    }

    fn name(&self) -> String {
        self.0.names.first().cloned().unwrap_or_default()
    }
}

struct Observer {
    core: Arc<Core>,
    name: String,
    /// The revision, and who led then.
    seen: Option<(u64, Option<Leader>)>,
    over: bool,
}

impl Observer {
    async fn next(&mut self) -> Option<Result<Option<Leader>>> {
        while !self.over {
            let known = self.seen.as_ref().map(|(revision, _)| (*revision, QUESTION_WAIT));
            match find(&self.core, self.name.clone(), known).await {
                Ok(found) => {
                    let revision = found.as_ref().map_or(0, |lock| lock.changed_revision);
                    let leader = found.and_then(leader);
                    let news = self.seen.as_ref().is_none_or(|(_, known)| *known != leader);
                    self.seen = Some((revision, leader.clone()));
                    if news {
                        return Some(Ok(leader));
                    }
                }
                Err(error) if error.is_retryable() && *error.kind() != ErrorKind::Closed => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

fn leader(lock: LockRecord) -> Option<Leader> {
    let of = |holder: LockHolder| Leader {
        lease: holder.lease,
        token: holder.token,
        value: holder.value,
    };
    lock.holders.into_iter().next().map(of)
}
