//! Why an operation on queues was refused.

use bincode::{Decode, Encode};

/// Why an operation on queues changed nothing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum QueueRefusal {
    /// No such queue.
    #[error("queue {queue:?} does not exist: create it first")]
    UnknownQueue {
        /// The name that was asked for.
        queue: String,
    },
}
