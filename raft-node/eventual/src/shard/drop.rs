//! Entries of domains that were dropped.

use super::Shard;
use crate::dot::Dot;

/// How far a shard was looked through for the entries of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropping {
    /// There is more: the next look begins here.
    From(usize),
    /// All was looked at.
    Done,
}

impl Shard {
    /// Takes away the entries of a domain, looking at no more than `looks_max` places from `from` on (0 at first).
    ///
    /// No operation says so: that the domain is gone is agreed elsewhere, its id never comes back, and every member does the
    /// same.
    pub fn drop_domain(&mut self, domain: u32, from: usize, looks_max: usize) -> Dropping {
        let end = self.entries.capacity().min(from.saturating_add(looks_max));
        for slot in from..end {
            let Some(entry) = self.entries.get(slot).filter(|entry| entry.key.domain() == domain) else {
                continue;
            };
            let key = entry.key.clone();
            let dots: Vec<Dot> = entry.siblings().map(|sibling| sibling.dot).collect();
            for dot in dots {
                self.remove(&key, dot);
            }
            self.touched(&key);
        }
        if end < self.entries.capacity() {
            Dropping::From(end)
        } else {
            Dropping::Done
        }
    }
}
