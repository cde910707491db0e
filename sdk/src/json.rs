//! Typed values, stored as JSON.

use std::marker::PhantomData;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::consistency::Consistency;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::kv::{Get, Put};
use crate::record::{IntoBytes, Record};

impl Client {
    /// Writes a value as JSON. Await the builder, as with [`put`](Client::put); a value that cannot be written as JSON
    /// ends it with [`ErrorKind::Json`].
    pub fn put_json<T: Serialize + ?Sized>(&self, key: impl IntoBytes, value: &T) -> Put<'_> {
        match serde_json::to_vec(value) {
            Ok(json) => self.put(key, json),
            Err(error) => {
                let message = format!("the value cannot be written as JSON: {error}");
                Put::refused(&self.core, Error::new(ErrorKind::Json, Outcome::NotApplied, message))
            }
        }
    }

    /// Reads a value that was written as JSON. Await the builder; see [`GetJson`].
    pub fn get_json<T: DeserializeOwned>(&self, key: impl IntoBytes) -> GetJson<'_, T> {
        GetJson {
            get: self.get(key),
            value: PhantomData,
        }
    }
}

/// A read of one key whose value is JSON. Awaiting it yields the value with its record, `None` if the key does not exist,
/// and [`ErrorKind::Json`] if the value is not JSON of that type.
#[must_use = "a call is made when it is awaited"]
pub struct GetJson<'a, T> {
    get: Get<'a>,
    value: PhantomData<fn() -> T>,
}

impl<T> GetJson<'_, T> {
    /// The domain of the key. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.get = self.get.domain(domain);
        self
    }

    /// What the read promises. Default: what the domain says.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.get = self.get.consistency(consistency);
        self
    }

    /// Reads the key as it was at this revision. Default: the current one.
    pub fn at_revision(mut self, revision: u64) -> Self {
        self.get = self.get.at_revision(revision);
        self
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.get = self.get.timeout(timeout);
        self
    }
}

impl<T: DeserializeOwned> GetJson<'_, T> {
    /// Looks into the cache of the client and nowhere else, at once, as [`Get::local_only`]. The outer `None`: the cache does
    /// not have it; the inner one: it knows that the key does not exist.
    ///
    /// # Errors
    ///
    /// As [`Get::local_only`], and [`ErrorKind::Json`].
    #[allow(clippy::type_complexity, reason = "what a read yields, or nothing")]
    pub fn local_only(self) -> Result<Option<Option<(T, Record)>>> {
        let reply = self.get.local_only()?;
        reply.map(|reply| decode(reply.record)).transpose()
    }
}

fn decode<T: DeserializeOwned>(record: Option<Record>) -> Result<Option<(T, Record)>> {
    let Some(record) = record else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&record.value).map_err(|error| {
        let key = record.key.escape_ascii();
        let message = format!("the value of {key} cannot be read as JSON of this type: {error}");
        Error::new(ErrorKind::Json, Outcome::NotAMutation, message)
    })?;
    Ok(Some((value, record)))
}

impl<'a, T: DeserializeOwned + 'a> IntoFuture for GetJson<'a, T> {
    type Output = Result<Option<(T, Record)>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { decode(self.get.await?.record) })
    }
}
