//! What happens to workers.

use bincode::{Decode, Encode};

use crate::types::LeaseId;

/// What happens to workers. What they carry as labels can be read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WorkerEvent {
    /// It takes work from now on: it is new, or was offline.
    Registered {
        /// What it shares its life with.
        lease: LeaseId,
        /// How many tasks it may have at a time.
        capacity: u32,
    },
    /// It says something else of itself: another capacity, other labels, or both.
    Updated {
        /// How many tasks it may have at a time.
        capacity: u32,
    },
    /// It takes nothing new; what it has, it keeps.
    Draining,
    /// It takes work again, and drains no more.
    Resumed,
    /// Its lease has ended; its tasks wait.
    Offline {
        /// That lease.
        lease: LeaseId,
    },
    /// It is forgotten; its tasks, if it had any, wait.
    Deregistered,
}
