//! Values leave the memory.

use std::sync::Arc;
use std::time::Duration;

use quorate_eventual::ShardNumber;

use crate::eventual::Tier;
use crate::eventual::limits::shards_of;
use crate::mvcc::EventualDomain;

/// Values that are looked for under one lock, each drawn from a few.
const VICTIMS_MAX: usize = 16;
/// A client's write that finds its domain full makes so much room at most, in percent of the limit.
const ROOM_PERCENT: u64 = 1;
/// After no room was found, none is looked for during this time.
const SEARCH_AGAIN: Duration = Duration::from_millis(100);

impl Tier {
    /// Values of a shard leave the memory, those that the policy of their domain gives up first, until so many bytes went. What
    /// is not on the disk stays. Returns how many bytes went: none if nothing more can.
    pub(in crate::eventual) fn chill_some(&self, domain: u32, number: ShardNumber, wanted: u64) -> u64 {
        let Some(disk) = self.disk() else { return 0 };
        let victims = self.store.lock(number).victims(domain, VICTIMS_MAX);
        let mut gone = 0;
        for key in victims {
            if gone >= wanted {
                break;
            }
            match disk.stored(number, &key, self.store.actors()) {
                Ok(Some(stored)) => gone += self.store.lock(number).chill(&stored),
                Ok(None) => {}
                Err(reason) => {
                    self.lost(number, reason);
                    break;
                }
            }
        }
        gone
    }

    /// Everything that was written is on the disk when it returns. False if it could not be written.
    pub(in crate::eventual) async fn flush_now(self: &Arc<Self>) -> bool {
        let Some(disk) = self.disk() else { return false };
        let tier = Arc::clone(self);
        let flushed = tokio::task::spawn_blocking(move || disk.flush(&tier)).await;
        matches!(flushed, Ok(Ok(())))
    }

    /// Makes room in a domain in which 90 % of the bytes are taken, for a write that comes now: the sweep may be a moment
    /// late, and what was just written is not on the disk yet. No shard may be locked by the caller. False if there is nothing
    /// more that could leave the memory.
    pub(in crate::eventual) fn make_room(&self, domain: &EventualDomain, first: ShardNumber) -> bool {
        let counts = self.store.counts().domain(domain.id.0);
        let held = || counts.bytes();
        let wanted = (u128::from(domain.bytes_max) * u128::from(90 - ROOM_PERCENT) / 100) as u64;
        let mut searched_in_vain = self.searched_in_vain.lock();
        let now = self.monotonic();
        let too_soon = searched_in_vain
            .get(&domain.id)
            .is_some_and(|at| now < *at + SEARCH_AGAIN);
        if too_soon || held() <= wanted {
            return !too_soon;
        }
        let mut gone = 0;
        for flushes in [false, true] {
            if flushes && self.disk().is_none_or(|disk| disk.flush(self).is_err()) {
                break;
            }
            for number in shards_of(domain, first.get()) {
                if held() <= wanted {
                    searched_in_vain.remove(&domain.id);
                    return true;
                }
                gone += self.chill_some(domain.id.0, number, held().saturating_sub(wanted));
            }
        }
        // Where something went, others may have written as much meanwhile.
        if gone == 0 && held() > wanted {
            searched_in_vain.insert(domain.id, self.monotonic());
        }
        gone > 0 || held() <= wanted
    }
}
