//! Leases that are granted, renewed, left alone and revoked, with keys that go with them.
//!
//! | property | what it says |
//! |---|---|
//! | once | a lease is granted once and ends at most once; its id never comes back |
//! | early | a lease does not expire before its time to live is over, counted from when the last call was made that was answered with it, less a twentieth by which clocks may differ |
//! | late | a lease that is renewed no more is gone within its time to live and 10 s; each fault meanwhile may cost as long as it goes on, an election, of 5 s, and the time to live once more |
//! | whole | the keys of a lease go at the revision at which it ends, all of them; none is written under it after that |
//! | answered | what was acknowledged is in the truth; a lease that certainly lives is not denied, one that is certainly gone is neither renewed nor shown |
//!
//! A revision was certainly made before anything was answered with it or a later one, and after every call that made an
//! earlier one had begun: that is how the times of clients are compared with the truth.

mod client;
mod history;
mod lives;
mod properties;
mod record;
mod workload;

#[cfg(test)]
mod tests;

pub(in crate::workloads) use client::{revoke, whole_ms};
pub use history::{History, MARGIN, Promise};
pub use lives::{End, Life, Lives};
pub use properties::{SLACK, all as violations, worst as worst_overtime};
pub use record::{Call, Done, LeaseOperation};
pub use workload::Leases;
