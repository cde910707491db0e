//! Every key that there is: shard after shard, in a circle.

use std::collections::VecDeque;

use quorate_eventual::{Address, SHARDS_PER_SET, ShardNumber};

use super::pending::Changed;
use crate::eventual::Tier;
use crate::types::{DomainId, Space};
use crate::watch::spec::WatchSpec;

/// Goes round all shards of the domains that are watched. It can be made to go round once more at any time: it goes on
/// where it is, so that it comes past everything however often that happens.
#[derive(Debug)]
pub(super) struct Walk {
    shards: Vec<ShardNumber>,
    next: usize,
    /// Shards that are still to be visited.
    left: usize,
    /// Keys of the shard that was visited last.
    keys: VecDeque<Changed>,
}

impl Walk {
    /// Through the shards of durable domains, of volatile ones, or both.
    pub(super) fn new(durable: bool, volatile: bool) -> Self {
        let shards = ShardNumber::all().filter(|shard| if shard.is_volatile() { volatile } else { durable });
        let shards: Vec<ShardNumber> = shards.collect();
        debug_assert!(shards.len() >= usize::from(SHARDS_PER_SET), "something is watched");
        Walk {
            next: 0,
            left: 0,
            shards,
            keys: VecDeque::new(),
        }
    }

    /// Everything from here on, once.
    pub(super) fn go_round(&mut self) {
        self.left = self.shards.len();
    }

    /// It has come round.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0 && self.keys.is_empty()
    }

    /// The next key, perhaps of something that has gone by now. None when it has come round, or after `looks` shards, which
    /// are counted down.
    pub(super) fn next(&mut self, tier: &Tier, spec: &WatchSpec, looks: &mut usize) -> Option<Changed> {
        while self.keys.is_empty() && self.left > 0 && *looks > 0 {
            *looks -= 1;
            let shard = self.shards.get(self.next).copied()?;
            self.next = (self.next + 1) % self.shards.len();
            self.left -= 1;
            let found = tier.store.lock(shard).matching(|bytes| selects(spec, bytes));
            self.keys = found
                .into_iter()
                .map(|key| Changed {
                    shard,
                    key: key.into(),
                    ended: false,
                })
                .collect();
        }
        self.keys.pop_front()
    }
}

fn selects(spec: &WatchSpec, bytes: &[u8]) -> bool {
    let Ok(address) = Address::decode(bytes) else {
        return false;
    };
    let domain = Space::Keys(DomainId(address.domain));
    spec.selectors
        .iter()
        .any(|(space, selector)| *space == domain && selector.matches(address.name))
}
