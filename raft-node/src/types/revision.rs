//! The global revision.

use std::fmt;

use bincode::{Decode, Encode};

/// Number of a write transaction: dense, global over all keys, one per transaction that changed something.
/// The empty store is at 1, the first write makes 2. 0 means "none" or "the current one".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Revision(pub u64);

impl Revision {
    /// Of the empty store.
    pub const EMPTY: Revision = Revision(1);

    /// The revision that the next write transaction makes.
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
