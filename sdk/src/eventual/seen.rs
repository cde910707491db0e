//! What this client has seen of the eventual tier, and which member is known to have it.
//!
//! A token, as members give and take it, is a sequence of *marks*: the length of a key, the key, and a number, both numbers
//! as varints. What a key stands for is the member's business. Two tokens together are a token of both; of two marks with
//! one key the greater number says more.
//!
//! Invariants: a mark is forgotten only when an answer covers it; a mark that the answering process has given, or has
//! waited for, is not sent to that process again.

use std::collections::BTreeMap;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Outcome, Result};

/// A member answers with a token of at most 32 KiB that covers what it was handed, and takes one of 256 KiB. From twice an
/// answer on, a read carries everything, to have it made shorter.
const TOKEN_BYTES_WANTED: usize = 64 << 10;

/// The content of a token: the greatest number of each key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeMap<Bytes, u64>);

impl Marks {
    /// `None` if it is not a sequence of marks.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut marks = Self::default();
        for (key, number) in split(bytes)? {
            marks.raise(Bytes::copy_from_slice(key), number);
        }
        Some(marks)
    }

    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        for (key, number) in &self.0 {
            append_mark(bytes, key, *number);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn raise(&mut self, key: Bytes, number: u64) {
        let known = self.0.entry(key).or_default();
        *known = number.max(*known);
    }
}

#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    /// A process that has it; 0: none is known.
    at: u64,
}

/// What was seen. Its size is bounded by the clocks that the members answer with.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    known: Mutex<AllKnown>,
}

#[derive(Debug, Default)]
struct AllKnown {
    marks: BTreeMap<Bytes, Known>,
    /// How many marks each process has: nearly always there is one process, and nothing to be carried.
    at: BTreeMap<u64, usize>,
    /// As a token.
    bytes: usize,
}

/// What one request carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) token: Bytes,
    marks: Vec<(Bytes, u64)>,
}

impl Seen {
    /// What a read must carry to this process: what it is not known to have.
    pub(crate) fn carried_by_read(&self, process: u64) -> Carried {
        let known = self.known.lock();
        known.carried_to(process, known.bytes > TOKEN_BYTES_WANTED)
    }

    /// What a write must carry to this process.
    pub(crate) fn carried_by_write(&self, process: u64) -> Carried {
        self.known.lock().carried_to(process, false)
    }

    /// The answer of a read: its process has waited for what was carried, and its token covers that.
    pub(crate) fn read(&self, process: u64, carried: &Carried, token: &Bytes) -> Result<()> {
        let answered = parse(token)?;
        let mut known = self.known.lock();
        known.forget(carried);
        for (key, number) in answered {
            known.raise(key, number, process);
        }
        Ok(())
    }

    /// The answer of a write: its token covers what was carried, which its process need not have.
    pub(crate) fn written(&self, process: u64, carried: &Carried, token: &Bytes) -> Result<()> {
        let answered = parse(token)?;
        let mut known = self.known.lock();
        let at = if carried.marks.is_empty() { process } else { 0 };
        known.forget(carried);
        for (key, number) in answered {
            known.raise(key, number, at);
        }
        Ok(())
    }

    /// Some of what was carried was lost, and this is what is left of it.
    pub(crate) fn lost(&self, carried: &Carried, left: &Bytes) -> Result<()> {
        let left = parse(left)?;
        let mut known = self.known.lock();
        known.forget(carried);
        for (key, number) in left {
            known.raise(key, number, 0);
        }
        Ok(())
    }

    /// What another client has seen.
    pub(crate) fn observe(&self, marks: &Marks) {
        let mut known = self.known.lock();
        for (key, number) in &marks.0 {
            known.raise(key, *number, 0);
        }
    }

    pub(crate) fn all(&self) -> Marks {
        let known = self.known.lock();
        Marks(
            known
                .marks
                .iter()
                .map(|(key, known)| (key.clone(), known.number))
                .collect(),
        )
    }
}

impl AllKnown {
    fn carried_to(&self, process: u64, all: bool) -> Carried {
        if !all && self.at.keys().all(|at| *at == process) {
            return Carried::default();
        }
        let wanted = self.marks.iter().filter(|(_, known)| all || known.at != process);
        let marks: Vec<(Bytes, u64)> = wanted.map(|(key, known)| (key.clone(), known.number)).collect();
        let mut token = Vec::new();
        for (key, number) in &marks {
            append_mark(&mut token, key, *number);
        }
        Carried {
            token: token.into(),
            marks,
        }
    }

    /// Drops what was carried, unless more was seen since.
    fn forget(&mut self, carried: &Carried) {
        for (key, number) in &carried.marks {
            if self.marks.get(key).is_some_and(|known| known.number <= *number) {
                self.remove(key);
            }
        }
    }

    /// Every answer to a write has a mark of each shard it was in, and nearly all of them are known with a lower number.
    fn raise(&mut self, key: &[u8], number: u64, at: u64) {
        let Some(known) = self.marks.get_mut(key) else {
            *self.at.entry(at).or_default() += 1;
            self.bytes += mark_len(key, number);
            self.marks.insert(Bytes::copy_from_slice(key), Known { number, at });
            return;
        };
        // Of two processes that have it, the later one to say so is the one that is asked next.
        if number < known.number || (number == known.number && (at == 0 || at == known.at)) {
            return;
        }
        let before = std::mem::replace(known, Known { number, at });
        self.bytes = self.bytes + mark_len(key, number) - mark_len(key, before.number);
        if before.at != at {
            *self.at.entry(at).or_default() += 1;
            self.one_less(before.at);
        }
    }

    fn remove(&mut self, key: &Bytes) {
        if let Some(known) = self.marks.remove(key) {
            self.bytes -= mark_len(key, known.number);
            self.one_less(known.at);
        }
    }

    fn one_less(&mut self, at: u64) {
        if let Some(count) = self.at.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.at.remove(&at);
            }
        }
    }
}

/// The marks of a token, as they are; `None` if it is not a sequence of marks.
fn split(mut bytes: &[u8]) -> Option<Vec<(&[u8], u64)>> {
    let mut marks = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
        let (key, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        marks.push((key, take_varint(&mut bytes)?));
    }
    Some(marks)
}

fn parse(token: &[u8]) -> Result<Vec<(&[u8], u64)>> {
    split(token).ok_or_else(|| {
        let message = "the member answered with a token that cannot be read";
        Error::new(ErrorKind::Protocol, Outcome::Unknown, message)
    })
}

fn append_mark(bytes: &mut Vec<u8>, key: &[u8], number: u64) {
    append_varint(bytes, key.len() as u64);
    bytes.extend_from_slice(key);
    append_varint(bytes, number);
}

fn mark_len(key: &[u8], number: u64) -> usize {
    prost::length_delimiter_len(key.len()) + key.len() + prost::encoding::encoded_len_varint(number)
}

pub(crate) fn append_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(marks: &[(&'static str, u64)]) -> Bytes {
        let mut bytes = Vec::new();
        for (key, number) in marks {
            append_mark(&mut bytes, key.as_bytes(), *number);
        }
        bytes.into()
    }

    const HERE: u64 = 7;
    const THERE: u64 = 8;

    #[test]
    fn a_process_is_not_told_what_it_said_itself() {
        let seen = Seen::default();
        seen.written(HERE, &Carried::default(), &token(&[("a", 1)])).unwrap();
        assert_eq!(seen.carried_by_read(HERE).token, Bytes::new());
        assert_eq!(seen.carried_by_read(THERE).token, token(&[("a", 1)]));
    }

    #[test]
    fn answers_of_concurrent_calls_are_all_remembered() {
        let seen = Seen::default();
        let nothing = Carried::default();
        seen.written(HERE, &nothing, &token(&[("a", 2)])).unwrap();
        seen.written(HERE, &nothing, &token(&[("b", 5)])).unwrap();
        seen.written(HERE, &nothing, &token(&[("a", 1)])).unwrap();
        assert_eq!(seen.carried_by_read(THERE).token, token(&[("a", 2), ("b", 5)]));
    }

    #[test]
    fn a_read_that_carried_a_mark_proves_that_the_process_has_it() {
        let seen = Seen::default();
        seen.written(HERE, &Carried::default(), &token(&[("a", 1)])).unwrap();
        let carried = seen.carried_by_read(THERE);
        seen.read(THERE, &carried, &token(&[("a", 1), ("c", 3)])).unwrap();
        assert_eq!(seen.carried_by_read(THERE).token, Bytes::new());
    }

    #[test]
    fn a_write_that_carried_a_mark_does_not_prove_that_the_process_has_it() {
        let seen = Seen::default();
        seen.written(HERE, &Carried::default(), &token(&[("a", 1)])).unwrap();
        let carried = seen.carried_by_read(THERE);
        seen.written(THERE, &carried, &token(&[("a", 1), ("b", 1)])).unwrap();
        assert_eq!(seen.carried_by_read(THERE).token, token(&[("a", 1), ("b", 1)]));
    }

    #[test]
    fn what_was_seen_while_a_read_was_under_way_survives_its_answer() {
        let seen = Seen::default();
        seen.written(HERE, &Carried::default(), &token(&[("a", 1)])).unwrap();
        let carried = seen.carried_by_read(THERE);
        seen.written(HERE, &Carried::default(), &token(&[("a", 2)])).unwrap();
        // The answer covers `a` up to 1 in a shorter form of its own.
        seen.read(THERE, &carried, &token(&[("all", 9)])).unwrap();
        assert_eq!(seen.carried_by_read(THERE).token, token(&[("a", 2)]));
    }

    #[test]
    fn what_was_lost_is_replaced_by_what_is_left() {
        let seen = Seen::default();
        seen.written(HERE, &Carried::default(), &token(&[("a", 4), ("b", 1)]))
            .unwrap();
        let carried = seen.carried_by_read(THERE);
        seen.lost(&carried, &token(&[("b", 1)])).unwrap();
        assert_eq!(seen.carried_by_read(THERE).token, token(&[("b", 1)]));
    }

    #[test]
    fn a_read_carries_everything_once_it_is_more_than_a_token_should_be() {
        let seen = Seen::default();
        let mark = |n: u64| (Bytes::copy_from_slice(&n.to_be_bytes()), n);
        let marks_of = |count| Marks((0..count).map(mark).collect());
        let marks = marks_of(300);
        let mut bytes = Vec::new();
        marks.append_to(&mut bytes);
        seen.read(HERE, &Carried::default(), &bytes.clone().into()).unwrap();
        assert!(bytes.len() < TOKEN_BYTES_WANTED);
        assert_eq!(seen.carried_by_read(HERE).token, Bytes::new());
        let more = marks_of(8_000);
        more.append_to(&mut bytes);
        seen.read(HERE, &Carried::default(), &bytes.into()).unwrap();
        let carried = seen.carried_by_read(HERE);
        assert_eq!(Marks::parse(&carried.token), Some(more));
        assert_eq!(seen.carried_by_write(HERE).token, Bytes::new());
        // The answer covers it all in few words.
        seen.read(HERE, &carried, &token(&[("all", 1)])).unwrap();
        assert_eq!(seen.carried_by_read(THERE).token, token(&[("all", 1)]));
        assert_eq!(seen.known.lock().bytes, token(&[("all", 1)]).len());
    }

    #[test]
    fn varints_of_any_size_survive_and_longer_ones_are_refused() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            append_varint(&mut bytes, number);
            assert_eq!(take_varint(&mut bytes.as_slice()), Some(number));
        }
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take_varint(&mut [0x80].as_slice()), None);
    }
}
