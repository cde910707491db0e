//! Calls about locks, other than taking them.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::lock_query::Query as LockQuery;
use quorate_proto::v1::query_request::Query;
use quorate_proto::v1::query_response::Answer;
use quorate_proto::v1::reply::Response;

use super::builder::{Lock, Locks, Semaphore};
use super::election::Election;
use super::op::{LockOp, LockOpReply};
use super::record::LockRecord;
use crate::client::Client;
use crate::consistency::whole_ms;
use crate::core::{Core, unexpected};
use crate::error::Result;
use crate::lease::{not_expected, only};
use crate::routing::Route;
use crate::txn::OpReply;

/// What [`Client::force_release`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForceReleased {
    /// Holds that ended.
    pub holds: u32,
    /// There are more: one call ends at most 10,000.
    pub more: bool,
    /// The revision of the store after it.
    pub revision: u64,
}

/// A page of [`Client::list_locks`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocksPage {
    /// The locks, by name.
    pub locks: Vec<LockRecord>,
    /// There are more after the last one.
    pub more: bool,
}

impl Client {
    /// A lock, to be taken whole or shared. Names have 1 to 1,024 bytes.
    ///
    /// ```no_run
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let lock = client.lock("reports/nightly").acquire().await?;
    /// // Refused if the lock was lost, however late it arrives.
    /// client.txn().then(lock.fence()).then(quorate::Op::put("reports/state", "running")).await?;
    /// lock.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(&self, name: impl Into<String>) -> Lock {
        Lock::new(self, name.into())
    }

    /// Several locks, 1 to 32, to be held all at once. They are taken in the order of their names, so that two who ask for
    /// the same ones never wait for each other.
    ///
    /// ```no_run
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let both = client.locks(["accounts/7", "accounts/9"]).acquire().await?;
    /// let mut transfer = client.txn();
    /// for fence in both.fences() {
    ///     transfer = transfer.then(fence);
    /// }
    /// transfer.then(quorate::Op::put("accounts/7/balance", "90")).await?;
    /// both.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn locks<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Locks {
        Locks::new(self, names.into_iter().map(Into::into).collect())
    }

    /// A semaphore with this many permits, 1 to 1,000,000: the same number in everybody's request while it is held or
    /// waited for.
    ///
    /// ```no_run
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let permit = client.semaphore("gpu", 4).acquire().await?;
    /// permit.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn semaphore(&self, name: impl Into<String>, permits: u32) -> Semaphore {
        Semaphore::new(self, name.into(), permits)
    }

    /// An election: a lock whose holder leads, and proclaims a value that others can read and follow.
    pub fn election(&self, name: impl Into<String>) -> Election {
        Election::new(self, name.into())
    }

    /// A lock with its holders; none if nobody holds it or waits for it.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn find_lock(&self, name: impl Into<String>) -> Result<Option<LockRecord>> {
        find(&self.core, name.into(), None).await
    }

    /// Locks that are held or waited for, by name: those that start with `prefix` and come after `after`, at most `limit`
    /// of them (500 at a time, also for 0), each with one of its holders.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn list_locks(
        &self,
        prefix: impl Into<String>,
        after: impl Into<String>,
        limit: u32,
    ) -> Result<LocksPage> {
        let list = v1::LockList {
            prefix: prefix.into(),
            after: after.into(),
            limit,
        };
        let answer = query(&self.core, LockQuery::List(list), Duration::ZERO).await?;
        Ok(LocksPage {
            locks: answer.locks.into_iter().map(LockRecord::from).collect(),
            more: answer.more,
        })
    }

    /// Takes a lock away from those who hold it with this token, or (0) from all who hold it; the next in the queue get it.
    /// The reason, 1 to 1,024 bytes, is shown with the lock and logged. Whoever held it learns of it when a fenced write, or
    /// [`renew`](super::LockGuard::renew), is refused.
    ///
    /// # Errors
    ///
    /// What any call may return. A lock that is not held is no error.
    pub async fn force_release(
        &self,
        lock: impl Into<String>,
        token: u64,
        reason: impl Into<String>,
    ) -> Result<ForceReleased> {
        let reply = self.txn().then(LockOp::force_release(lock, token, reason)).await?;
        match only(reply.results)? {
            OpReply::Lock(LockOpReply::ForceReleased { holds, more }) => Ok(ForceReleased {
                holds,
                more,
                revision: reply.revision,
            }),
            other => Err(not_expected("force_release", &other)),
        }
    }
}

/// A lock; with a revision at which it was seen, once it has changed since or this time is over.
pub(super) async fn find(core: &Core, name: String, changed: Option<(u64, Duration)>) -> Result<Option<LockRecord>> {
    let get = v1::LockGet {
        name,
        known_revision: changed.map(|(known, _)| known),
    };
    let wait = changed.map_or(Duration::ZERO, |(_, wait)| wait);
    let answer = query(core, LockQuery::Get(get), wait).await?;
    Ok(answer.locks.into_iter().next().map(LockRecord::from))
}

/// Asks the leader, whose answer is the newest there is, to answer within `wait` and the time of a call.
pub(super) async fn query(core: &Core, query: LockQuery, wait: Duration) -> Result<v1::LockAnswer> {
    let request = Request::Query(v1::QueryRequest {
        query: Some(Query::Lock(v1::LockQuery { query: Some(query) })),
        wait_ms: whole_ms(wait),
        ..Default::default()
    });
    match core
        .read(request, Route::Leader, Some(core.call_timeout + wait))
        .await?
    {
        Response::Query(v1::QueryResponse {
            answer: Some(Answer::Lock(answer)),
            ..
        }) => Ok(answer),
        other => Err(unexpected("Query", &other)),
    }
}
