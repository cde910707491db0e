//! What a domain holds, and what happened to it, counted where it happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::kind::Strategy;

/// Of one domain, over all shards.
#[derive(Debug, Default)]
pub struct DomainCounts {
    entries: AtomicI64,
    bytes: AtomicI64,
    siblings: AtomicI64,
    cold_values: AtomicI64,
    cold_bytes: AtomicI64,
    /// Values whose end came.
    pub expired: AtomicU64,
    /// Entries that went because memory was short.
    pub evicted: AtomicU64,
    /// Writes that were refused because the domain is nearly full.
    pub refused: AtomicU64,
    /// Values that came to stand beside one that had been written concurrently, by strategy.
    conflicts: [AtomicU64; Strategy::ALL.len()],
}

impl DomainCounts {
    /// Entries.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed).max(0) as u64
    }

    /// Keys, values and what is kept with them, in memory: cold values are not counted.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).max(0) as u64
    }

    /// Values that stand beside another one of their entry.
    pub fn siblings(&self) -> u64 {
        self.siblings.load(Ordering::Relaxed).max(0) as u64
    }

    /// Values that are on the disk alone.
    pub fn cold_values(&self) -> u64 {
        self.cold_values.load(Ordering::Relaxed).max(0) as u64
    }

    /// Bytes of values that are on the disk alone.
    pub fn cold_bytes(&self) -> u64 {
        self.cold_bytes.load(Ordering::Relaxed).max(0) as u64
    }

    /// Conflicts of a strategy.
    pub fn conflicts(&self, strategy: Strategy) -> u64 {
        self.conflicts[strategy as usize - 1].load(Ordering::Relaxed)
    }
}

/// The counts of every domain, shared by all shards.
#[derive(Debug, Default)]
pub struct AllCounts {
    domains: RwLock<HashMap<u32, Arc<DomainCounts>>>,
}

impl AllCounts {
    /// Those of a domain.
    pub fn domain(&self, domain: u32) -> Arc<DomainCounts> {
        if let Some(counts) = self.domains.read().get(&domain) {
            return Arc::clone(counts);
        }
        Arc::clone(self.domains.write().entry(domain).or_default())
    }

    /// Every domain that was counted, by id.
    pub fn all(&self) -> Vec<(u32, Arc<DomainCounts>)> {
        let mut all: Vec<_> = self
            .domains
            .read()
            .iter()
            .map(|(id, counts)| (*id, Arc::clone(counts)))
            .collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

/// A shard's way to the counts: those of the domains it has seen are found without a lock.
#[derive(Debug)]
pub struct Counts {
    all: Arc<AllCounts>,
    seen: SmallVec<[Seen; 4]>,
}

#[derive(Debug)]
struct Seen {
    domain: u32,
    counts: Arc<DomainCounts>,
    /// In this shard alone.
    held: Held,
}

/// What one shard holds of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Entries.
    pub entries: u64,
    /// Keys, values and what is kept with them.
    pub bytes: u64,
}

impl Counts {
    /// Counts into `all`.
    pub fn new(all: Arc<AllCounts>) -> Self {
        Counts {
            all,
            seen: SmallVec::new(),
        }
    }

    fn seen(&mut self, domain: u32) -> &mut Seen {
        let place = match self.seen.iter().position(|seen| seen.domain == domain) {
            Some(place) => place,
            None => {
                self.seen.push(Seen {
                    domain,
                    counts: self.all.domain(domain),
                    held: Held::default(),
                });
                self.seen.len() - 1
            }
        };
        &mut self.seen[place]
    }

    fn of(&mut self, domain: u32) -> &DomainCounts {
        &self.seen(domain).counts
    }

    /// What the shard holds of a domain.
    pub fn held(&self, domain: u32) -> Held {
        let found = self.seen.iter().find(|seen| seen.domain == domain);
        found.map(|seen| seen.held).unwrap_or_default()
    }

    /// An entry went from `before` to `after` bytes.
    pub fn resize(&mut self, domain: u32, before: u64, after: u64) {
        self.resize_with(domain, before, after, 0);
    }

    /// Something went from `before` to `after` bytes, and there are `entries` more.
    pub fn resize_with(&mut self, domain: u32, before: u64, after: u64, entries: i64) {
        let seen = self.seen(domain);
        seen.held.bytes = (seen.held.bytes + after).saturating_sub(before);
        seen.held.entries = seen.held.entries.saturating_add_signed(entries);
        let counts = &seen.counts;
        if before != after {
            counts.bytes.fetch_add(after as i64 - before as i64, Ordering::Relaxed);
        }
        if entries != 0 {
            counts.entries.fetch_add(entries, Ordering::Relaxed);
        }
    }

    /// Of the values that stand beside another one there are so many more.
    pub fn siblings(&mut self, domain: u32, more: i64) {
        if more != 0 {
            self.of(domain).siblings.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// There are so many more cold values, with so many more bytes.
    pub fn cold(&mut self, domain: u32, values: i64, bytes: i64) {
        let counts = self.of(domain);
        counts.cold_values.fetch_add(values, Ordering::Relaxed);
        counts.cold_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// An entry went because memory was short.
    pub fn evicted(&mut self, domain: u32) {
        self.of(domain).evicted.fetch_add(1, Ordering::Relaxed);
    }

    /// A value's end came.
    pub fn expired(&mut self, domain: u32) {
        self.of(domain).expired.fetch_add(1, Ordering::Relaxed);
    }

    /// Values met that had been written concurrently.
    pub fn conflict(&mut self, domain: u32, strategy: Strategy) {
        self.of(domain).conflicts[strategy as usize - 1].fetch_add(1, Ordering::Relaxed);
    }
}
