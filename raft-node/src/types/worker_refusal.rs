//! Why an operation on workers was refused.

use bincode::{Decode, Encode};

/// Why an operation on workers changed nothing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum WorkerRefusal {
    /// No such worker.
    #[error("worker {worker:?} is not registered")]
    UnknownWorker {
        /// The name that was asked for.
        worker: String,
    },
}
