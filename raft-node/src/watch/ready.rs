//! Watches that are behind and have room for more.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::watches::WatchKey;

/// First come, first served. Holds each watch at most once: one that is behind is in here, or is being read for, or waits
/// for room in its outbox or in all of them.
#[derive(Default)]
pub(super) struct ReadyQueue {
    waiting: Mutex<VecDeque<WatchKey>>,
    /// They have room of their own, but all outboxes together are full.
    parked: Mutex<Vec<WatchKey>>,
    filled: Notify,
}

impl ReadyQueue {
    pub(super) fn push(&self, watch: WatchKey) {
        self.waiting.lock().push_back(watch);
        self.filled.notify_one();
    }

    /// Keeps a watch until [`unpark`](Self::unpark).
    pub(super) fn park(&self, watch: WatchKey) {
        self.parked.lock().push(watch);
    }

    /// All that were parked are ready.
    pub(super) fn unpark(&self) {
        let mut parked = self.parked.lock();
        if !parked.is_empty() {
            self.waiting.lock().extend(parked.drain(..));
            self.filled.notify_one();
        }
    }

    pub(super) fn pop(&self) -> Option<WatchKey> {
        self.waiting.lock().pop_front()
    }

    /// Takes out, in their order, at most `count` of those that `wanted` says.
    pub(super) fn take(&self, count: usize, mut wanted: impl FnMut(WatchKey) -> bool) -> Vec<WatchKey> {
        let mut taken = Vec::new();
        self.waiting.lock().retain(|watch| {
            let takes = taken.len() < count && wanted(*watch);
            if takes {
                taken.push(*watch);
            }
            !takes
        });
        taken
    }

    /// Completes when something was pushed since the last call.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }
}
