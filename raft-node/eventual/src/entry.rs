//! What a key holds.

use triomphe::ThinArc;

use crate::dot::Dot;
use crate::hlc::Hlc;
use crate::key::Key;
use crate::kind::Strategy;

/// Bytes that an entry costs beside its key and values: its slot, its place in the index, two heads of what is shared and
/// what the allocator adds to them. Measured with a million entries: `examples/shard_speed.rs`.
pub const ENTRY_OVERHEAD_BYTES: u64 = 144;
/// Bytes that each further sibling costs beside its value.
pub const SIBLING_OVERHEAD_BYTES: u64 = 64;

/// Bytes that a client wrote. Eight bytes; whoever needs them shares one copy.
///
/// A cold value is on the member's disk alone, and only that it is there is in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Option<ThinArc<(), u8>>);

impl Value {
    /// A value that is on the disk alone.
    pub(crate) const COLD: Value = Value(None);

    /// Keeps the bytes.
    pub fn keep(bytes: &[u8]) -> Self {
        Value(Some(ThinArc::from_header_and_slice((), bytes)))
    }

    /// The bytes are not in memory.
    pub fn is_cold(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes; none of a cold value.
    pub fn in_memory(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|kept| &kept.slice)
    }

    /// The bytes.
    ///
    /// # Panics
    ///
    /// If it is cold. Whoever may meet a cold value brings it from the disk first: to take it for an empty one would be to
    /// answer wrong.
    pub fn bytes(&self) -> &[u8] {
        match self.in_memory() {
            Some(bytes) => bytes,
            None => panic!("a cold value was not brought from the disk before it was used"),
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.in_memory() {
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            None => f.write_str("cold"),
        }
    }
}

/// How long a value lives, and how it becomes one with others: 48 bits of milliseconds since 1970 (0: for ever), 8 of
/// strategy, 8 free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Life(u64);

impl Life {
    /// Until `expires_at_ms`; 0 is for ever.
    pub fn new(expires_at_ms: u64, strategy: Strategy) -> Self {
        Life(expires_at_ms.min((1 << 48) - 1) << 16 | u64::from(strategy as u8) << 8)
    }

    /// When it ends, in milliseconds since 1970; 0: never.
    pub fn expires_at_ms(self) -> u64 {
        self.0 >> 16
    }

    /// The strategy.
    pub fn strategy(self) -> Strategy {
        Strategy::from_number((self.0 >> 8) as u8).unwrap_or_default()
    }

    /// It has an end.
    pub fn ends(self) -> bool {
        self.expires_at_ms() != 0
    }

    /// Its end has come.
    pub fn is_over(self, now_ms: u64) -> bool {
        self.ends() && self.expires_at_ms() <= now_ms
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} until {}", self.strategy(), self.expires_at_ms())
    }
}

/// One of the values of a key that stand beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// The operation that wrote it.
    pub dot: Dot,
    /// When.
    pub hlc: Hlc,
    /// How long it lives, and how it becomes one with others.
    pub life: Life,
    /// What was written.
    pub value: Value,
}

impl Sibling {
    /// What it costs beside the entry it is in: of a cold value, nothing.
    pub fn bytes(&self) -> u64 {
        self.value.in_memory().map_or(0, |bytes| bytes.len() as u64)
    }
}

/// What a key holds: at least one sibling.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The address.
    pub key: Key,
    /// When and how often it was used, as the policy of its domain counts.
    pub usage: crate::policy::Usage,
    first: Sibling,
    /// The others. Hardly any entry has any, and a list in the entry would be three words.
    #[allow(clippy::box_collection, reason = "one word instead of three")]
    more: Option<Box<Vec<Sibling>>>,
}

impl Entry {
    /// A key with one value.
    pub fn new(key: Key, usage: crate::policy::Usage, sibling: Sibling) -> Self {
        Entry {
            key,
            usage,
            first: sibling,
            more: None,
        }
    }

    /// All of them.
    pub fn siblings(&self) -> impl Iterator<Item = &Sibling> + Clone {
        std::iter::once(&self.first).chain(self.more.iter().flat_map(|more| more.iter()))
    }

    /// All of them, to move their values.
    pub fn siblings_mut(&mut self) -> impl Iterator<Item = &mut Sibling> {
        std::iter::once(&mut self.first).chain(self.more.iter_mut().flat_map(|more| more.iter_mut()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        1 + self.more.as_ref().map_or(0, |more| more.len())
    }

    /// One more.
    pub fn push(&mut self, sibling: Sibling) {
        self.more.get_or_insert_default().push(sibling);
    }

    /// The sibling that this operation wrote.
    pub fn get(&self, dot: Dot) -> Option<&Sibling> {
        self.siblings().find(|sibling| sibling.dot == dot)
    }

    /// Takes a sibling out. `Err` with the sibling if it was the last: the entry has to go.
    pub fn take(&mut self, dot: Dot) -> Option<Result<Sibling, Sibling>> {
        if self.first.dot == dot {
            let Some(next) = self.more.as_mut().and_then(|more| more.pop()) else {
                return Some(Err(self.first.clone()));
            };
            self.shrink();
            return Some(Ok(std::mem::replace(&mut self.first, next)));
        }
        let more = self.more.as_mut()?;
        let place = more.iter().position(|sibling| sibling.dot == dot)?;
        let taken = more.swap_remove(place);
        self.shrink();
        Some(Ok(taken))
    }

    /// Replaces its only sibling. Returns the one before.
    pub fn replace_only(&mut self, sibling: Sibling) -> Sibling {
        std::mem::replace(&mut self.first, sibling)
    }

    fn shrink(&mut self) {
        if self.more.as_ref().is_some_and(|more| more.is_empty()) {
            self.more = None;
        }
    }

    /// The greatest moment of all siblings.
    pub fn newest(&self) -> Hlc {
        self.siblings().map(|sibling| sibling.hlc).max().unwrap_or_default()
    }

    /// What it costs, as limits count it.
    pub fn bytes(&self) -> u64 {
        let further = self.len() as u64 - 1;
        let values: u64 = self.siblings().map(Sibling::bytes).sum();
        self.key.bytes().len() as u64 + values + ENTRY_OVERHEAD_BYTES + further * SIBLING_OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::ActorIndex;

    #[test]
    fn a_slot_is_small() {
        assert_eq!(size_of::<Value>(), 8);
        assert_eq!(size_of::<Sibling>(), 32);
        assert_eq!(size_of::<Entry>(), 56);
    }

    #[test]
    fn a_life_keeps_its_end_and_its_strategy() {
        let life = Life::new(1_790_000_000_123, Strategy::Siblings);
        assert_eq!(life.expires_at_ms(), 1_790_000_000_123);
        assert_eq!(life.strategy(), Strategy::Siblings);
        assert!(life.is_over(1_790_000_000_123) && !life.is_over(1_790_000_000_122));
        assert!(!Life::new(0, Strategy::Max).is_over(u64::MAX));
    }

    #[test]
    fn siblings_come_and_go_in_any_order() {
        let sibling = |number| Sibling {
            dot: Dot::new(ActorIndex(0), number),
            hlc: Hlc(number),
            life: Life::new(0, Strategy::LastWrite),
            value: Value::keep(&[number as u8]),
        };
        let place = crate::Place::of(crate::Address {
            domain: 1,
            space: crate::Space::Register,
            name: b"k",
            element: None,
        });
        let mut entry = Entry::new(Key::keep(&place), crate::policy::Usage::default(), sibling(1));
        entry.push(sibling(2));
        entry.push(sibling(3));
        assert_eq!(entry.newest(), Hlc(3));
        assert_eq!(entry.take(sibling(1).dot), Some(Ok(sibling(1))));
        assert_eq!(entry.take(sibling(1).dot), None);
        assert_eq!(entry.take(sibling(2).dot), Some(Ok(sibling(2))));
        assert_eq!(entry.len(), 1);
        assert_eq!(entry.take(sibling(3).dot), Some(Err(sibling(3))));
    }
}
