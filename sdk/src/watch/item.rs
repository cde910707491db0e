//! What a watch yields.

use std::time::SystemTime;

use super::event::WatchEvent;

/// What a watch yields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchItem {
    /// What one revision changed.
    Events(WatchBatch),
    /// Everything up to this revision has been yielded. Only if [`OpenWatch::marks`](crate::OpenWatch::marks) asked for it.
    Mark {
        /// The revision.
        revision: u64,
    },
}

/// Everything that one revision changed and the watch selects, never a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchBatch {
    /// The revision, greater than that of the batch before.
    pub revision: u64,
    /// The wall clock of the leader that proposed it: for display, not for decisions.
    pub wall_time: SystemTime,
    /// The events; at least one.
    pub events: Vec<WatchEvent>,
}
