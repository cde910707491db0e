//! Watching the eventual tier: the newest value of what changed, as fast as it is taken and no faster.
//!
//! Each watch has a stream of its own, and reads it only as fast as its consumer takes ([`follow`]): that is how the member
//! learns how fast it may tell. It asks nothing that needs a quorum.

mod builder;
mod follow;
mod item;
mod link;
mod stream;

pub use builder::OpenEventualWatch;
pub use item::{EventualUpdate, EventualUpdateKind, EventualWatchItem};
pub use stream::EventualWatch;
