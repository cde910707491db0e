//! Which keys an operation means.

use bincode::{Decode, Encode};

/// A set of keys of one domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Selector {
    /// One key.
    Key(Vec<u8>),
    /// Every key that starts with this; empty: all.
    Prefix(Vec<u8>),
    /// `start <= key < end`; an empty end is no bound.
    Interval {
        /// First key.
        start: Vec<u8>,
        /// First key that is out.
        end: Vec<u8>,
    },
    /// `*` matches within a segment between slashes, `**` across segments.
    Pattern(String),
}
