//! The way of latest values into the outbox of their stream.

use std::sync::Arc;

use quorate_proto::v1::{ResponseHeader, WatchMark};

use super::hub::Hub;
use super::outbox::Delivery;
use super::subscriptions::Place;
use super::watches::WatchKey;

/// All under the lock of the watches: one that has ended gives its place in the outbox to another.
impl Hub {
    /// How the watch stands with its outbox. If its client has not read everything, it is told when it may go on.
    pub(super) fn place_of(&self, key: WatchKey) -> Place {
        let watches = self.watches.lock();
        match watches.get(key) {
            None => Place::Gone,
            Some(watch) if watch.outbox.is_read_by(watch.slot) => Place::Read,
            Some(_) => Place::Full,
        }
    }

    /// Puts events in. If there is no room, the watch is told when there is, unless all outboxes of the member are full.
    pub(super) fn offer(&self, key: WatchKey, delivery: &Arc<Delivery>) -> Place {
        let watches = self.watches.lock();
        let Some(watch) = watches.get(key) else {
            return Place::Gone;
        };
        let mut refused = Vec::new();
        watch.outbox.push(&[watch.slot], delivery, &mut refused);
        if refused.is_empty() { Place::Read } else { Place::Full }
    }

    /// Puts a mark of this watch alone in.
    pub(super) fn mark_latest(&self, key: WatchKey, mark: impl FnOnce(ResponseHeader, u64) -> WatchMark) {
        let watches = self.watches.lock();
        if let Some(watch) = watches.get(key) {
            watch.outbox.mark(mark((self.header)(watches.routed), watch.id));
        }
    }
}
