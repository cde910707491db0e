//! Reading, writing and deleting keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;

use crate::cache::{Shared, cached_bound, level_served};
use crate::consistency::{Consistency, Source, staleness_of, whole_ms};
use crate::core::{Core, unexpected};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::{Told, answers_with_a_token, delete_at_level, get_at_level, put_at_level};
use crate::record::{Keys, Record};
use crate::routing::Route;

/// A bounded staleness of nothing is not a promise that a member can keep.
pub(crate) fn read_options(core: &Core, consistency: Option<Consistency>) -> Result<v1::ReadOptions> {
    let Some(consistency) = consistency else {
        // The domain says what the read promises; it may be a local one, which must not fall behind what was seen.
        return Ok(v1::ReadOptions {
            min_revision: core.seen_revision(),
            ..Default::default()
        });
    };
    if consistency == Consistency::BoundedStale(Duration::ZERO) {
        let message = "a staleness bound of 0 is refused: ask for at least 1 ms, or for a strong read";
        return Err(Error::invalid("consistency", message).with_outcome(Outcome::NotAMutation));
    }
    if consistency == Consistency::Eventual {
        let message = "consistency: the eventual tier reads single keys at this level; see `Client::eventual` for more";
        return Err(Error::new(ErrorKind::TierMismatch, Outcome::NotAMutation, message));
    }
    Ok(consistency.read_options(core.seen_revision()))
}

/// Strong reads go to the leader, which answers them with the fewest messages; so do those of which only the domain says
/// what they promise.
pub(crate) fn route_of(consistency: Option<Consistency>) -> Route {
    match consistency {
        None | Some(Consistency::Strong) => Route::Leader,
        Some(Consistency::BoundedStale(_) | Consistency::Local | Consistency::Eventual) => Route::Any,
    }
}

/// Whether a mutation goes to the eventual tier.
fn is_eventual(consistency: Consistency) -> Result<bool> {
    match consistency {
        Consistency::Strong => Ok(false),
        Consistency::Eventual => Ok(true),
        Consistency::BoundedStale(_) | Consistency::Local => {
            let message = "a write is strong or eventual: how old an answer may be is a matter of reads";
            Err(Error::invalid("consistency", message))
        }
    }
}

/// A reply that does not fit a read says nothing about outcomes.
pub(crate) fn unexpected_read(call: &str, response: &Response) -> Error {
    unexpected(call, response).with_outcome(Outcome::NotAMutation)
}

/// A read of one key.
#[must_use = "a call is made when it is awaited"]
pub struct Get<'a> {
    core: &'a Arc<Core>,
    request: v1::GetRequest,
    /// None: what the domain says.
    consistency: Option<Consistency>,
    timeout: Option<Duration>,
}

/// The answer of a [`Get`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetReply {
    /// The record; absent when the key does not exist.
    pub record: Option<Record>,
    /// The revision of the store that the answer reflects; 0 for an eventual read. The record of such a one has no
    /// revisions and no version either: they are 0, and it expires by the clock, in milliseconds since 1970.
    pub revision: u64,
    /// How old the answer may be when it is given; zero for a strong read. [`Duration::MAX`] if that cannot be told, of a local or
    /// an eventual one. The bound of a bounded read counts from its beginning: after a call that took long this may be more,
    /// by as much as the call took.
    pub staleness: Duration,
    /// Id of the member that answered, or that told the cache.
    pub member: u64,
    /// Who answered.
    pub source: Source,
    /// What the answer promises: the level that was asked for, or that of the domain. Of a domain whose reads are
    /// [`BoundedStale`](Consistency::BoundedStale), the bound that this answer keeps to.
    pub level: Consistency,
    pub(crate) told: Told,
}

impl<'a> Get<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, key: Bytes) -> Self {
        let request = v1::GetRequest {
            key,
            ..Default::default()
        };
        Self {
            core,
            request,
            consistency: None,
            timeout: None,
        }
    }

    /// The domain of the key. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.request.domain = domain.into();
        self
    }

    /// What the read promises. Default: what the domain says, which is [`Consistency::Strong`] unless it was made or changed
    /// to say something else. With [`Consistency::Eventual`] it reads the eventual tier, there the domain
    /// `default-eventual` by default, and [`at_revision`](Self::at_revision) is refused with
    /// [`ErrorKind::TierMismatch`].
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = Some(consistency);
        self
    }

    /// Reads the key as it was at this revision. Default: the current one.
    pub fn at_revision(mut self, revision: u64) -> Self {
        self.request.revision = revision;
        self
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Looks into the cache of the client and nowhere else, at once. `None`: the cache does not have it, or cannot prove that
    /// it is as fresh as the level says, which is [`Consistency::Local`] by default here. That the key does not exist is an
    /// answer: a reply without a record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] if the client has no cache, or if none can answer such a read: a strong or eventual one,
    /// or one of an older revision.
    pub fn local_only(self) -> Result<Option<GetReply>> {
        let refuse = |field: &str, message: &str| {
            let error = Error::invalid(field, message.to_owned());
            Err(error.with_outcome(Outcome::NotAMutation))
        };
        let level = self.consistency.unwrap_or(Consistency::Local);
        if cached_bound(level).is_none() {
            return refuse(
                "consistency",
                "no cache answers strong or eventual reads: ask for BoundedStale or Local",
            );
        }
        if self.request.revision != 0 {
            return refuse("at_revision", "a cache has the current records only");
        }
        read_options(self.core, Some(level))?;
        match self.core.cache() {
            Some(cache) => Ok(cache.answer(&self.request.domain, &self.request.key, level)),
            None => refuse("cache", "this client has no cache: see ClientBuilder::cache"),
        }
    }

    async fn send(mut self) -> Result<GetReply> {
        if self.consistency == Some(Consistency::Eventual) {
            return get_at_level(self.core, self.request, self.timeout).await;
        }
        self.request.read = Some(read_options(self.core, self.consistency)?);
        let cacheable = self.request.revision == 0 && self.consistency.and_then(cached_bound).is_some();
        match self.core.cache().filter(|_| cacheable) {
            Some(cache) => self.send_through(cache).await,
            None => Ok(self.ask().await?.0),
        }
    }

    async fn send_through(self, cache: &Shared) -> Result<GetReply> {
        let level = self.consistency.unwrap_or_default();
        if let Some(reply) = cache.answer(&self.request.domain, &self.request.key, level) {
            return Ok(reply);
        }
        let (domain, key) = (self.request.domain.clone(), self.request.key.clone());
        let fill = cache.begin_fill();
        let (reply, header) = self.ask().await?;
        cache.fill(
            fill,
            &domain,
            &key,
            &header,
            whole_ms(reply.staleness),
            reply.record.as_ref(),
        );
        Ok(reply)
    }

    /// Asks a member.
    async fn ask(self) -> Result<(GetReply, v1::ResponseHeader)> {
        let route = route_of(self.consistency);
        match self.core.read(Request::Get(self.request), route, self.timeout).await? {
            Response::Get(response) => {
                let header = response.header.unwrap_or_default();
                let staleness = staleness_of(response.staleness_ms);
                let reply = GetReply {
                    level: level_served(self.consistency, response.level(), staleness),
                    source: Source::of(response.led),
                    record: response.record.map(Record::from),
                    revision: header.revision,
                    staleness,
                    member: header.member_id,
                    told: Told::of(&header),
                };
                Ok((reply, header))
            }
            other => Err(unexpected_read("Get", &other)),
        }
    }
}

impl<'a> IntoFuture for Get<'a> {
    type Output = Result<GetReply>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A write of one key.
#[must_use = "a call is made when it is awaited"]
pub struct Put<'a> {
    core: &'a Arc<Core>,
    /// An error if the value could not be made.
    request: Result<v1::PutRequest>,
    consistency: Consistency,
    timeout: Option<Duration>,
}

/// The answer of a [`Put`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReply {
    /// The revision of the write; 0 for an eventual one.
    pub revision: u64,
    /// The record that was replaced, if [`Put::previous`] asked for it and there was one.
    pub previous: Option<Record>,
    pub(crate) told: Told,
}

impl<'a> Put<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, key: Bytes, value: Bytes) -> Self {
        Self {
            core,
            request: Ok(v1::PutRequest {
                key,
                value,
                ..Default::default()
            }),
            consistency: Consistency::Strong,
            timeout: None,
        }
    }

    pub(crate) fn refused(core: &'a Arc<Core>, error: Error) -> Self {
        Self {
            core,
            request: Err(error),
            consistency: Consistency::Strong,
            timeout: None,
        }
    }

    fn set(mut self, change: impl FnOnce(&mut v1::PutRequest)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }

    /// The domain of the key. Default: `default`.
    pub fn domain(self, domain: impl Into<String>) -> Self {
        self.set(|request| request.domain = domain.into())
    }

    /// How long the key lives, in log time, rounded up to milliseconds. Default: for ever, which zero stands for too.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set(|request| request.ttl_ms = whole_ms(ttl))
    }

    /// The lease whose life the key shares. Default: none.
    pub fn lease(self, lease: u64) -> Self {
        self.set(|request| request.lease = lease)
    }

    /// Tags, at most 16 of at most 128 bytes. Default: none.
    pub fn tags<T: Into<String>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        self.set(|request| request.tags = tags.into_iter().map(Into::into).collect())
    }

    /// Which tier it is written to. Default: [`Consistency::Strong`]. With [`Consistency::Eventual`] the eventual one, there
    /// the domain `default-eventual` by default; a lease, tags and [`previous`](Self::previous) are refused with
    /// [`ErrorKind::TierMismatch`] then. The others are refused: they are for reads.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Returns the record that was replaced. Default: it is not returned.
    pub fn previous(self) -> Self {
        self.set(|request| request.previous = true)
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(self) -> Result<PutReply> {
        if is_eventual(self.consistency)? {
            return put_at_level(self.core, self.request?, self.timeout).await;
        }
        match self.core.mutate(Request::Put(self.request?), self.timeout).await? {
            Response::Put(response) => {
                let header = response.header.unwrap_or_default();
                Ok(PutReply {
                    revision: header.revision,
                    previous: response.previous.map(Record::from),
                    told: Told::of(&header),
                })
            }
            other => Err(unexpected("Put", &other)),
        }
    }
}

impl<'a> IntoFuture for Put<'a> {
    type Output = Result<PutReply>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A deletion of one key or of many.
#[must_use = "a call is made when it is awaited"]
pub struct Delete<'a> {
    core: &'a Arc<Core>,
    request: v1::DeleteRequest,
    consistency: Consistency,
    timeout: Option<Duration>,
}

/// The answer of a [`Delete`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteReply {
    /// The revision of the store after it; its own if it deleted anything. 0 for an eventual one.
    pub revision: u64,
    /// How many keys went.
    pub deleted: u64,
    /// Their records, if [`Delete::previous`] asked for them.
    pub previous: Vec<Record>,
    pub(crate) told: Told,
}

answers_with_a_token!(GetReply, PutReply, DeleteReply);

impl<'a> Delete<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, keys: Keys) -> Self {
        let request = v1::DeleteRequest {
            keys: Some(keys.into_selector()),
            ..Default::default()
        };
        Self {
            core,
            request,
            consistency: Consistency::Strong,
            timeout: None,
        }
    }

    /// The domain of the keys. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.request.domain = domain.into();
        self
    }

    /// Which tier they are deleted from. Default: [`Consistency::Strong`]. With [`Consistency::Eventual`] the eventual one,
    /// there the domain `default-eventual` by default; more than one key, and [`previous`](Self::previous), are refused with
    /// [`ErrorKind::TierMismatch`] then. The others are refused: they are for reads.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Returns the records that were deleted. Default: they are not returned.
    pub fn previous(mut self) -> Self {
        self.request.previous = true;
        self
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(self) -> Result<DeleteReply> {
        if is_eventual(self.consistency)? {
            return delete_at_level(self.core, self.request, self.timeout).await;
        }
        match self.core.mutate(Request::Delete(self.request), self.timeout).await? {
            Response::Delete(response) => {
                let header = response.header.unwrap_or_default();
                Ok(DeleteReply {
                    revision: header.revision,
                    deleted: response.deleted,
                    previous: response.previous.into_iter().map(Record::from).collect(),
                    told: Told::of(&header),
                })
            }
            other => Err(unexpected("Delete", &other)),
        }
    }
}

impl<'a> IntoFuture for Delete<'a> {
    type Output = Result<DeleteReply>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
