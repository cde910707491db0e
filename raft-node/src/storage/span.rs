//! Bounds of every kind as one half-open interval.
//!
//! RocksDB knows only an included lower and an excluded upper bound, and a `BTreeMap` panics on bounds that run
//! backwards. Keys are compared as bytes, so `key ++ 0x00` is the smallest key above `key`: every kind of bound has an
//! exact half-open form.

use std::ops::Bound;

/// `from <= key < to`, never empty; without a `to` it has no upper end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Vec<u8>,
    pub to: Option<Vec<u8>>,
}

impl Span {
    /// The keys between the bounds; `None` if there can be none.
    pub fn new(from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<Span> {
        let from = match from {
            Bound::Unbounded => Vec::new(),
            Bound::Included(key) => key.to_vec(),
            Bound::Excluded(key) => successor(key),
        };
        let to = match to {
            Bound::Unbounded => None,
            Bound::Included(key) => Some(successor(key)),
            Bound::Excluded(key) => Some(key.to_vec()),
        };
        let empty = to.as_ref().is_some_and(|to| *to <= from);
        (!empty).then_some(Span { from, to })
    }
}

/// The smallest key above `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut above = Vec::with_capacity(key.len() + 1);
    above.extend_from_slice(key);
    above.push(0);
    above
}
