//! Leases and sessions: what ends when somebody stops renewing it.
//!
//! A lease is a number that keys, locks, receipts and registrations can be attached to; when it ends they all go, at one
//! revision. A [`Session`] is a lease that this process renews in the background.

mod call;
mod keeper;
mod op;
mod session;

pub use call::{GrantLease, LeaseGranted, LeaseRecord};
pub(crate) use call::{not_expected, only};
pub(crate) use keeper::Keeper;
pub use op::{LeaseOp, LeaseOpReply};
pub use session::{Loss, OpenSession, Session};
