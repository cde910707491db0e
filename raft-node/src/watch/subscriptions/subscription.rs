//! One subscription: what it selects, and what is to be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::pending::{Changed, Pending};
use crate::watch::spec::WatchSpec;

/// Bytes that are pending for all subscriptions of a member.
pub(super) const MEMBER_BYTES_MAX: usize = 256 << 20;

/// One subscription.
pub struct Subscription {
    pub(super) spec: Arc<WatchSpec>,
    state: Mutex<State>,
    /// Of all subscriptions.
    member_bytes: Arc<AtomicUsize>,
    told: Notify,
}

#[derive(Default)]
struct State {
    pending: Pending,
    /// Everything there is comes again: what changed is not known any more.
    missed: bool,
    closed: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    Nothing,
    /// Something is pending.
    Changes,
    /// More changed than was kept.
    Missed,
    /// Nobody wants it any more.
    Over,
}

impl Subscription {
    pub(super) fn new(spec: Arc<WatchSpec>, member_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            spec,
            state: Mutex::default(),
            member_bytes,
            told: Notify::new(),
        }
    }

    /// A key that it selects changed.
    pub(super) fn note(&self, changed: &Changed) {
        let mut state = self.state.lock();
        if state.missed || state.closed {
            return;
        }
        let before = state.pending.bytes();
        let has_room = self.member_bytes.load(Ordering::Relaxed) < MEMBER_BYTES_MAX;
        if has_room && state.pending.put(changed) {
            let more = state.pending.bytes() - before;
            self.member_bytes.fetch_add(more, Ordering::Relaxed);
            self.told.notify_one();
        } else {
            self.miss(&mut state);
        }
    }

    /// Something changed, and what it was is not known.
    pub(super) fn missed(&self) {
        self.miss(&mut self.state.lock());
    }

    fn miss(&self, state: &mut State) {
        self.forget(state);
        state.missed = true;
        self.told.notify_one();
    }

    /// Nobody wants it any more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        self.forget(&mut state);
        state.closed = true;
        self.told.notify_one();
    }

    fn forget(&self, state: &mut State) {
        self.member_bytes.fetch_sub(state.pending.bytes(), Ordering::Relaxed);
        state.pending.clear();
    }

    /// The next change.
    pub(super) fn take(&self) -> Option<Changed> {
        let mut state = self.state.lock();
        let before = state.pending.bytes();
        let changed = state.pending.take();
        let less = before - state.pending.bytes();
        self.member_bytes.fetch_sub(less, Ordering::Relaxed);
        changed
    }

    /// What there is to do. That something was missed is said once.
    pub(super) fn news(&self) -> News {
        let mut state = self.state.lock();
        if state.closed {
            News::Over
        } else if std::mem::take(&mut state.missed) {
            News::Missed
        } else if state.pending.is_empty() {
            News::Nothing
        } else {
            News::Changes
        }
    }

    /// There is room in the outbox.
    pub(in crate::watch) fn tell(&self) {
        self.told.notify_one();
    }

    /// To be told that there is news, or room in the outbox.
    pub(super) fn told(&self) -> &Notify {
        &self.told
    }
}
