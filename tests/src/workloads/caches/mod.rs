//! Clients with caches read what others write.
//!
//! Each client has a cache of another coherence, or none. Every answer says how old it is at most, and whether the cache gave
//! it; the check of [`cache_check`](crate::cache_check) holds both against the log. Writes of the domain [`COHERENT`] wait for
//! the caches whose coherence is strong.

mod check;
mod client;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Facts, Ground, Workload};
use crate::HarnessError;
use crate::cache_check::{Asked, Coherence, Source};
use crate::journal::{Operation, Text};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

/// What all its keys begin with.
const PREFIX: &str = "caches/";

/// A domain whose writes wait for caches.
const COHERENT: &str = "coherent";

/// A domain whose writes do not.
const PLAIN: &str = "default";

/// The workload.
#[derive(Debug)]
pub struct Caches;

/// A key of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedKey {
    /// The domain.
    pub domain: String,
    /// The key.
    pub key: String,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachesCall {
    /// Reads a key.
    Read {
        /// What the cache of the client promises.
        coherence: Coherence,
        /// Which.
        at: CachedKey,
        /// How.
        asked: Asked,
    },
    /// Writes keys at one revision.
    Put {
        /// What the cache of the client promises.
        coherence: Coherence,
        /// Which.
        at: Vec<CachedKey>,
        /// Unique in the run.
        value: String,
    },
    /// Deletes a key.
    Delete {
        /// What the cache of the client promises.
        coherence: Coherence,
        /// Which.
        at: CachedKey,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachesAnswer {
    /// It was read.
    Seen {
        /// By whom it was answered.
        source: Source,
        /// The revision that the answer reflects.
        revision: u64,
        /// The revision that wrote the record, and its value.
        record: Option<(u64, Text)>,
        /// How old it is at most, as it says.
        staleness: Option<Duration>,
    },
    /// Only the cache was asked, and it did not have it, or not so new.
    NotCached,
    /// It was written, or deleted, at this revision.
    Written {
        /// The revision.
        revision: u64,
    },
    /// There was nothing to delete.
    Absent,
}

impl Workload for Caches {
    const NAME: &'static str = "caches";
    const KINDS: &'static [&'static str] = &["put", "delete", "strong", "bounded", "local", "look-up"];
    type Call = CachesCall;
    type Answer = CachesAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    fn kind(call: &CachesCall) -> &'static str {
        match call {
            CachesCall::Put { .. } => "put",
            CachesCall::Delete { .. } => "delete",
            CachesCall::Read { asked, .. } => match asked {
                Asked::Strong => "strong",
                Asked::Bounded(_) => "bounded",
                Asked::Local => "local",
                Asked::CacheOnly(_) => "look-up",
            },
        }
    }

    fn needs_majority(call: &CachesCall) -> bool {
        let asked = match call {
            CachesCall::Put { .. } | CachesCall::Delete { .. } => return true,
            CachesCall::Read { asked, .. } => asked,
        };
        *asked == Asked::Strong
    }

    fn check(operations: &[Operation<CachesCall, CachesAnswer>], truth: &Truth, facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth, facts)
    }
}
