//! Was every watcher told what its watch promises?
//!
//! The truth is a replay of the log: every revision with its events, and each key's record before and after. A watcher's
//! record is what it asked for and what it was told, in order, over all the connections that it needed. The promise falls
//! into properties; each has a file, a violation of its own, and a history that breaks it and nothing else:
//!
//! | property | what it says |
//! |---|---|
//! | filter | nothing comes that was not asked for |
//! | ordered | revisions ascend |
//! | unique | none comes twice, across resumes too |
//! | atomic | the events of a revision come together |
//! | start | nothing comes from before the start; `Now` is between the writes acknowledged before and those begun after |
//! | bookmarkable | at a mark everything up to it has come, and nothing up to it comes later; a mark never goes back |
//! | resumable | the first event after a start is the first that there is |
//! | reliable | nothing between the start and the last thing that was told is missing |
//! | records | each event shows the record that the revision wrote, created if there was none before |
//! | previous | each event shows the record that was there before, if the watch asked for it |
//! | cancelled | a watch is refused as compacted, or as lagging, only where that is so |
//!
//! A verdict is ok, illegal or unknown; unknown does not pass.

mod assemble;
mod events;
mod properties;
mod record;
mod select;
mod truth;
mod verdict;
mod violation;

#[cfg(test)]
mod tests;

pub use events::{Event, KeyEvent, KeyKind, OtherEvent, Space, shortened};
pub use record::{Ack, Acks, Asked, Cancel, Incarnation, Names, Start, Told, Wanted, Watcher};
pub use select::asks_for;
pub use truth::Truth;
pub use verdict::{Summary, Verdict, check};
pub use violation::{Violation, Wrong};
