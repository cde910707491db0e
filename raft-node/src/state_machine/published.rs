//! How far the state is, for everybody but the one who applies.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::head::Head;
use crate::types::{LogTimeMs, Revision};

/// How far the state is. The fields belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The newest revision.
    pub revision: Revision,
    /// Index of the last entry that was applied.
    pub applied_index: u64,
    /// The oldest revision that can be read.
    pub compacted: Revision,
    /// Log time.
    pub log_time: LogTimeMs,
    /// When the client that has been idle for longest last mutated something; none without clients. The leader
    /// proposes to forget idle clients by it.
    pub longest_idle_client: Option<LogTimeMs>,
}

/// A handle on the newest [`Progress`]. It is set only after the batch is written, so whoever sees an index here finds
/// it in a view that is taken afterwards.
#[derive(Clone, Debug)]
pub struct Published {
    current: Arc<ArcSwap<Progress>>,
}

impl Published {
    /// The newest progress.
    pub fn load(&self) -> Progress {
        **self.current.load()
    }

    pub(super) fn new(progress: Progress) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(progress)),
        }
    }

    pub(super) fn set(&self, progress: Progress) {
        self.current.store(Arc::new(progress));
    }
}

impl Progress {
    pub(super) fn of(head: &Head, longest_idle_client: Option<LogTimeMs>) -> Self {
        Self {
            revision: head.revision,
            applied_index: head.applied_index(),
            compacted: head.compacted,
            log_time: head.log_time,
            longest_idle_client,
        }
    }
}
