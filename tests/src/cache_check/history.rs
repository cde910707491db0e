//! All that readers and writers remember, and what was known when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::record::{Coherence, Read, Write};
use crate::watch_check::{Ack, Acks};

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every client that read or wrote.
    pub clients: BTreeMap<u64, Coherence>,
    /// Reads that were answered.
    pub reads: Vec<Read>,
    /// Writes that were acknowledged.
    pub writes: Vec<Write>,
    /// Domains whose writes wait for caches.
    pub coherent: BTreeSet<String>,
    /// From when to when something was done to a member.
    pub faults: Vec<(Duration, Duration)>,
    /// What was not answered.
    pub attempts: Attempts,
}

/// Reads and writes without an answer: counted, since nothing follows from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Look-ups of a cache that did not have it.
    pub not_cached: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Writes that failed, done or not.
    pub writes_failed: u64,
}

impl History {
    pub(super) fn coherence(&self, read: &Read) -> Coherence {
        *self.clients.get(&read.client).unwrap_or(&Coherence::Uncached)
    }

    pub(super) fn is_relaxed(&self, read: &Read) -> bool {
        matches!(self.coherence(read), Coherence::Relaxed { .. })
    }

    /// Whether something was being done to a member when the read began.
    pub(super) fn is_during_a_fault(&self, read: &Read) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|(began, ended)| (*began..*ended).contains(&read.began))
    }

    /// What had been acknowledged to anybody, or shown to anybody, by some moment.
    pub(super) fn known(&self) -> Acks {
        let written = self
            .writes
            .iter()
            .map(|write| (write.began, write.ended, write.revision));
        // A read shows that a revision is there, and nothing about when that was written.
        let shown = self.reads.iter();
        let shown = shown.map(|read| (Duration::ZERO, read.ended, read.seen.revision));
        Acks::new(written.chain(shown).map(|(invoked, returned, revision)| Ack {
            invoked,
            returned,
            revision,
        }))
    }
}
