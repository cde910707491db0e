//! What a lock is, as long as it exists.

use std::fmt;

use bincode::{Decode, Encode};

/// How a lock can be taken. Chosen by the first who asks for it, and the same for all until nobody holds it or waits.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LockKind {
    /// By one, or shared by any number.
    Mutex,
    /// In parts.
    Semaphore {
        /// How many parts there are, at least one.
        permits: u32,
    },
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockKind::Mutex => f.write_str("a mutex"),
            LockKind::Semaphore { permits } => write!(f, "a semaphore of {permits} permits"),
        }
    }
}
