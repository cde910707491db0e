//! Values whose end has come.
//!
//! When a value ends is part of it, so every member drops it by itself, and no operation says so. Reads hide it from its end
//! on; it is dropped a little later, so that a member whose clock is behind still has what it may show.

use super::Shard;
use crate::dot::Dot;
use crate::key::Key;

/// A value is dropped this long after its end, in milliseconds: twice the difference of clocks that is tolerated.
pub const DROP_AFTER_MS: u64 = 1_000;

impl Shard {
    /// Drops values that ended more than a second ago, those that ended first before others, until it dropped `max` or, with
    /// the last key's, a few more. Returns how many.
    pub fn drop_ended(&mut self, now_ms: u64, max: usize) -> usize {
        let before_ms = now_ms.saturating_sub(DROP_AFTER_MS);
        let mut dropped = 0;
        while dropped < max {
            let Some((end, slot)) = self.endings.first().copied() else {
                break;
            };
            if end > before_ms {
                break;
            }
            self.endings.pop_first();
            let Some(entry) = self.entries.get(slot as usize) else {
                continue;
            };
            let over: Vec<(Key, Dot)> = entry
                .siblings()
                .filter(|sibling| sibling.life.is_over(before_ms))
                .map(|sibling| (entry.key.clone(), sibling.dot))
                .collect();
            for (key, dot) in over {
                if self.remove(&key, dot).is_some() {
                    dropped += 1;
                    self.counts.expired(key.domain());
                    self.touched(&key);
                    self.note_ended(&key);
                }
            }
        }
        dropped
    }
}
