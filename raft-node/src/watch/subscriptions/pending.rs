//! What changed and was not sent yet, each key once.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use quorate_eventual::ShardNumber;

/// Keys that may be pending for one subscription.
pub const PENDING_KEYS_MAX: usize = 65_536;
/// Bytes of them.
pub const PENDING_BYTES_MAX: usize = 16 << 20;
/// What a key costs beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 64;

/// A key of which something is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where it is.
    pub shard: ShardNumber,
    /// Its bytes; of a set or a map, those before the element.
    pub key: Arc<[u8]>,
    /// The last that happened to it: a value ended.
    pub ended: bool,
}

/// Keys in the order of their bytes. They are taken in turns, so that one that changes all the time holds up no other.
#[derive(Debug, Default)]
pub struct Pending {
    keys: BTreeMap<Arc<[u8]>, (ShardNumber, bool)>,
    bytes: usize,
    last: Option<Arc<[u8]>>,
}

impl Pending {
    /// Notes a change. False: there is no room for it.
    #[must_use]
    pub fn put(&mut self, changed: &Changed) -> bool {
        if let Some((_, ended)) = self.keys.get_mut(&changed.key) {
            *ended = changed.ended;
            return true;
        }
        let bytes = cost(&changed.key);
        if self.keys.len() >= PENDING_KEYS_MAX || self.bytes + bytes > PENDING_BYTES_MAX {
            return false;
        }
        self.bytes += bytes;
        self.keys
            .insert(Arc::clone(&changed.key), (changed.shard, changed.ended));
        true
    }

    /// The next.
    pub fn take(&mut self) -> Option<Changed> {
        let after = self.last.as_ref().and_then(|last| {
            let rest = (Bound::Excluded(Arc::clone(last)), Bound::Unbounded);
            self.keys.range(rest).next().map(|(key, _)| Arc::clone(key))
        });
        let key = after.or_else(|| self.keys.keys().next().cloned())?;
        let (shard, ended) = self.keys.remove(&key)?;
        self.bytes -= cost(&key);
        self.last = Some(Arc::clone(&key));
        Some(Changed { shard, key, ended })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.bytes = 0;
    }

    /// Nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What is kept takes so much.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keys.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

fn cost(key: &[u8]) -> usize {
    key.len() + KEY_OVERHEAD_BYTES
}
