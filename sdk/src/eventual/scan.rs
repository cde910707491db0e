//! Reading the keys that match, page by page.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::eventual_reply::Response;
use quorate_proto::v1::eventual_scan_request::Keys as WireKeys;
use quorate_proto::v1::key_selector::Kind;

use super::call::{call, unexpected};
use super::value::{EventualEntry, EventualType, age_of};
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::record::{IntoBytes, Keys};
use crate::wire::EventualRequest as Request;

/// A read of the keys of one type that match. There is no order between pages; a key that lives all through them is in one
/// of them.
#[derive(Clone)]
#[must_use = "a call is made when it is awaited"]
pub struct EventualScan {
    core: Arc<Core>,
    request: Result<v1::EventualScanRequest>,
    timeout: Option<Duration>,
}

/// A page of an [`EventualScan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualPage {
    /// What matches.
    pub entries: Vec<EventualEntry>,
    /// Where the next page begins; absent: there is none.
    pub next: Option<Bytes>,
    /// As [`EventualGetReply::age`](super::EventualGetReply::age).
    pub age: Option<Duration>,
    /// Id of the member that answered.
    pub member: u64,
}

impl EventualScan {
    pub(super) fn new(core: &Arc<Core>, domain: &str, keys: Keys) -> Self {
        let keys = match keys.into_selector().kind {
            Some(Kind::Prefix(prefix)) => Ok(WireKeys::Prefix(prefix)),
            Some(Kind::Pattern(pattern)) => Ok(WireKeys::Pattern(pattern)),
            _ => {
                let message = "the eventual tier scans a prefix or a pattern; read single keys with `get_many`";
                Err(Error::invalid("keys", message).with_outcome(Outcome::NotAMutation))
            }
        };
        let request = keys.map(|keys| v1::EventualScanRequest {
            domain: domain.to_owned(),
            keys: Some(keys),
            ..Default::default()
        });
        Self {
            core: Arc::clone(core),
            request,
            timeout: None,
        }
    }

    fn set(mut self, change: impl FnOnce(&mut v1::EventualScanRequest)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }

    /// What the keys stand for. Default: [`EventualType::Register`].
    pub fn of(self, entry_type: EventualType) -> Self {
        self.set(|request| request.set_type(entry_type.to_wire()))
    }

    /// Entries of a page at most. Default, and for zero: the member's limit.
    pub fn limit(self, limit: u32) -> Self {
        self.set(|request| request.limit = limit)
    }

    /// Goes on where a page ended. Default: from the beginning.
    pub fn after(self, next: impl IntoBytes) -> Self {
        self.set(|request| request.cursor = next.into_bytes())
    }

    /// Leaves out what is kept under the keys. Default: it is not left out.
    pub fn keys_only(self) -> Self {
        self.set(|request| request.keys_only = true)
    }

    /// As [`EventualGet::max_age`](super::EventualGet::max_age).
    pub fn max_age(self, age: Duration) -> Self {
        self.set(|request| request.options.get_or_insert_default().max_age_ms = whole_ms(age))
    }

    /// How long the call of one page may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Every page, until there is nothing more or `entries_max` entries are together.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if more match, and what any read may return.
    pub async fn all(self, entries_max: usize) -> Result<Vec<EventualEntry>> {
        let mut entries = Vec::new();
        let mut scan = self;
        loop {
            let page = scan.clone().await?;
            entries.extend(page.entries);
            if entries.len() > entries_max {
                let (limit, value) = (entries_max as u64, entries.len() as u64);
                let field = "entries_max".to_owned();
                let kind = ErrorKind::TooLarge { field, limit, value };
                let message = format!("more than {entries_max} entries match");
                return Err(Error::new(kind, Outcome::NotAMutation, message));
            }
            match page.next {
                Some(next) => scan = scan.after(next),
                None => return Ok(entries),
            }
        }
    }

    async fn send(self) -> Result<EventualPage> {
        let answered = call(&self.core, Request::Scan(self.request?), self.timeout).await?;
        match answered.response {
            Response::Scan(response) => Ok(EventualPage {
                entries: response.entries.into_iter().map(EventualEntry::from).collect(),
                next: (!response.cursor.is_empty()).then_some(response.cursor),
                age: age_of(response.age_ms),
                member: response.header.unwrap_or_default().member_id,
            }),
            other => Err(unexpected("Scan", &other).with_outcome(Outcome::NotAMutation)),
        }
    }
}

impl IntoFuture for EventualScan {
    type Output = Result<EventualPage>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
