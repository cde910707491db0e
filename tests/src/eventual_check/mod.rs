//! What clients did to the eventual tier, held against what the members have in the end.
//!
//! Values are unique, so that a value names its write. What has to be there is what was acknowledged and could not be lost:
//! by two members, of which one at most loses its memory until all are even again, or by one that did not lose its memory
//! before that.
//!
//! | property | what it says |
//! |---|---|
//! | *equal* | every member has the same under every key |
//! | *kept* | a value of a register with siblings is there, unless a write or a deletion came that had read it |
//! | *replaced* | a value that a surviving write had read is not there; nor one that a surviving deletion had read |
//! | *real* | nothing is there that nobody wrote |
//! | *newest* | a register has one value, which no surviving write at the same process replaced |
//! | *joined* | an element of a union is there unless another write of the key ended after it began |
//! | *greatest* | a maximum is not below one that survives, and was written |
//! | *counted* | a counter is not below what survives and not above what was tried |
//! | *members* | what was added and nobody tried to remove is in the set; what was removed where it was known is not |
//! | *session* | a client that takes its token along reads what it wrote, and nothing older than it read before |

mod lost;
mod properties;
mod record;
mod verdict;

#[cfg(test)]
mod tests;

pub use record::{Change, Even, Held, History, Hop, HopRead, KINDS, Key, Kill, Kind, Outcome, State, Write};
pub use verdict::{Property, Summary, Verdict, Violation, check};
