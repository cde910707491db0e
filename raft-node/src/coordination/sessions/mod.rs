//! Leases, as clients ask for them: granted, revoked, expired. What is stored of them is in [`crate::leases`].

mod end;
mod grant;
mod operation;

#[cfg(test)]
mod tests;

pub use end::{Ending, end};
pub use grant::{LEASES_MAX, TTL_MS_MAX, TTL_MS_MIN};
pub use operation::{LeaseOperation, LeaseReply, operate};
