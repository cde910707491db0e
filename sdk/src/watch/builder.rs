//! How a watch is opened.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use prost::Message;
use quorate_proto::v1;

use super::selector::Watched;
use super::stream::Watch;
use super::subscription::{Asked, Subscription};
use crate::builder::{check_timeout, within};
use crate::call::Nature;
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::pipeline::REQUEST_BYTES_MAX;

/// Selectors of one watch.
const SELECTORS_MAX: u64 = 64;
/// What an id and a start add to a request, at most.
const ENVELOPE_BYTES: usize = 64;
/// Marks do not come more often than that.
const MARKS_MIN_MS: u64 = 100;
const MARKS_MAX_MS: u64 = 86_400_000;
/// Revisions that a buffer may be made to hold.
const BUFFER_REVISIONS_MAX: u64 = 1 << 20;

/// A watch to be opened. Awaiting it returns a [`Watch`] as soon as a member serves it.
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`] for a setting out of its range; what [`Watch::next`] may return, if it is known by then;
/// [`ErrorKind::DeadlineExceeded`] when no member serves it within its time-out, except that a watch from a revision that
/// is still to come is there when a member was asked for it.
#[must_use = "a watch is opened when it is awaited"]
pub struct OpenWatch {
    core: Arc<Core>,
    selectors: Vec<Watched>,
    domain: String,
    from: Option<u64>,
    puts_only: bool,
    deletes_only: bool,
    previous: bool,
    keys_only: bool,
    marks: Option<Duration>,
    buffer: u64,
    fail_when_lagging: bool,
    timeout: Option<Duration>,
}

impl OpenWatch {
    pub(crate) fn new(core: Arc<Core>, what: Watched) -> Self {
        Self {
            core,
            selectors: vec![what],
            domain: String::new(),
            from: None,
            puts_only: false,
            deletes_only: false,
            previous: false,
            keys_only: false,
            marks: None,
            buffer: 1_024,
            fail_when_lagging: false,
            timeout: None,
        }
    }

    /// Something else that is watched, up to 64 in all. A change that several of them select comes once.
    pub fn and(mut self, what: impl Into<Watched>) -> Self {
        self.selectors.push(what.into());
        self
    }

    /// The domain of keys that are given without one. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// What is written after the watch is there, and nothing that was written before it was asked for. The default.
    pub fn now(mut self) -> Self {
        self.from = None;
        self
    }

    /// Everything from this revision on, which is at least 1. A revision that is still to come is waited for; one that is no
    /// longer kept is [`Compacted`](ErrorKind::Compacted).
    pub fn from(mut self, revision: u64) -> Self {
        self.from = Some(revision);
        self
    }

    /// Of keys, only what writes them. It concerns nothing but keys. Default: everything.
    pub fn puts_only(mut self) -> Self {
        self.puts_only = true;
        self
    }

    /// Of keys, only what takes them away: deletes and expiries. It concerns nothing but keys. Default: everything.
    pub fn deletes_only(mut self) -> Self {
        self.deletes_only = true;
        self
    }

    /// With each change of a key the record before it. Default: false.
    pub fn previous(mut self, previous: bool) -> Self {
        self.previous = previous;
        self
    }

    /// Records without their values. Default: false.
    pub fn keys_only(mut self, keys_only: bool) -> Self {
        self.keys_only = keys_only;
        self
    }

    /// Yields [`WatchItem::Mark`](crate::WatchItem::Mark) this often, from 100 ms to a day, while a member serves the watch:
    /// how far it is when nothing happens. One is left out while much waits to be read. Default: none.
    pub fn marks(mut self, interval: Duration) -> Self {
        self.marks = Some(interval);
        self
    }

    /// How many revisions may wait to be taken, 1 to 1,048,576, and never more than some 8 MiB of them. When there are as
    /// many, no more are fetched until half of them have been taken. Default: 1,024.
    pub fn buffer(mut self, revisions: u64) -> Self {
        self.buffer = revisions;
        self
    }

    /// Ends with [`ErrorKind::Lagged`], which says where to resume, when the buffer is full. Default: it waits, and goes on
    /// where it was.
    pub fn fail_when_lagging(mut self) -> Self {
        self.fail_when_lagging = true;
        self
    }

    /// How long opening it may take, from 1 ms to a day. Default: the client's call time-out.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn open(self) -> Result<Watch> {
        self.check()
            .map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        let _running = self.core.begin(Nature::Read)?;
        let timeout = self.timeout.unwrap_or(self.core.call_timeout);
        let asked = Asked {
            create: self.create()?,
            buffer_revisions: usize::try_from(self.buffer).unwrap_or(usize::MAX),
            fail_when_lagging: self.fail_when_lagging,
        };
        let watch = Watch::new(Arc::clone(&self.core), Subscription::new(asked, self.from));
        let opened = tokio::time::timeout(timeout, watch.subscription().opened()).await;
        match opened {
            Ok(opened) => opened.map(|()| {
                watch.observe();
                watch
            }),
            // The member has been asked and waits for the revision: so may the caller.
            Err(_elapsed) if self.from.is_some() && watch.subscription().is_asked() => Ok(watch),
            Err(_elapsed) => Err(not_opened(timeout, watch.trouble())),
        }
    }

    /// The request, without an id and without a start.
    fn create(&self) -> Result<v1::WatchCreate> {
        let selectors = self.selectors.iter().cloned();
        let create = v1::WatchCreate {
            watch_id: 0,
            selectors: selectors.map(|watched| watched.into_wire(&self.domain)).collect(),
            start: None,
            no_puts: self.deletes_only,
            no_deletes: self.puts_only,
            previous: self.previous,
            keys_only: self.keys_only,
            mark_interval_ms: self.marks.map_or(0, whole_ms),
            latest: false,
            cache: None,
        };
        // A member ends the whole stream over a request that is too large.
        let bytes = create.encoded_len();
        if bytes + ENVELOPE_BYTES > REQUEST_BYTES_MAX {
            let (limit, value) = (REQUEST_BYTES_MAX as u64, bytes as u64);
            let field = "selectors".to_owned();
            let kind = ErrorKind::TooLarge { field, limit, value };
            let message = format!("the selectors are {value} bytes; the limit is {limit}");
            return Err(Error::new(kind, Outcome::NotAMutation, message));
        }
        Ok(create)
    }

    fn check(&self) -> Result<()> {
        if self.from == Some(0) {
            let message = "there is no revision 0: watch from 1 for everything that is kept, or from now on";
            return Err(Error::invalid("from", message));
        }
        if self.puts_only && self.deletes_only {
            let message = "puts only and deletes only leave nothing to watch";
            return Err(Error::invalid("deletes_only", message));
        }
        within("selectors", self.selectors.len() as u64, 1, SELECTORS_MAX)?;
        within("buffer", self.buffer, 1, BUFFER_REVISIONS_MAX)?;
        if let Some(interval) = self.marks {
            within("marks", whole_ms(interval), MARKS_MIN_MS, MARKS_MAX_MS)?;
        }
        match self.timeout {
            Some(timeout) => check_timeout("timeout", timeout),
            None => Ok(()),
        }
    }
}

/// A limit that every member names is the answer; what else went wrong explains why there is none.
fn not_opened(timeout: Duration, trouble: Option<Error>) -> Error {
    match trouble {
        Some(error) if matches!(error.kind(), ErrorKind::LimitReached { .. }) => error,
        trouble => {
            let why = trouble.map_or_else(String::new, |error| format!(": {error}"));
            let message = format!("no member served the watch within {timeout:?}{why}");
            Error::new(ErrorKind::DeadlineExceeded, Outcome::NotAMutation, message)
        }
    }
}

impl IntoFuture for OpenWatch {
    type Output = Result<Watch>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
