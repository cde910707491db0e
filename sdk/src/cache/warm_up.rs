//! Filling a cache before it is asked.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::key_selector::Kind;
use quorate_proto::v1::reply::Response;
use tokio::time::Instant;

use super::handle::Cache;
use super::settings::Coherence;
use crate::consistency::Consistency;
use crate::core::Core;
use crate::error::Result;
use crate::kv::unexpected_read;
use crate::record::{Keys, Record};
use crate::routing::Route;

/// Reads under way at once.
const READS_MAX: usize = 16;
/// Records of one page.
const PAGE_RECORDS: u64 = 512;

/// A warm-up. Keys are read one by one, 16 at a time; prefixes, intervals and patterns page by page, until the cache has been
/// given as many records as it may hold.
#[must_use = "nothing is read until it is awaited"]
pub struct WarmUp {
    cache: Cache,
    keys: Vec<Keys>,
    domain: String,
    timeout: Option<Duration>,
}

/// What a [`WarmUp`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmedUp {
    /// Keys that were read, those that do not exist included.
    pub read: u64,
    /// There was more than the cache may hold.
    pub is_full: bool,
    /// Everything that was read is held and kept true by now, as far as there is room.
    pub is_settled: bool,
}

impl WarmUp {
    pub(super) fn new(cache: &Cache, keys: Vec<Keys>) -> Self {
        Self {
            cache: cache.clone(),
            keys,
            domain: String::new(),
            timeout: None,
        }
    }

    /// The domain. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// How long a member may take to serve the cache, then each read, and then how long the member may take to keep what was read
    /// true, from 1 ms to a day.
    /// Default: the call time-out of the client.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn run(self) -> Result<WarmedUp> {
        let core = self.cache.core()?;
        let patience = self.timeout.unwrap_or(core.call_timeout);
        self.served(patience).await;
        let room = self.cache.shared.settings.entries_max;
        let mut warmed = WarmedUp::default();
        let (mut keys, mut ranges) = (Vec::new(), Vec::new());
        for wanted in &self.keys {
            let selector = wanted.clone().into_selector();
            match selector.kind {
                Some(Kind::Key(key)) if (keys.len() as u64) < room => keys.push(key),
                Some(Kind::Key(_)) => warmed.is_full = true,
                _ => ranges.push(selector),
            }
        }
        warmed.read = keys.len() as u64;
        let reads = keys.into_iter().map(|key| self.read_key(&core, key));
        futures::stream::iter(reads)
            .buffer_unordered(READS_MAX)
            .try_collect::<Vec<()>>()
            .await?;
        for selector in ranges {
            self.read_range(&core, selector, room, &mut warmed).await?;
        }
        warmed.is_settled = self.settled(patience).await;
        Ok(warmed)
    }

    async fn read_key(&self, core: &Core, key: Bytes) -> Result<()> {
        let fill = self.cache.shared.begin_fill();
        let request = v1::GetRequest {
            domain: self.domain.clone(),
            key: key.clone(),
            read: Some(Consistency::Local.read_options(core.seen_revision())),
            ..Default::default()
        };
        match core.read(Request::Get(request), Route::Any, self.timeout).await? {
            Response::Get(response) => {
                let header = response.header.unwrap_or_default();
                let record = response.record.map(Record::from);
                let age = response.staleness_ms;
                self.cache
                    .shared
                    .fill(fill, &self.domain, &key, &header, age, record.as_ref());
                Ok(())
            }
            other => Err(unexpected_read("Get", &other)),
        }
    }

    async fn read_range(&self, core: &Core, selector: v1::KeySelector, room: u64, warmed: &mut WarmedUp) -> Result<()> {
        let mut request = v1::RangeRequest {
            domain: self.domain.clone(),
            keys: Some(selector),
            read: Some(Consistency::Local.read_options(core.seen_revision())),
            ..Default::default()
        };
        let mut first = None;
        loop {
            let left = room.saturating_sub(warmed.read);
            if left == 0 {
                warmed.is_full = true;
                return Ok(());
            }
            request.limit = left.min(PAGE_RECORDS);
            let shared = &self.cache.shared;
            let fill = first.map_or_else(|| shared.begin_fill(), |(first, _)| shared.begin_page(first));
            let answered = core.read(Request::Range(request.clone()), Route::Any, self.timeout);
            let page = match answered.await? {
                Response::Range(page) => page,
                other => return Err(unexpected_read("Range", &other)),
            };
            let mut header = page.header.unwrap_or_default();
            if request.revision == 0 {
                request.revision = header.revision;
            }
            // Every page is of the revision of the first, and as old.
            header.revision = request.revision;
            let (_, age) = *first.get_or_insert((fill, page.staleness_ms));
            warmed.read += page.records.len() as u64;
            let is_empty = page.records.is_empty();
            for record in page.records {
                let record = Record::from(record);
                let key = record.key.clone();
                shared.fill(fill, &self.domain, &key, &header, age, Some(&record));
            }
            if !page.more || page.next_page.is_empty() || is_empty {
                return Ok(());
            }
            request.after = page.next_page;
        }
    }

    fn coherence(&self) -> Coherence {
        let domain = super::key::domain_or_default(&self.domain);
        self.cache.shared.settings.coherence_in(domain)
    }

    /// Waits until a member serves the watch: what is read before that is not kept.
    async fn served(&self, timeout: Duration) {
        let Some(lane) = self.cache.shared.lane(self.coherence()) else {
            return;
        };
        let deadline = Instant::now() + timeout;
        loop {
            let served = lane.quiet.notified();
            let mut served = std::pin::pin!(served);
            served.as_mut().enable();
            let is_over = lane.is_served() || self.cache.shared.is_closed();
            if is_over || tokio::time::timeout_at(deadline, served).await.is_err() {
                return;
            }
        }
    }

    /// Waits until nothing is under way.
    async fn settled(&self, timeout: Duration) -> bool {
        let coherence = self.coherence();
        let Some(lane) = self.cache.shared.lane(coherence) else {
            return coherence == Coherence::Relaxed;
        };
        let deadline = Instant::now() + timeout;
        loop {
            let quiet = lane.quiet.notified();
            let mut quiet = std::pin::pin!(quiet);
            quiet.as_mut().enable();
            if !lane.is_served() {
                return false;
            }
            if lane.writer.lock().holds.is_quiet() {
                return lane.proof.is_kept();
            }
            if tokio::time::timeout_at(deadline, quiet).await.is_err() {
                return false;
            }
        }
    }
}

impl IntoFuture for WarmUp {
    type Output = Result<WarmedUp>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
