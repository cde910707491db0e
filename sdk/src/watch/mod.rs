//! Watches: every change, once, in the order of revisions, across the loss of members.
//!
//! All watches of a client that are at the same member share one stream ([`link`]). A task for each watch ([`follow`]) finds
//! it a member, and finds it another one when that member is lost, refuses it or no longer hears from the others. The task
//! that reads the stream leaves what it reads in the watch's buffer ([`buffer`]), from where the consumer takes it.
//!
//! Invariants: a stream is always read, whatever its consumers do; a buffer that is full sends its own watch away, and
//! nobody else's; what is asked for anew starts one revision after the last that was received whole; an event enters a
//! buffer only if its revision is greater than every revision before it.

mod buffer;
mod builder;
mod cached;
mod delivery;
mod event;
mod follow;
mod hub;
mod item;
mod link;
mod outbox;
mod probing;
mod selector;
mod stream;
mod subscription;
mod wait_for;

pub use builder::OpenWatch;
pub(crate) use cached::CacheWatcher;
pub(crate) use delivery::Delivery;
pub use event::{
    ClaimEnd, KeyEvent, KeyEventKind, LeaseEvent, LeaseEventKind, LockEvent, LockEventKind, LockFreed, QueueEvent,
    QueueEventKind, TaskEvent, TaskEventKind, TaskWait, WatchEvent, WorkerEvent, WorkerEventKind,
};
pub(crate) use hub::Watches;
pub use item::{WatchBatch, WatchItem};
pub(crate) use link::Attachment;
pub use selector::Watched;
pub use stream::Watch;
pub(crate) use subscription::Departure;
pub use wait_for::WaitFor;
