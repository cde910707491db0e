//! Rows of the coordination tables: composed keys, and typed values.
//!
//! ```text
//! group u16 | kind u8 | parts
//! ```
//! Integers are big-endian, so that bytes sort as numbers do. A text is escaped (a zero byte becomes `00 FF`, the end is
//! `00 00`), which keeps the order of texts and lets no text be a prefix of another. The group is always 0 today.
//!
//! The kinds, none of which is ever reused:
//!
//! | kinds | table | whose |
//! |---|---|---|
//! | 1 to 9 | coordination | `leases` |
//! | 10 to 19 | coordination, items | `coordination/locks` |
//! | 20 to 39 | coordination, items | `coordination/queues` |
//! | 40 to 49 | coordination | `coordination/workers` |

use std::ops::{Bound, ControlFlow};

use crate::codec::{self, Record};
use crate::storage::{Stage, StorageError, Table, View, Visit, corrupt};

/// The Raft group whose rows these are.
pub const GROUP: u16 = 0;

/// A key while it is composed.
#[derive(Clone, Debug)]
pub struct Key(Vec<u8>);

/// The kind of a stored key; none if it is of another group.
pub fn kind(stored: &[u8]) -> Option<u8> {
    stored.strip_prefix(&GROUP.to_be_bytes())?.first().copied()
}

impl Key {
    /// Starts a key of this kind.
    pub fn of(kind: u8) -> Key {
        let mut bytes = Vec::with_capacity(48);
        bytes.extend_from_slice(&GROUP.to_be_bytes());
        bytes.push(kind);
        Key(bytes)
    }

    /// Appends a byte.
    pub fn byte(mut self, byte: u8) -> Key {
        self.0.push(byte);
        self
    }

    /// Appends a number.
    pub fn number(mut self, number: u64) -> Key {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends a text.
    pub fn text(mut self, text: &str) -> Key {
        escape(text.as_bytes(), &mut self.0);
        self
    }

    /// The key, or the prefix of keys.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Takes the parts of a stored key, in the order in which they were appended.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'k>(&'k [u8]);

impl<'k> Parts<'k> {
    /// What follows the kind; none if the key is of another kind.
    pub fn of(kind: u8, stored: &'k [u8]) -> Option<Parts<'k>> {
        let rest = stored.strip_prefix(&GROUP.to_be_bytes())?;
        rest.strip_prefix(&[kind]).map(Parts)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// The next number.
    pub fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    /// The next text.
    pub fn text(&mut self) -> Option<String> {
        let (text, rest) = unescape(self.0)?;
        self.0 = rest;
        String::from_utf8(text).ok()
    }

    /// Nothing is left.
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The value of a row; none if there is no such row.
pub fn read<R: Record>(view: &dyn View, table: Table, key: &[u8]) -> Result<Option<R>, StorageError> {
    view.get(table, key)?.map(|row| value(&row)).transpose()
}

/// The value in stored bytes.
pub fn value<R: Record>(row: &[u8]) -> Result<R, StorageError> {
    codec::decode(row).map_err(|error| corrupt("reading a row", &error))
}

/// Sets a row.
pub fn write<R: Record>(stage: &mut dyn Stage, table: Table, key: Vec<u8>, value: &R) -> Result<(), StorageError> {
    let row = codec::encode(value).map_err(|error| corrupt("writing a row", &error))?;
    stage.put(table, key, row);
    Ok(())
}

/// Key and value of a row, as they are stored.
pub type Stored = (Vec<u8>, Vec<u8>);

/// The first row whose key starts with `prefix`.
pub fn first(view: &dyn View, table: Table, prefix: &[u8]) -> Result<Option<Stored>, StorageError> {
    let mut found = None;
    scan(view, table, prefix, &mut |key, row| {
        found = Some((key.to_vec(), row.to_vec()));
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Visits the rows whose keys start with `prefix`, in order.
pub fn scan(view: &dyn View, table: Table, prefix: &[u8], visit: Visit<'_>) -> Result<(), StorageError> {
    let end = successor(prefix);
    view.scan(table, Bound::Included(prefix), up_to(end.as_ref()), false, visit)
}

/// The least byte string above every one that starts with `prefix`; none if there is no such string.
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut out = prefix[..=last].to_vec();
    out[last] += 1;
    Some(out)
}

/// `Excluded` of a bound that there is, `Unbounded` otherwise.
pub fn up_to(end: Option<&Vec<u8>>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_slice()))
}

/// Appends bytes that something follows: a zero byte becomes `00 FF`, and the end is `00 00`.
pub fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// The bytes that were escaped, and what follows them.
pub fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|byte| *byte == 0)?;
        out.extend_from_slice(&rest[..zero]);
        let after = *rest.get(zero + 1)?;
        rest = &rest[zero + 2..];
        match after {
            0 => return Some((out, rest)),
            0xFF => out.push(0),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_of_a_prefix_skips_trailing_ff() {
        assert_eq!(successor(b"a\xFF"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xFF\xFF"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn a_key_gives_back_its_parts_and_its_layout_is_frozen() {
        let key = Key::of(7).byte(3).text("a\0b").number(5).done();
        assert_eq!(key, [0, 0, 7, 3, b'a', 0, 0xFF, b'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        let mut parts = Parts::of(7, &key).unwrap();
        assert_eq!(parts.byte(), Some(3));
        assert_eq!(parts.text().as_deref(), Some("a\0b"));
        assert_eq!(parts.end(), None);
        assert_eq!(parts.number(), Some(5));
        assert_eq!(parts.end(), Some(()));
        assert!(Parts::of(8, &key).is_none());
    }
}
