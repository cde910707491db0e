//! Watches of the eventual tier: the newest value of every key that changed, as fast as the client reads and no faster.
//!
//! ```text
//! a shard notes which keys changed -> registry.rs: whose they are -> pending.rs: what a client lacks, each key once
//!                         what the keys hold now: event.rs <- deliver.rs -> the outbox of the stream
//! ```
//!
//! Invariants
//! * A key is read after it was taken out of what is pending: what is sent is at least as new as the change that was noted,
//!   and a change that is made in between is pending again.
//! * What is kept for a client that does not read is bounded. Past the bound it is forgotten, and every key that there is
//!   comes again ([`walk`]): what a client ends up with is the newest all the same.
//! * A subscription has one message in the outbox at a time; the next is made when the client has read it.

mod deliver;
mod event;
mod pending;
mod registry;
mod subscription;
mod walk;

#[cfg(test)]
mod tests;

pub(super) use deliver::{Deliverer, Place};
pub(super) use registry::Subscribed;
pub use registry::Subscriptions;
pub use subscription::Subscription;
