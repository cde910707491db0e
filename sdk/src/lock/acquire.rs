//! The way of an acquisition: a session, a place in the queues, the grant; and back from wherever it is given up.
//!
//! Invariants: whatever was asked for under a session that others use is given back, or the session is lost; giving back
//! comes after the answer to asking, as calls have no mutual order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::lock_acquisition::State;
use quorate_proto::v1::lock_operation::Operation as LockOperation;
use quorate_proto::v1::lock_query::Query as LockQuery;
use tokio::task::JoinHandle;

use super::call::query;
use super::guard::Held;
use super::op::{LockGrant, LockHold, LockOp, LockOpReply, grants};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lease::{Loss, Session, not_expected, only};
use crate::txn::OpReply;

/// The time to live of a session that is made for one acquisition.
pub(super) const TTL: Duration = Duration::from_secs(10);
/// One question waits this long for its answer to change. A member that stopped is noticed after that time.
pub(super) const QUESTION_WAIT: Duration = Duration::from_secs(5);
/// Before a question, or giving back, that failed is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a session's name.
const SESSION_NAME_BYTES_MAX: usize = 128;

/// Sessions belong to one process, so that these are unique in each.
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// What keeps an acquisition alive.
#[derive(Clone, Debug)]
pub(super) enum Keeping {
    /// A session made for it.
    Own(Duration),
    Shared(Session),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client: Client,
    pub(super) names: Vec<String>,
    pub(super) mode: v1::LockMode,
    pub(super) semaphore: Option<v1::LockPermits>,
    pub(super) value: Bytes,
    pub(super) keeping: Keeping,
}

/// How long to wait for what is not free.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    No,
    Within(Duration),
    Forever,
}

impl Asked {
    /// As the store does it: in order, each once.
    pub(super) fn new(client: &Client, mut names: Vec<String>) -> Self {
        names.sort();
        names.dedup();
        Self {
            client: client.clone(),
            names,
            mode: v1::LockMode::Unspecified,
            semaphore: None,
            value: Bytes::new(),
            keeping: Keeping::Own(TTL),
        }
    }

    /// What is held, or none if it was not free in time.
    pub(super) async fn acquire(self, patience: Patience) -> Result<Option<Held>> {
        let mut queued = false;
        match patience {
            Patience::No => self.take(false, &mut queued).await,
            Patience::Forever => self.take(true, &mut queued).await,
            Patience::Within(time) => match tokio::time::timeout(time, self.take(true, &mut queued)).await {
                Ok(taken) => taken,
                Err(_elapsed) if queued => Ok(None),
                Err(_elapsed) => {
                    let message = format!("no answer within {time:?}; what was asked for is given up");
                    Err(Error::new(ErrorKind::DeadlineExceeded, Outcome::NotApplied, message))
                }
            },
        }
    }

    /// The same without an end: there is always something held, or an error.
    pub(super) async fn acquire_at_last(self) -> Result<Held> {
        match self.acquire(Patience::Forever).await? {
            Some(held) => Ok(held),
            None => Err(protocol("a request that may wait was refused as if it might not")),
        }
    }

    async fn take(&self, wait: bool, queued: &mut bool) -> Result<Option<Held>> {
        let mut claim = Claim::new(self).await?;
        loop {
            let granted = match claim.enter(self, wait).await? {
                LockOpReply::Granted { holds } => Some(holds),
                LockOpReply::Queued { .. } => {
                    *queued = true;
                    claim.granted().await?
                }
                LockOpReply::Busy { .. } => {
                    claim.over = true;
                    return Ok(None);
                }
                other => return Err(not_expected("acquire", &OpReply::Lock(other))),
            };
            match granted {
                Some(holds) if holds.len() == self.names.len() => return claim.into_held(holds).map(Some),
                // Some of it was taken away by force meanwhile. What is left goes back, and it starts anew.
                Some(_) => abandon(&claim.session, claim.request).await?,
                // It ended as a whole: asking again gives a place at the end of the queue, or says why not.
                None => {}
            }
        }
    }

    async fn session(&self) -> Result<(Session, bool)> {
        match &self.keeping {
            Keeping::Shared(session) => Ok((session.clone(), false)),
            Keeping::Own(ttl) => {
                let mut name = format!("lock {}", self.names.join(", "));
                name.truncate(name.floor_char_boundary(SESSION_NAME_BYTES_MAX));
                Ok((self.client.session(*ttl).name(name).await?, true))
            }
        }
    }

    fn operation(&self, lease: u64, request: u64, wait: bool) -> LockOp {
        LockOp::of(LockOperation::Acquire(v1::LockAcquire {
            lease,
            request,
            names: self.names.clone(),
            mode: self.mode.into(),
            semaphore: self.semaphore,
            value: self.value.clone(),
            wait,
        }))
    }
}

/// An acquisition that is not held yet; given up when it is dropped.
struct Claim {
    session: Session,
    /// The session goes with the acquisition.
    own: bool,
    request: u64,
    /// The question that is outstanding, or was the last.
    entering: Option<JoinHandle<Result<LockOpReply>>>,
    /// There is nothing to give up.
    over: bool,
}

impl Claim {
    async fn new(asked: &Asked) -> Result<Self> {
        let (session, own) = asked.session().await?;
        Ok(Self {
            session,
            own,
            request: NEXT_REQUEST.fetch_add(1, Ordering::Relaxed),
            entering: None,
            over: false,
        })
    }

    /// Asks for the locks. The call goes on if this is dropped, so that what it does is known when it is given up.
    async fn enter(&mut self, asked: &Asked, wait: bool) -> Result<LockOpReply> {
        let operation = asked.operation(self.session.id(), self.request, wait);
        let client = self.session.client().clone();
        let entering = self.entering.insert(tokio::spawn(async move {
            match only(client.txn().then(operation).await?.results)? {
                OpReply::Lock(reply) => Ok(reply),
                other => Err(not_expected("acquire", &other)),
            }
        }));
        tokio::select! {
            loss = self.session.lost() => Err(lost(loss)),
            answered = entering => {
                self.entering = None;
                answered.unwrap_or_else(|error| Err(protocol(&format!("the call ended early: {error}"))))
            }
        }
    }

    /// Waits until the locks are held, as long as the session lives; none if the acquisition is no more.
    async fn granted(&self) -> Result<Option<Vec<LockGrant>>> {
        let waited = async {
            loop {
                match self.ask().await {
                    Ok(v1::LockAcquisition { holds, state, .. }) => match State::try_from(state) {
                        Ok(State::Granted) => return Ok(Some(grants(holds))),
                        Ok(State::Queued) => {}
                        Ok(State::Absent) => return Ok(None),
                        _ => return Err(protocol("an acquisition is in a state that does not exist")),
                    },
                    Err(error) if error.is_retryable() => tokio::time::sleep(PAUSE).await,
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            loss = self.session.lost() => Err(lost(loss)),
            granted = waited => granted,
        }
    }

    async fn ask(&self) -> Result<v1::LockAcquisition> {
        let get = v1::LockAcquisitionGet {
            lease: self.session.id(),
            request: self.request,
        };
        let core = &self.session.client().core;
        let answer = query(core, LockQuery::Acquisition(get), QUESTION_WAIT).await?;
        answer
            .acquisition
            .ok_or_else(|| protocol("a question about an acquisition was answered without one"))
    }

    /// A session may be lost just when its locks are granted.
    fn into_held(mut self, holds: Vec<LockGrant>) -> Result<Held> {
        if let Some(loss) = self.session.loss() {
            return Err(lost(loss));
        }
        self.over = true;
        let hold = |grant: LockGrant| LockHold {
            lock: grant.lock,
            lease: self.session.id(),
            token: grant.token,
            request: self.request,
        };
        let holds = holds.into_iter().map(hold).collect();
        Ok(Held::new(self.session.clone(), self.own, self.request, holds))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A session of its own ends when it is dropped, and what comes later is refused.
        if !self.over && !self.own {
            abandon_in_background(&self.session, self.request, self.entering.take());
        }
    }
}

/// Gives back an acquisition until that has succeeded or the session is lost: others wait for it, and a session that goes
/// on would hold it for ever. Without a runtime nobody can send; it then ends with the session.
pub(super) fn abandon_in_background(
    session: &Session,
    request: u64,
    entering: Option<JoinHandle<Result<LockOpReply>>>,
) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let session = session.clone();
    runtime.spawn(async move {
        if let Some(entering) = entering {
            // Whatever it was answered, and even if it was not.
            drop(entering.await);
        }
        while let Err(error) = abandon(&session, request).await {
            if session.loss().is_some() || *error.kind() == ErrorKind::Closed {
                tracing::debug!(%error, lease = session.id(), request, "an acquisition was not given back; it ends with its lease");
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}

async fn abandon(session: &Session, request: u64) -> Result<()> {
    let operation = LockOp::abandon(session.id(), request);
    session.client().txn().then(operation).await.map(|_| ())
}

fn lost(loss: Loss) -> Error {
    let outcome = match loss {
        Loss::Unconfirmed => Outcome::Unknown,
        Loss::Ended | Loss::Closed => Outcome::NotApplied,
    };
    let message = format!("the session was lost before the lock was held: {loss}");
    Error::new(ErrorKind::UnknownLease, outcome, message)
}

fn protocol(message: &str) -> Error {
    Error::new(ErrorKind::Protocol, Outcome::Unknown, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        use crate::core::Core;
        use crate::retry::RetryBudget;
        use crate::routing::Routing;
        let routing = Routing::new(&["127.0.0.1:1".to_owned()], None, 1, 16).unwrap();
        let second = Duration::from_secs(1);
        let core = Core::new(
            routing,
            RetryBudget::new(1, 1, std::time::Instant::now()),
            second,
            second,
            String::new(),
            1,
            crate::watch::Watches::new(second),
        );
        Client::new(std::sync::Arc::new(core))
    }

    #[test]
    fn names_are_asked_for_in_order_and_once() {
        let names = ["b", "a", "b"].map(str::to_owned).to_vec();
        assert_eq!(Asked::new(&client(), names).names, ["a", "b"]);
    }

    #[test]
    fn whatever_waits_for_a_lock_can_be_spawned() {
        fn spawnable<T: Send + 'static>(_: T) {}
        let client = client();
        spawnable(client.lock("a").acquire());
        spawnable(client.locks(["a", "b"]).acquire_within(TTL));
        spawnable(client.semaphore("a", 2).try_acquire());
        spawnable(client.election("a").campaign("me"));
        spawnable(client.election("a").observe());
    }
}
