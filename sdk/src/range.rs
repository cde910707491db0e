//! Reading many keys, page by page, all pages at one revision.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;

use crate::cache::level_served;
use crate::client::Client;
use crate::consistency::{Consistency, Source, staleness_of};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::{Told, answers_with_a_token};
use crate::kv::{read_options, route_of, unexpected_read};
use crate::record::{Keys, Record};

/// What the records of a range are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SortBy {
    /// The key. The default.
    #[default]
    Key,
    /// The number of writes since the key's creation.
    Version,
    /// The revision of the key's creation.
    CreateRevision,
    /// The revision of the last write.
    ModRevision,
    /// The value.
    Value,
}

/// A read of many keys.
#[must_use = "a call is made when it is awaited"]
pub struct Range<'a> {
    client: &'a Client,
    query: Query,
}

/// Everything a page needs to ask for the next one.
#[derive(Clone, Debug)]
struct Query {
    request: v1::RangeRequest,
    /// None: what the domain says.
    consistency: Option<Consistency>,
    timeout: Option<Duration>,
}

/// A page of a [`Range`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RangePage {
    /// The records of the page.
    pub records: Vec<Record>,
    /// Every record that matches, on this page or not.
    pub count: u64,
    /// There is another page.
    pub more: bool,
    /// The revision of the store that the answer reflects.
    pub revision: u64,
    /// How old the answer may be; zero for a strong read.
    pub staleness: Duration,
    /// Id of the member that answered.
    pub member: u64,
    /// Who answered.
    pub source: Source,
    /// What the answer promises, as [`GetReply::level`](crate::GetReply::level).
    pub level: Consistency,
    told: Told,
    client: Client,
    following: Option<Query>,
}

answers_with_a_token!(RangePage);

impl<'a> Range<'a> {
    pub(crate) fn new(client: &'a Client, keys: Keys) -> Self {
        let request = v1::RangeRequest {
            keys: Some(keys.into_selector()),
            ..Default::default()
        };
        Self {
            client,
            query: Query {
                request,
                consistency: None,
                timeout: None,
            },
        }
    }

    fn set(mut self, change: impl FnOnce(&mut v1::RangeRequest)) -> Self {
        change(&mut self.query.request);
        self
    }

    /// The domain of the keys. Default: `default`.
    pub fn domain(self, domain: impl Into<String>) -> Self {
        self.set(|request| request.domain = domain.into())
    }

    /// What the read promises. Default: what the domain says, which is [`Consistency::Strong`] unless it was made or changed
    /// to say something else.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.query.consistency = Some(consistency);
        self
    }

    /// Reads the keys as they were at this revision. Default: the current one.
    pub fn at_revision(self, revision: u64) -> Self {
        self.set(|request| request.revision = revision)
    }

    /// At most this many records a page. Default, and for 0: the member's limit.
    pub fn limit(self, records: u64) -> Self {
        self.set(|request| request.limit = records)
    }

    /// At most this many bytes of keys and values a page, but at least one record. Default, and for 0: the member's
    /// limit.
    pub fn bytes_max(self, bytes: u64) -> Self {
        self.set(|request| request.bytes_max = bytes)
    }

    /// Leaves the values out. Default: they are returned.
    pub fn keys_only(self) -> Self {
        self.set(|request| request.keys_only = true)
    }

    /// Returns [`RangePage::count`] and no records. Default: records are returned.
    pub fn count_only(self) -> Self {
        self.set(|request| request.count_only = true)
    }

    /// What to sort by. Default: the key. In another order there is only one page.
    pub fn sort_by(self, sort: SortBy) -> Self {
        let target = match sort {
            SortBy::Key => v1::SortTarget::Key,
            SortBy::Version => v1::SortTarget::Version,
            SortBy::CreateRevision => v1::SortTarget::CreateRevision,
            SortBy::ModRevision => v1::SortTarget::ModRevision,
            SortBy::Value => v1::SortTarget::Value,
        };
        self.set(|request| request.set_sort_target(target))
    }

    /// Largest first. Default: smallest first.
    pub fn descending(self) -> Self {
        self.set(|request| request.descending = true)
    }

    /// Only records last written at one of these revisions, both included; 0 is no bound. Default: any.
    pub fn mod_revisions(self, min: u64, max: u64) -> Self {
        self.set(|request| (request.min_mod_revision, request.max_mod_revision) = (min, max))
    }

    /// Only records created at one of these revisions, both included; 0 is no bound. Default: any.
    pub fn create_revisions(self, min: u64, max: u64) -> Self {
        self.set(|request| (request.min_create_revision, request.max_create_revision) = (min, max))
    }

    /// Only records that carry this tag. Default: any.
    pub fn tag(self, tag: impl Into<String>) -> Self {
        self.set(|request| request.tag = tag.into())
    }

    /// How long each page may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.query.timeout = Some(timeout);
        self
    }

    /// Collects the records of every page, at one revision.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] when more than `records_max` match, before more than one page was read.
    pub async fn all(self, records_max: usize) -> Result<Vec<Record>> {
        let mut page = self.await?;
        let (limit, value) = (records_max as u64, page.count);
        if value > limit {
            let kind = ErrorKind::TooLarge {
                field: "records".to_owned(),
                limit,
                value,
            };
            let message = format!("{value} records match; this call collects at most {limit}");
            return Err(Error::new(kind, Outcome::NotAMutation, message));
        }
        let mut records = std::mem::take(&mut page.records);
        while let Some(next) = page.next_page().await? {
            page = next;
            if page.records.is_empty() && page.more {
                let message = "a page without records says that there are more";
                return Err(Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message));
            }
            records.append(&mut page.records);
        }
        Ok(records)
    }
}

impl<'a> IntoFuture for Range<'a> {
    type Output = Result<RangePage>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.query.send(self.client))
    }
}

impl RangePage {
    /// The page after this one, at the same revision; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Compacted`] when the revision was compacted in the meantime, and what any read may return.
    pub async fn next_page(&self) -> Result<Option<RangePage>> {
        match &self.following {
            Some(query) => query.clone().send(&self.client).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Query {
    async fn send(mut self, client: &Client) -> Result<RangePage> {
        self.request.read = Some(read_options(&client.core, self.consistency)?);
        let request = Request::Range(self.request.clone());
        match client
            .core
            .read(request, route_of(self.consistency), self.timeout)
            .await?
        {
            Response::Range(response) => Ok(self.page(client, response)),
            other => Err(unexpected_read("Range", &other)),
        }
    }

    fn page(self, client: &Client, response: v1::RangeResponse) -> RangePage {
        let header = response.header.unwrap_or_default();
        let staleness = staleness_of(response.staleness_ms);
        let level = level_served(self.consistency, response.level(), staleness);
        let has_next = response.more && !response.next_page.is_empty();
        RangePage {
            records: response.records.into_iter().map(Record::from).collect(),
            count: response.count,
            more: response.more,
            revision: header.revision,
            staleness,
            member: header.member_id,
            source: Source::of(response.led),
            level,
            told: Told::of(&header),
            client: client.clone(),
            following: has_next.then(|| self.after(response.next_page, header.revision)),
        }
    }

    fn after(mut self, after: Bytes, revision: u64) -> Self {
        self.request.after = after;
        if self.request.revision == 0 {
            self.request.revision = revision;
        }
        self
    }
}
