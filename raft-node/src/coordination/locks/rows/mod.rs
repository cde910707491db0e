//! What is stored of locks, a file for each kind of row.

pub mod acquisition;
pub mod hold;
pub mod lock;
pub mod value;
pub mod waiter;

use crate::types::LeaseId;

/// The name of an acquisition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AcquisitionId {
    /// Whose.
    pub lease: LeaseId,
    /// Which of the lease's.
    pub request: u64,
}
