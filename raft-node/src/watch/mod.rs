//! Watches: every change, once, in order, resumable from any revision that was not compacted.
//!
//! ```text
//! apply -> feed.rs -> hub.rs -> outbox.rs -> the stream of a client          a live watch: index, one encoding for all
//!          store -> catch_up.rs ---^                                         a watch that is behind
//! ```
//!
//! A watch is *live* while it has been given everything that the hub has routed; then an event finds it through the
//! index. Otherwise it is *behind*: it started in the past, its client was slow, or a snapshot took the place of the
//! state. One that is behind reads the list of changes in the background, a bounded step at a time, until it has reached
//! the hub.
//!
//! A watch of the eventual tier is neither: it tells latest values, see `subscriptions/`. A cache is live or ends, see
//! `caches/`.
//!
//! Invariants
//! * A watch gets the revisions in order, each whole and once: what it gets next comes after its position, and the
//!   position moves when the outbox has taken a revision whole.
//! * Nothing here is waited for by apply. The feed, the outboxes and the catch-up are bounded; what does not fit is read
//!   again from the store, and a client that does not read is cancelled with the revision to resume from.
//! * A mark at a revision is put in the outbox behind every event up to it.

mod caches;
mod catch_up;
mod coherence;
mod ending;
mod hub;
mod index;
mod latest;
mod marks;
mod outbox;

mod ready;
mod replay;
mod revision;
mod spec;
mod stream;
mod subscriptions;
mod watches;
mod wire;

#[cfg(test)]
mod tests;

pub use caches::{Invalidation, KeyChange, KnownKey};
pub use coherence::{Coherence, Hold, Leading, TouchedKeys};
pub use ending::Ending;
pub use hub::{Header, Hub, HubFigures, HubLimits};
pub use marks::AtLeast;
pub use outbox::Outbox;
pub use spec::{CacheSpec, Shape, WatchSpec};
pub use stream::WatchStream;
pub use subscriptions::{Subscription, Subscriptions};
pub use watches::WatchKey;
pub use wire::coordination;
