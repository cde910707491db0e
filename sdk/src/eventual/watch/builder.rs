//! How a watch of the eventual tier is opened.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use prost::Message;
use quorate_proto::v1;

use super::stream::EventualWatch;
use crate::builder::{check_timeout, within};
use crate::call::Nature;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::pipeline::REQUEST_BYTES_MAX;
use crate::record::Keys;

/// Selectors of one watch.
const SELECTORS_MAX: u64 = 64;
/// What an id and a start add to a request, at most.
const ENVELOPE_BYTES: usize = 64;

/// A watch of the eventual tier to be opened. Awaiting it returns an [`EventualWatch`] as soon as a member serves it.
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`] for a setting out of its range; what [`EventualWatch::next`] may return, if it is known by
/// then; [`ErrorKind::DeadlineExceeded`] when no member serves it within its time-out.
#[must_use = "a watch is opened when it is awaited"]
pub struct OpenEventualWatch {
    core: Arc<Core>,
    domain: String,
    selectors: Vec<Keys>,
    existing: bool,
    puts_only: bool,
    deletes_only: bool,
    keys_only: bool,
    timeout: Option<Duration>,
}

impl OpenEventualWatch {
    pub(crate) fn new(core: &Arc<Core>, domain: &str, keys: Keys) -> Self {
        Self {
            core: Arc::clone(core),
            domain: domain.to_owned(),
            selectors: vec![keys],
            existing: false,
            puts_only: false,
            deletes_only: false,
            keys_only: false,
            timeout: None,
        }
    }

    /// Other keys of the domain that are watched, up to 64 selections in all.
    pub fn and(mut self, keys: impl Into<Keys>) -> Self {
        self.selectors.push(keys.into());
        self
    }

    /// First everything that there is, then [`CaughtUp`](crate::EventualWatchItem::CaughtUp), then what changes. Default:
    /// what changes from now on.
    pub fn existing(mut self) -> Self {
        self.existing = true;
        self
    }

    /// Only keys that are there. Default: everything.
    pub fn puts_only(mut self) -> Self {
        self.puts_only = true;
        self
    }

    /// Only keys that went. Default: everything.
    pub fn deletes_only(mut self) -> Self {
        self.deletes_only = true;
        self
    }

    /// No values. Default: with values.
    pub fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    /// How long opening it may take, from 1 ms to a day. Default: the client's call time-out.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn open(self) -> Result<EventualWatch> {
        let create = self
            .create()
            .map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        let _running = self.core.begin(Nature::Read)?;
        let timeout = self.timeout.unwrap_or(self.core.call_timeout);
        EventualWatch::open(Arc::clone(&self.core), create, self.existing, timeout).await
    }

    /// The request, without an id and without a start.
    fn create(&self) -> Result<v1::WatchCreate> {
        if self.puts_only && self.deletes_only {
            let message = "puts only and deletes only leave nothing to watch";
            return Err(Error::invalid("deletes_only", message));
        }
        within("selectors", self.selectors.len() as u64, 1, SELECTORS_MAX)?;
        if let Some(timeout) = self.timeout {
            check_timeout("timeout", timeout)?;
        }
        let selectors = self.selectors.iter().cloned().map(|keys| v1::WatchSelector {
            space: v1::WatchSpace::Keys.into(),
            domain: self.domain.clone(),
            keys: Some(keys.into_selector()),
        });
        let create = v1::WatchCreate {
            selectors: selectors.collect(),
            no_puts: self.deletes_only,
            no_deletes: self.puts_only,
            keys_only: self.keys_only,
            latest: true,
            ..Default::default()
        };
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
}

impl IntoFuture for OpenEventualWatch {
    type Output = Result<EventualWatch>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
