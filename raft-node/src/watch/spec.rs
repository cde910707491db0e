//! What a watch asks for.

use std::time::Duration;

use crate::mvcc::{ChangeKind, Selector};
use crate::types::{DomainId, Space};

/// A watch, checked.
#[derive(Clone, Debug)]
pub struct WatchSpec {
    /// What is watched; an event that several select comes once.
    pub selectors: Vec<(Space, Selector)>,
    /// The names of the domains in `selectors`: they come with the events.
    pub domains: Vec<(DomainId, String)>,
    /// Leave out writes of keys.
    pub no_puts: bool,
    /// Leave out deletions and expiries of keys.
    pub no_deletes: bool,
    /// What of an event comes.
    pub shape: Shape,
    /// A mark is sent this often.
    pub mark_interval: Option<Duration>,
    /// Of a watch of the eventual tier: which of its domains are volatile, by their ids. Such a watch is never live and never
    /// behind: it gets latest values.
    pub latest: Option<Vec<DomainId>>,
    /// Of a cache: it selects nothing, keys are named when it is there.
    pub cache: Option<CacheSpec>,
}

/// What a cache asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSpec {
    /// Writes of coherent domains wait for it.
    pub coherent: bool,
}

/// How an event of a key is sent. Watches of one shape share its encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    /// With the record before.
    pub previous: bool,
    /// Records without values.
    pub keys_only: bool,
}

impl WatchSpec {
    /// Bytes of what the selectors name.
    pub(super) fn selector_bytes(&self) -> usize {
        let bytes = self.selectors.iter().map(|(_, selector)| match selector {
            Selector::Key(name) | Selector::Prefix(name) => name.len(),
            Selector::Interval { start, end } => start.len() + end.len(),
            Selector::Pattern(pattern) => pattern.len(),
        });
        bytes.sum()
    }

    /// It is a cache that writes wait for.
    pub(super) fn is_coherent(&self) -> bool {
        self.cache.is_some_and(|cache| cache.coherent)
    }

    /// It is of the eventual tier, and has domains that are durable, and that are volatile.
    pub(super) fn durability(&self) -> (bool, bool) {
        let Some(volatile) = &self.latest else {
            return (false, false);
        };
        let is_volatile = |(id, _): &(DomainId, String)| volatile.contains(id);
        (
            !self.domains.iter().all(is_volatile),
            self.domains.iter().any(is_volatile),
        )
    }

    /// Whether the filters let events of this kind pass; none is an event of something else than a key.
    pub(super) fn passes(&self, kind: Option<ChangeKind>) -> bool {
        match kind {
            Some(ChangeKind::Put) => !self.no_puts,
            Some(ChangeKind::Delete | ChangeKind::Expire) => !self.no_deletes,
            None => true,
        }
    }
}

impl Shape {
    /// How many there are.
    pub(super) const COUNT: usize = 4;

    /// Its number, below [`Shape::COUNT`].
    pub(super) fn number(self) -> usize {
        usize::from(self.previous) + 2 * usize::from(self.keys_only)
    }
}
