//! One of several values, and the order between them.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::{Hlc, Strategy};

/// One of the values of a register that stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// As the client wrote it.
    pub value: &'a [u8],
    /// As the client asked for.
    pub strategy: Strategy,
    /// When it was written.
    pub hlc: Hlc,
    /// The process that took the write.
    pub actor: u64,
    /// Of the write, at that process.
    pub number: u64,
}

/// Places in a slice of candidates.
pub(super) type Places = SmallVec<[usize; 8]>;

impl Candidate<'_> {
    /// Older is less. Value and strategy are compared only between candidates of one dot, which are the same candidate
    /// unless something is wrong; even then the answer must not depend on the order of a slice.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let stamp = |candidate: &Self| (candidate.hlc, candidate.actor, candidate.number);
        stamp(self)
            .cmp(&stamp(other))
            .then_with(|| self.value.cmp(other.value))
            .then_with(|| self.strategy.cmp(&other.strategy))
    }
}

/// Where the distinct candidates are, the oldest first.
pub(super) fn in_order(candidates: &[Candidate<'_>]) -> Places {
    let mut places: Places = (0..candidates.len()).collect();
    places.sort_by(|a, b| candidates[*a].compare(&candidates[*b]));
    places.dedup_by(|a, b| candidates[*a] == candidates[*b]);
    places
}
