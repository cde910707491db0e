//! Calls about single leases.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::lease_operation::Operation as LeaseOperation;
use quorate_proto::v1::lease_query::Query as LeaseQuery;
use quorate_proto::v1::query_request::Query;
use quorate_proto::v1::query_response::Answer;
use quorate_proto::v1::reply::Response;

use super::op::{LeaseOp, LeaseOpReply};
use super::session::OpenSession;
use crate::call::Nature;
use crate::client::Client;
use crate::consistency::whole_ms;
use crate::core::unexpected;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::routing::Route;
use crate::txn::OpReply;

/// Leases that one call renews.
pub(super) const KEEP_ALIVE_MAX: usize = 10_000;

impl Client {
    /// Opens a session: a lease with this time to live, from 500 ms to a day, which this process renews until the session is
    /// dropped. Await the builder.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let session = client.session(Duration::from_secs(10)).name("worker-1").await?;
    /// // This key goes when the process does.
    /// client.put("workers/1/address", "10.0.0.7:80").lease(session.id()).await?;
    /// tokio::select! {
    ///     loss = session.lost() => println!("the session is lost: {loss}"),
    ///     () = tokio::time::sleep(Duration::from_secs(60)) => session.end().await?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(&self, ttl: Duration) -> OpenSession<'_> {
        OpenSession::new(self, ttl)
    }

    /// Grants a lease that nobody renews unless you do; see [`Client::session`] for one that is renewed. Await the builder.
    pub fn grant_lease(&self, ttl: Duration) -> GrantLease<'_> {
        GrantLease {
            client: self,
            request: v1::LeaseGrant {
                lease: 0,
                ttl_ms: whole_ms(ttl),
                name: String::new(),
            },
        }
    }

    /// Ends a lease and everything attached to it, at one revision. Returns how many things went with it.
    ///
    /// # Errors
    ///
    /// [`UnknownLease`](ErrorKind::UnknownLease) if it does not live, and what any call may return.
    pub async fn revoke_lease(&self, lease: u64) -> Result<u64> {
        match only(self.txn().then(LeaseOp::revoke(lease)).await?.results)? {
            OpReply::Lease(LeaseOpReply::Revoked { attached }) => Ok(attached),
            other => Err(not_expected("revoke", &other)),
        }
    }

    /// Renews leases, at most 10,000. Answers for each how long it lives from the moment of the call, and none for those
    /// that do not live.
    ///
    /// # Errors
    ///
    /// What any call may return. The leases may live on nevertheless: ask again.
    pub async fn keep_alive(&self, leases: &[u64]) -> Result<Vec<Option<Duration>>> {
        if leases.len() > KEEP_ALIVE_MAX {
            let (limit, value) = (KEEP_ALIVE_MAX as u64, leases.len() as u64);
            let field = "leases".to_owned();
            let message = format!("{value} leases in one call; the limit is {limit}");
            let kind = ErrorKind::TooLarge { field, limit, value };
            return Err(Error::new(kind, Outcome::NotAMutation, message));
        }
        let request = Request::KeepAlive(v1::KeepAliveRequest {
            leases: leases.to_vec(),
        });
        match self.core.call(request, Nature::Read, Route::Leader, None).await? {
            Response::KeepAlive(response) => Ok(response.ttl_ms.into_iter().map(lifetime).collect()),
            other => Err(unexpected("KeepAlive", &other)),
        }
    }

    /// A lease with the keys attached to it; none if it does not live.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn lease(&self, lease: u64) -> Result<Option<LeaseRecord>> {
        let query = LeaseQuery::Get(v1::LeaseGet { lease, keys: true });
        Ok(self.query_leases(query).await?.leases.pop().map(LeaseRecord::from))
    }

    /// Leases that live, by id: those after `after`, at most `limit` of them (1,000 at a time).
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn leases(&self, after: u64, limit: u32) -> Result<Vec<LeaseRecord>> {
        let query = LeaseQuery::List(v1::LeaseList { after, limit });
        let answer = self.query_leases(query).await?;
        Ok(answer.leases.into_iter().map(LeaseRecord::from).collect())
    }

    async fn query_leases(&self, query: LeaseQuery) -> Result<v1::LeaseAnswer> {
        // The leader alone knows how long a lease still lives.
        let request = Request::Query(v1::QueryRequest {
            query: Some(Query::Lease(v1::LeaseQuery { query: Some(query) })),
            ..Default::default()
        });
        match self.core.read(request, Route::Leader, None).await? {
            Response::Query(v1::QueryResponse {
                answer: Some(Answer::Lease(answer)),
                ..
            }) => Ok(answer),
            other => Err(unexpected("Query", &other)),
        }
    }
}

/// A lease to be granted.
#[must_use = "a call is made when it is awaited"]
pub struct GrantLease<'a> {
    client: &'a Client,
    request: v1::LeaseGrant,
}

/// A lease that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseGranted {
    /// Its id.
    pub lease: u64,
    /// Its time to live without a renewal.
    pub ttl: Duration,
    /// The revision of the grant.
    pub revision: u64,
}

impl GrantLease<'_> {
    /// What people are shown, at most 128 bytes. Default: empty.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.request.name = name.into();
        self
    }

    /// The lease's id. Default, and for 0: the store chooses.
    pub fn id(mut self, lease: u64) -> Self {
        self.request.lease = lease;
        self
    }

    async fn send(self) -> Result<LeaseGranted> {
        let operation = LeaseOp::of(LeaseOperation::Grant(self.request));
        let reply = self.client.txn().then(operation).await?;
        match only(reply.results)? {
            OpReply::Lease(LeaseOpReply::Granted { lease, ttl }) => Ok(LeaseGranted {
                lease,
                ttl,
                revision: reply.revision,
            }),
            other => Err(not_expected("grant", &other)),
        }
    }
}

impl<'a> IntoFuture for GrantLease<'a> {
    type Output = Result<LeaseGranted>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What the store knows of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRecord {
    /// Its id.
    pub lease: u64,
    /// For people.
    pub name: String,
    /// Its time to live without a renewal.
    pub ttl: Duration,
    /// How long it lives without one from now on, if the member that answered leads.
    pub remaining: Option<Duration>,
    /// Keys, acquisitions, receipts and registrations attached to it.
    pub attached: u64,
    /// Revision of the grant.
    pub granted_revision: u64,
    /// Domain and key of the keys attached to it, where they were asked for.
    pub keys: Vec<(String, Bytes)>,
}

impl From<v1::Lease> for LeaseRecord {
    fn from(lease: v1::Lease) -> Self {
        Self {
            lease: lease.lease,
            name: lease.name,
            ttl: Duration::from_millis(lease.ttl_ms),
            remaining: lease.remaining_ms.map(Duration::from_millis),
            attached: lease.attached,
            granted_revision: lease.granted_revision,
            keys: lease.keys.into_iter().map(|key| (key.domain, key.key)).collect(),
        }
    }
}

pub(super) fn lifetime(ttl_ms: u64) -> Option<Duration> {
    (ttl_ms != 0).then(|| Duration::from_millis(ttl_ms))
}

/// The reply of a transaction's only operation.
pub(crate) fn only(mut results: Vec<OpReply>) -> Result<OpReply> {
    match (results.pop(), results.is_empty()) {
        (Some(result), true) => Ok(result),
        _ => {
            let message = "a transaction of one operation came back with another number of results";
            Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message))
        }
    }
}

/// An operation was answered as another one.
pub(crate) fn not_expected(operation: &str, reply: &impl std::fmt::Debug) -> Error {
    let message = format!("{operation} was answered with {reply:?}");
    Error::new(ErrorKind::Protocol, Outcome::Unknown, message)
}
