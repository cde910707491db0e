//! Watchers that record what they are told, for [`watch_check`](crate::watch_check).
//!
//! Half of them talk plain gRPC to one member each, so that a fault of the SDK cannot hide one of the server; the others
//! are watches of the SDK. They leave in the middle, resume elsewhere, read slowly, start anew; what they do is drawn from
//! a seed.

mod asking;
mod raw;
mod recorder;
mod sdk;

pub use asking::{FUTURE, create, random_asked, random_start};
pub use raw::{Connected, RawStream, Whims};
pub use recorder::{Clock, Recorder};
pub use sdk::SdkWatcher;
