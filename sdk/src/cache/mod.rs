//! The read-through cache: records that reads brought in, kept true by a stream, and answered only as far as that is proved.
//!
//! A read of one key fills it ([`shared`]). Its key is then named to a member ([`holds`]), which says from which revision on
//! every change of it comes, and whether it has another record by now. What is true is put into the bounded [`store`], where
//! look-ups find it through an [`index`]. From then on the stream keeps it true ([`watcher`], [`lane`]); a task for each stream
//! finds it a member, names keys, and asks how fresh it is as often as look-ups need it ([`follow`], [`pace`]). A look-up
//! ([`handle`]) does not wait for whoever reads the stream: it reads how far that is ([`proof`]), and then the entry.
//!
//! Invariants: an entry that is answered is true at the position of its stream or known to be newer, and then it is not
//! answered until the position is; the position is told to the client as seen before it is shown; nothing is answered while
//! the stream is broken, nor behind what the client has seen; what was read before an invalidation is not taken in after it;
//! a strong read is never answered.

mod dropped;
mod entry;
mod follow;
mod handle;
mod holds;
mod index;
mod invalidate;
mod key;
mod lane;
#[cfg(test)]
mod model_tests;
mod pace;
mod proof;
#[cfg(test)]
mod race_tests;
mod read;
#[cfg(test)]
mod relaxed_tests;
mod selects;
mod settings;
mod shared;
mod stats;
mod store;
mod warm_up;
mod watcher;
mod writes;

pub use dropped::{DropCause, Dropped, DroppedItem, DroppedStream};
pub use entry::Cached;
pub use handle::Cache;
pub(crate) use handle::Owned;
pub use invalidate::{Invalidate, Invalidated};
pub(crate) use read::{cached_bound, level_served};
pub use selects::Stale;
pub(crate) use selects::keys_select;
pub use settings::{CachePolicy, CacheSettings, Coherence};
pub(crate) use shared::Shared;
pub use stats::{CacheMisses, CacheStats};
pub use warm_up::{WarmUp, WarmedUp};
