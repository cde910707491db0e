//! The keys that a cache wants to hear of.

use std::collections::{HashMap, HashSet};

use crate::types::DomainId;

/// What a key costs beside its bytes, here and in the index.
const KEY_OVERHEAD_BYTES: usize = 128;

/// Keys by domain.
#[derive(Debug, Default)]
pub(in crate::watch) struct KeySet {
    domains: HashMap<DomainId, HashSet<Vec<u8>>>,
    count: usize,
    bytes: usize,
}

impl KeySet {
    pub(in crate::watch) fn len(&self) -> usize {
        self.count
    }

    pub(in crate::watch) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What it takes, here and in the index.
    pub(in crate::watch) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::watch) fn contains(&self, domain: DomainId, key: &[u8]) -> bool {
        self.domains.get(&domain).is_some_and(|keys| keys.contains(key))
    }

    /// Whether it was not there.
    pub(in crate::watch) fn insert(&mut self, domain: DomainId, key: &[u8]) -> bool {
        let is_new = self.domains.entry(domain).or_default().insert(key.to_vec());
        if is_new {
            self.count += 1;
            self.bytes += Self::cost(key);
        }
        is_new
    }

    /// Whether it was there.
    pub(in crate::watch) fn remove(&mut self, domain: DomainId, key: &[u8]) -> bool {
        let Some(keys) = self.domains.get_mut(&domain) else {
            return false;
        };
        let was_there = keys.remove(key);
        if was_there {
            self.count -= 1;
            self.bytes -= Self::cost(key);
        }
        if keys.is_empty() {
            self.domains.remove(&domain);
        }
        was_there
    }

    pub(in crate::watch) fn iter(&self) -> impl Iterator<Item = (DomainId, &[u8])> {
        let each = |(domain, keys): (&DomainId, _)| (*domain, keys);
        let all = self.domains.iter().map(each);
        all.flat_map(|(domain, keys): (DomainId, &HashSet<Vec<u8>>)| {
            keys.iter().map(move |key| (domain, key.as_slice()))
        })
    }

    /// The domains of which it has keys.
    pub(in crate::watch) fn domains(&self) -> impl Iterator<Item = DomainId> {
        self.domains.keys().copied()
    }

    /// What one key takes.
    pub(in crate::watch) fn cost(key: &[u8]) -> usize {
        key.len() + KEY_OVERHEAD_BYTES
    }
}
