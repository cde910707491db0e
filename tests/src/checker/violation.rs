//! What a store must never do, each with what a person needs to look into it.

use crate::history::Operation;
use crate::model::Versioned;

/// Proof that the store broke its promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Two writes were acknowledged with one revision: one of them was lost.
    #[error("revision {revision} was acknowledged twice:\n  {first:?}\n  {second:?}")]
    RevisionReused {
        /// The revision.
        revision: u64,
        /// One write.
        first: Box<Operation>,
        /// The other.
        second: Box<Operation>,
    },
    /// The store does not hold, at its revision, a write that was acknowledged.
    #[error("acknowledged write lost: at revision {revision} the store shows {found} instead of\n  {write:?}")]
    LostWrite {
        /// The revision.
        revision: u64,
        /// What the store shows there.
        found: String,
        /// The write.
        write: Box<Operation>,
    },
    /// One write has two revisions.
    #[error("applied twice: revision {revision} is one more application of\n  {write:?}")]
    AppliedTwice {
        /// The revision that is one too many.
        revision: u64,
        /// The write.
        write: Box<Operation>,
    },
    /// The client was told that nothing was or will be applied.
    #[error("applied although refused: revision {revision} is\n  {write:?}")]
    RefusedButApplied {
        /// The revision.
        revision: u64,
        /// The write.
        write: Box<Operation>,
    },
    /// A revision that none of the recorded calls explains.
    #[error("revision {revision} is nobody's: the store shows {found}")]
    Phantom {
        /// The revision.
        revision: u64,
        /// What the store shows there.
        found: String,
    },
    /// A write was applied although its condition did not hold at its revision, or not although it did.
    #[error("wrong compare at revision {revision}: the key was at {actual:?} in\n  {operation:?}")]
    WrongCompare {
        /// The revision.
        revision: u64,
        /// The key just before.
        actual: Option<Versioned>,
        /// The operation.
        operation: Box<Operation>,
    },
    /// An answer shows another state than the one at its revision.
    #[error(
        "wrong read: at revision {revision} the key was {expected:?}, the answer shows otherwise:\n  {operation:?}"
    )]
    WrongRead {
        /// The revision.
        revision: u64,
        /// The key in the model.
        expected: Option<Versioned>,
        /// The operation.
        operation: Box<Operation>,
    },
    /// An answer speaks of an earlier revision than one that was known before the call began.
    #[error("out of order: revision {known} was answered before this call began:\n  {earlier:?}\n  {operation:?}")]
    OutOfOrder {
        /// The revision that was known.
        known: u64,
        /// Whose answer made it known.
        earlier: Box<Operation>,
        /// The call.
        operation: Box<Operation>,
    },
}
