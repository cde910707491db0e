//! Shards of which a frame was refused because something before it is missing.

use std::collections::BTreeMap;

use quorate_eventual::ShardNumber;

/// Of one stream: shard -> how far the sender's operations have to be here before nothing is missing.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    wanted: BTreeMap<ShardNumber, u64>,
}

impl Gaps {
    /// A frame up to `number` was refused.
    pub(super) fn found(&mut self, shard: ShardNumber, number: u64) {
        let wanted = self.wanted.entry(shard).or_default();
        *wanted = number.max(*wanted);
    }

    /// The sender's operations are here up to `number`.
    pub(super) fn reached(&mut self, shard: ShardNumber, number: u64) {
        if self.wanted.get(&shard).is_some_and(|wanted| number >= *wanted) {
            self.wanted.remove(&shard);
        }
    }

    /// Nothing is missing.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_closed_by_all_that_was_refused() {
        let Some(shard) = ShardNumber::new(3) else { panic!() };
        let mut gaps = Gaps::default();
        gaps.found(shard, 10);
        gaps.found(shard, 12);
        gaps.reached(shard, 11);
        assert!(!gaps.is_empty());
        gaps.reached(shard, 12);
        assert!(gaps.is_empty());
    }
}
