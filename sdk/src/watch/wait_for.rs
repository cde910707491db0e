//! Waiting for a key, without asking again and again.
//!
//! The watch is there before the key is read, so that nothing falls between the two; what the read has seen already is not
//! told again.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::event::WatchEvent;
use super::item::{WatchBatch, WatchItem};
use crate::builder::check_timeout;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::record::{Keys, Record};

/// A wait for a key. Awaiting it returns the record that was wanted; none if it was wanted that there is none.
///
/// Every state of the key is looked at: the one at the start, and each one that a revision left behind.
///
/// # Errors
///
/// [`ErrorKind::DeadlineExceeded`], which names the key and the time, when it was not so in time;
/// [`ErrorKind::Unavailable`] when not even its first state could be read in time; what a read and a watch may return,
/// except that it starts over when history was compacted away.
#[must_use = "a wait begins when it is awaited"]
pub struct WaitFor<'a, P> {
    client: &'a Client,
    key: Bytes,
    wanted: P,
    within: Duration,
    domain: String,
    /// Some state of the key is known.
    looked: bool,
}

impl<'a, P> WaitFor<'a, P>
where
    P: FnMut(Option<&Record>) -> bool + Send,
{
    pub(crate) fn new(client: &'a Client, key: Bytes, wanted: P, within: Duration) -> Self {
        Self {
            client,
            key,
            wanted,
            within,
            domain: String::new(),
            looked: false,
        }
    }

    /// The domain of the key. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    async fn wait(mut self) -> Result<Option<Record>> {
        check_timeout("within", self.within).map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        let within = self.within;
        let shown = String::from_utf8_lossy(&self.key).into_owned();
        let waiting = async {
            loop {
                match self.follow().await {
                    Err(error) if matches!(error.kind(), ErrorKind::Compacted { .. }) => {}
                    ended => return ended,
                }
            }
        };
        match tokio::time::timeout(within, waiting).await {
            // The watch and the read have the same time, and may find first that it is over.
            Ok(Err(error)) if *error.kind() == ErrorKind::DeadlineExceeded => {}
            Ok(ended) => return ended,
            Err(_elapsed) => {}
        }
        let (kind, message) = match self.looked {
            true => (
                ErrorKind::DeadlineExceeded,
                format!("key {shown:?} was not as wanted within {within:?}"),
            ),
            false => (
                ErrorKind::Unavailable,
                format!("key {shown:?} could not be read and watched within {within:?}"),
            ),
        };
        Err(Error::new(kind, Outcome::NotAMutation, message))
    }

    /// Until the key is as wanted, or the watch is over.
    async fn follow(&mut self) -> Result<Option<Record>> {
        let keys = Keys::key(&self.key);
        // Both may take longer than is left: the wait itself ends them.
        let watch = self.client.watch(keys).domain(self.domain.clone()).timeout(self.within);
        let mut watch = watch.await?;
        let get = self.client.get(&self.key).domain(self.domain.clone());
        let read = get.timeout(self.within).await?;
        self.looked = true;
        if (self.wanted)(read.record.as_ref()) {
            return Ok(read.record);
        }
        while let Some(item) = watch.next().await {
            if let WatchItem::Events(batch) = item?
                && batch.revision > read.revision
                && let Some(record) = last_of(batch)
                && (self.wanted)(record.as_ref())
            {
                return Ok(record);
            }
        }
        let message = "the watch ended without an error";
        Err(Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message))
    }
}

/// What a revision left of the one key that is watched; the outer option is whether it touched it.
fn last_of(batch: WatchBatch) -> Option<Option<Record>> {
    let last = batch.events.into_iter().rev().find_map(|event| match event {
        WatchEvent::Key(event) => Some(event),
        _ => None,
    })?;
    Some(last.current().cloned())
}

impl<'a, P> IntoFuture for WaitFor<'a, P>
where
    P: FnMut(Option<&Record>) -> bool + Send + 'a,
{
    type Output = Result<Option<Record>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}
