//! What a run that passed has covered.

use std::fmt;

use crate::cluster::EqualState;
use crate::nemesis::{FaultKind, Tally};
use crate::watch_check::Summary;

/// What a run of [`WatchRounds`](super::WatchRounds) that passed has covered.
#[derive(Clone, Debug)]
pub struct WatchReport {
    /// What was checked.
    pub summary: Summary,
    /// What happened to members.
    pub faults: Tally,
    /// What had to happen at least once.
    pub planned: Vec<FaultKind>,
    /// Compactions.
    pub compactions: u64,
    /// Writes that were acknowledged, each found in the log.
    pub writes: usize,
    /// The newest revision.
    pub revisions: u64,
    /// The state that all members agree on, and that the replay of the log leads to.
    pub state: EqualState,
}

impl fmt::Display for WatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            watchers,
            incarnations,
            revisions,
            parts,
            events,
            marks,
            compacted,
            lagged,
        } = self.summary;
        write!(
            f,
            "{watchers} watchers in {incarnations} incarnations were told {events} events in {revisions} revisions ({parts} \
             in parts) and {marks} marks, and were refused {compacted} times as compacted and {lagged} times as lagging; \
             {}, {} compactions; {} \
             acknowledged writes found among {} revisions; state {:016x} on every member at index {}",
            self.faults, self.compactions, self.writes, self.revisions, self.state.state_hash, self.state.applied_index
        )
    }
}
