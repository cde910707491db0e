//! Did a cache ever answer with something that it must not?
//!
//! The truth is a replay of the log: every revision with its events. A reader's record is what it asked for, when, and
//! what it was told. Times are those of one monotonic clock, which readers and writers share. An answer is *older than* a
//! revision if what it shows was replaced at that revision or before it. What had been acknowledged to anybody, or shown
//! to anybody, by a moment has a highest revision: that is what *was known* at the moment.
//!
//! | property | what it says |
//! |---|---|
//! | real | the record is what the key had at the revision that the answer reflects |
//! | future | no answer reflects a revision of a write that had not begun |
//! | source | a strong read is answered by the leader or a replica, a look-up in the cache by the cache |
//! | strong | a strong read is not older than what was known when it began |
//! | bounded | a read of bounded staleness is not older than what was known that long before it began |
//! | staleness | nor older than what was known as long before it began as it says itself; which is within the bound, but for the time that the read took |
//! | monotonic | no answer is older than what its client had been shown before |
//! | own | nor older than what its client had written |
//! | coherent | an answer of a cache whose coherence is strong is not older than a write of its key, in a coherent domain, that was acknowledged before the read began |
//! | relaxed | what a cache that knows nothing but times to live answers is what a member had told its client within that time |
//!
//! Relaxed caches may answer with less than their client has been shown, and with what others than itself wrote to other
//! keys: of them *monotonic* is not asked, and *own* for each key by itself. A verdict is ok, illegal or unknown; unknown
//! does not pass.

mod asking;
mod history;
mod properties;
mod record;
mod timeline;
mod verdict;

#[cfg(test)]
mod tests;

pub use asking::{ask, look_up};
pub use history::{Attempts, History};
pub use record::{Asked, Coherence, Place, Read, Seen, Source, Write};
pub use verdict::{Property, Summary, Verdict, Violation, check};
