//! What a run that passed has covered.

use std::fmt;

use crate::cache_check::{Attempts, Summary};
use crate::cluster::EqualState;
use crate::nemesis::{FaultKind, Tally};

/// What a run of [`CacheRounds`](super::CacheRounds) that passed has covered.
#[derive(Clone, Debug)]
pub struct CacheReport {
    /// What was checked.
    pub summary: Summary,
    /// What happened to members.
    pub faults: Tally,
    /// What had to happen at least once.
    pub planned: Vec<FaultKind>,
    /// The state that all members agree on, and that the replay of the log leads to.
    pub state: EqualState,
}

impl fmt::Display for CacheReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            writes,
            strong,
            hits,
            hits_during_faults,
            coherent_hits,
            relaxed_hits,
            misses,
            attempts,
        } = self.summary;
        let Attempts {
            not_cached,
            reads_failed,
            writes_failed,
        } = attempts;
        write!(
            f,
            "{hits} answers of caches, {hits_during_faults} of them while something was done to a member, {coherent_hits} of \
             coherent keys and {relaxed_hits} relaxed; {misses} answers of members instead, {strong} strong reads, \
             {not_cached} look-ups of what was not there, {reads_failed} reads failed; {writes} writes acknowledged and \
             {writes_failed} not; {}; \
             {} revisions; state {:016x} on every member at index {}",
            self.faults, self.state.revision, self.state.state_hash, self.state.applied_index
        )
    }
}
