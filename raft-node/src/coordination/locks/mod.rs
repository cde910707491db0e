//! Locks, semaphores and elections: one primitive, a named lock that is taken whole, shared, or in parts.
//!
//! An *acquisition* is what a client asks for under a lease: one or several names, taken in their order. It is named by
//! (lease, request), the request chosen by the client, so that repeating it answers what became of it. For each name it
//! gets a *hold*, whose fencing token is the revision of the grant; until then it waits in the queue of that name, and
//! keeps what it has. As everybody takes names in the same order, no two acquisitions wait for each other.
//!
//! ```text
//! lock         10 | name                                         -> its kind, what is taken, how many wait, counters
//! hold         11 | name | token u64 | lease u64 | request u64   -> nothing
//! acquisition  12 | lease u64 | request u64                      -> names, share, a token for each name it was granted
//! waiter       13 | name | ticket u64 | lease u64 | request u64  -> nothing
//! value        14 | lease u64 | request u64                      -> what the holder proclaims      (in the items table)
//! ```
//!
//! Invariants
//! * A lock exists while it has holds or waiters, and its row counts both.
//! * The holds of a lock fit together, and the head of its queue does not fit: whoever releases serves the queue in the
//!   same revision. Nobody overtakes, not even who would fit.
//! * The lease of every acquisition lives, and the acquisition is attached to it.
//! * An acquisition waits in one queue, or holds all it asked for, less what was released of it. It ends as a whole if it
//!   loses a hold while it waits: it could not come to hold all of them at once.
//! * Tokens of a lock grow.
//!
//! Deliberately absent: re-entrance. A lease that asks twice for a lock waits for itself.

mod abandon;
mod acquire;
mod advance;
mod end;
mod fence;
mod force_release;
mod operation;
mod query;
mod release;
mod rows;
mod serve;
mod set_value;

#[cfg(test)]
mod tests;

pub use end::lease_ended;
pub use operation::{Acquire, Grant, Hold, LockOperation, LockReply, operate};
pub use query::{Acquisition, Holder, Lock, acquisition, changed, list, lock};
pub use rows::hold::HOLD_ROW;
pub use rows::lock::{Forced, LockRow};
pub use rows::waiter::WAITER_ROW;

pub use crate::types::Share;

/// Names in one acquisition.
pub const NAMES_MAX: usize = 32;
/// Bytes of a lock's name.
pub const NAME_BYTES_MAX: usize = 1024;
/// Permits of a semaphore.
pub const PERMITS_MAX: u32 = 1_000_000;
/// Bytes of the value that a holder proclaims.
pub const VALUE_BYTES_MAX: usize = 4096;
/// Bytes of the reason why a lock is released by force.
pub const REASON_BYTES_MAX: usize = 1024;
/// Acquisitions that may wait for one lock.
pub const WAITING_MAX: u64 = 16_384;
/// Holds that one operation ends by force.
pub const FORCED_MAX: usize = 10_000;
