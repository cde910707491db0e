//! Locks, semaphores and elections.
//!
//! A lock is taken under a lease, which a [`Session`](crate::Session) renews: when the process dies the lease ends, and the
//! next in the queue has the lock. Each hold has a *fencing token*, greater than that of every hold of this lock before; a
//! transaction that starts with [`LockGuard::fence`] is refused once the hold is over, however late it arrives.
//!
//! An acquisition is named by its lease and a number that this process draws, so that repeating it changes nothing. A
//! future or a guard that is dropped gives up its acquisition in the background.

mod acquire;
mod builder;
mod call;
mod election;
mod guard;
mod op;
mod record;

pub use builder::{Lock, Locks, Semaphore};
pub use call::{ForceReleased, LocksPage};
pub use election::{Election, Leader};
pub use guard::{LockGuard, LocksGuard};
pub use op::{LockGrant, LockHold, LockOp, LockOpReply};
pub use record::{LockForced, LockHolder, LockMode, LockRecord};
