//! The handle: what a program keeps and clones.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;

use crate::builder::ClientBuilder;
use crate::cache::Cache;
use crate::call::Nature;
use crate::core::{ClientStats, Core, unexpected};
use crate::error::Result;
use crate::kv::{Delete, Get, Put};
use crate::range::Range;
use crate::record::{IntoBytes, Keys, Record};
use crate::routing::Route;
use crate::swap::CompareAndSwap;
use crate::txn::Txn;
use crate::watch::{OpenWatch, WaitFor, Watched};

/// A client of one cluster. Cloning it is cheap, and all clones share connections, registration and limits.
#[derive(Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
}

impl Client {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Settings for a new client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Reads one key. Await the builder; see [`Get`].
    pub fn get(&self, key: impl IntoBytes) -> Get<'_> {
        Get::new(&self.core, key.into_bytes())
    }

    /// Writes one key. Await the builder; see [`Put`].
    pub fn put(&self, key: impl IntoBytes, value: impl IntoBytes) -> Put<'_> {
        Put::new(&self.core, key.into_bytes(), value.into_bytes())
    }

    /// Deletes one key, or all keys that a selector means. Await the builder; see [`Delete`].
    pub fn delete(&self, keys: impl Into<Keys>) -> Delete<'_> {
        Delete::new(&self.core, keys.into())
    }

    /// Reads many keys, page by page. Await the builder; see [`Range`].
    pub fn range(&self, keys: impl Into<Keys>) -> Range<'_> {
        Range::new(self, keys.into())
    }

    /// Compares and then does one of two lists of operations, atomically. Await the builder; see [`Txn`].
    pub fn txn(&self) -> Txn<'_> {
        Txn::new(&self.core)
    }

    /// Writes `value` if the key was last written at `expected_mod_revision`; 0: if it does not exist. Await the builder;
    /// see [`CompareAndSwap`].
    pub fn compare_and_swap(
        &self,
        key: impl IntoBytes,
        expected_mod_revision: u64,
        value: impl IntoBytes,
    ) -> CompareAndSwap<'_> {
        CompareAndSwap::new(&self.core, key.into_bytes(), expected_mod_revision, value.into_bytes())
    }

    /// Every change of what a selector means, once, in order; text is a pattern of keys. Await the builder; see
    /// [`OpenWatch`].
    pub fn watch(&self, what: impl Into<Watched>) -> OpenWatch {
        OpenWatch::new(Arc::clone(&self.core), what.into())
    }

    /// Waits until the record of a key, or that there is none, is as `wanted` says. Await the builder; see [`WaitFor`].
    pub fn wait_for<P>(&self, key: impl IntoBytes, wanted: P, within: Duration) -> WaitFor<'_, P>
    where
        P: FnMut(Option<&Record>) -> bool + Send,
    {
        WaitFor::new(self, key.into_bytes(), wanted, within)
    }

    /// Forgets the history below `revision`: older revisions can no longer be read. Returns the store's revision.
    ///
    /// # Errors
    ///
    /// [`Compacted`](crate::ErrorKind::Compacted) if it already was, [`FutureRevision`](crate::ErrorKind::FutureRevision)
    /// if there is no such revision yet, and what any call may return. Repeating it is harmless.
    pub async fn compact(&self, revision: u64) -> Result<u64> {
        let request = Request::Compact(v1::CompactRequest { revision });
        match self.core.call(request, Nature::Idempotent, Route::Leader, None).await? {
            Response::Compact(response) => Ok(response.header.unwrap_or_default().revision),
            other => Err(unexpected("Compact", &other)),
        }
    }

    /// The cache, if the client was built with [one](ClientBuilder::cache).
    pub fn cache(&self) -> Option<Cache> {
        self.core.cache.get().map(|owned| owned.cache.clone())
    }

    /// What this client has done so far.
    pub fn stats(&self) -> ClientStats {
        self.core.stats()
    }

    /// Refuses new calls, waits for the answers of those that are outstanding, at most for the call time-out of the
    /// builder, and closes every connection. It concerns all clones. Calls that are left end with
    /// [`ErrorKind::ConnectionLost`](crate::ErrorKind::ConnectionLost) and their outcome.
    pub async fn close(&self) {
        self.core.close(self.core.call_timeout).await;
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoints: Vec<String> = self
            .core
            .routing
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.address().to_owned())
            .collect();
        f.debug_struct("Client")
            .field("endpoints", &endpoints)
            .field("stats", &self.stats())
            .finish()
    }
}
