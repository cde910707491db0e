//! What readers and writers remember.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The domain.
    pub domain: String,
    /// The key.
    pub key: Bytes,
}

/// What the cache of a client promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coherence {
    /// The client has no cache.
    Uncached,
    /// Kept true by a watch.
    Eventual,
    /// Nothing but a time to live.
    Relaxed {
        /// In the cache.
        ttl: Duration,
    },
    /// Writes of coherent domains wait for it.
    Strong,
}

/// What a read asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The newest.
    Strong,
    /// At most this old.
    Bounded(Duration),
    /// Whatever is at hand that is not older than what the client has seen.
    Local,
    /// From the cache or not at all, and at most this old if a bound was given.
    CacheOnly(Option<Duration>),
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The client's own cache.
    Cache,
    /// A member.
    Replica,
    /// The member that leads.
    Leader,
}

/// A read that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Whose. Reads of one client share what it has seen.
    pub client: u64,
    /// Of what.
    pub place: Place,
    /// What was asked for.
    pub asked: Asked,
    /// Just before the call.
    pub began: Duration,
    /// Just after the answer.
    pub ended: Duration,
    /// The answer.
    pub seen: Seen,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who gave it.
    pub source: Source,
    /// The revision that it reflects.
    pub revision: u64,
    /// The revision that wrote the record, and the value; none where there was no record.
    pub record: Option<(u64, Bytes)>,
    /// How old it may be, as it says; none where it says nothing of it.
    pub staleness: Option<Duration>,
}

/// A write that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Whose.
    pub client: u64,
    /// What it changed.
    pub places: Vec<Place>,
    /// Just before the call.
    pub began: Duration,
    /// Just after the answer.
    pub ended: Duration,
    /// The revision that it made.
    pub revision: u64,
}
