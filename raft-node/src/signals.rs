//! Tells those who wait at this member that what they wait for may have happened.
//!
//! Apply publishes [`Signal`]s after what it changed can be read. Whoever waits listens first and looks then, so nothing
//! is missed between the two; and whoever is woken looks again, so a signal too many does no harm.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::types::{LeaseId, Signal};

/// What can be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// An acquisition of a lease, by its request.
    Acquisition(LeaseId, u64),
    /// The holders of a lock.
    Lock(String),
    /// The items of a queue.
    Queue(String),
    /// The assignments of a worker.
    Worker(String),
}

/// Is told, at once and in order, of leases that begin and end.
pub trait LeaseListener: Send + Sync {
    /// A lease lives from now on.
    fn granted(&self, lease: LeaseId, ttl_ms: u64);

    /// A lease was revoked or has expired.
    fn ended(&self, lease: LeaseId);
}

/// Connects apply with those who wait.
#[derive(Default)]
pub struct Signals {
    waiting: Mutex<HashMap<Topic, Waiting>>,
    leases: OnceLock<Arc<dyn LeaseListener>>,
}

struct Waiting {
    notify: Arc<Notify>,
    listeners: usize,
}

/// One who waits. Dropping it ends that.
pub struct Listener<'s> {
    signals: &'s Signals,
    topic: Topic,
    notify: Arc<Notify>,
}

impl Signals {
    /// From now on `listener` is told of leases. Only the first is.
    pub fn set_lease_listener(&self, listener: Arc<dyn LeaseListener>) {
        let _ = self.leases.set(listener);
    }

    /// Listens for what happens to a topic from now on.
    pub fn listen(&self, topic: Topic) -> Listener<'_> {
        let mut waiting = self.waiting.lock();
        let entry = waiting.entry(topic.clone()).or_insert_with(|| Waiting {
            notify: Arc::default(),
            listeners: 0,
        });
        entry.listeners += 1;
        Listener {
            signals: self,
            topic,
            notify: Arc::clone(&entry.notify),
        }
    }

    /// Tells of what was applied.
    pub fn publish(&self, signals: Vec<Signal>) {
        for signal in signals {
            match signal {
                Signal::LeaseGranted { lease, ttl_ms } => {
                    if let Some(leases) = self.leases.get() {
                        leases.granted(lease, ttl_ms);
                    }
                }
                Signal::LeaseEnded { lease } => {
                    if let Some(leases) = self.leases.get() {
                        leases.ended(lease);
                    }
                }
                Signal::Acquisition { lease, request } => self.wake_all(&Topic::Acquisition(lease, request)),
                Signal::Holders { lock } => self.wake_all(&Topic::Lock(lock)),
                Signal::Assignments { worker } => self.wake_all(&Topic::Worker(worker)),
                Signal::Ready { queue, items } => self.wake(&Topic::Queue(queue), items),
            }
        }
    }

    /// Wakes everyone, since nobody can tell what has happened: a snapshot was installed.
    pub fn wake_everyone(&self) {
        for waiting in self.waiting.lock().values() {
            waiting.notify.notify_waiters();
        }
    }

    fn wake_all(&self, topic: &Topic) {
        if let Some(waiting) = self.waiting.lock().get(topic) {
            waiting.notify.notify_waiters();
        }
    }

    /// Wakes as many as there is something for: more would find nothing.
    fn wake(&self, topic: &Topic, count: u32) {
        if let Some(waiting) = self.waiting.lock().get(topic) {
            for _ in 0..usize::try_from(count).unwrap_or(usize::MAX).min(waiting.listeners) {
                waiting.notify.notify_one();
            }
        }
    }
}

impl Listener<'_> {
    /// Completes when there is a signal after this call; or, for a queue, after the last one that nobody took.
    pub fn signalled(&self) -> Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let mut waiting = self.signals.waiting.lock();
        if let Some(entry) = waiting.get_mut(&self.topic) {
            entry.listeners -= 1;
            if entry.listeners == 0 {
                waiting.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_after_listening_is_not_missed_and_nobody_else_is_woken() {
        let signals = Signals::default();
        let mine = signals.listen(Topic::Lock("a".to_owned()));
        let other = signals.listen(Topic::Lock("b".to_owned()));
        let (woken, not_woken) = (mine.signalled(), other.signalled());
        signals.publish(vec![Signal::Holders { lock: "a".to_owned() }]);
        woken.await;
        tokio::select! {
            biased;
            () = not_woken => panic!("woken by another lock"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn as_many_are_woken_as_items_arrived() {
        let signals = Signals::default();
        let topic = || Topic::Queue("q".to_owned());
        let listeners = [
            signals.listen(topic()),
            signals.listen(topic()),
            signals.listen(topic()),
        ];
        let mut waiting: Vec<_> = listeners.iter().map(|one| Box::pin(one.signalled())).collect();
        for one in &mut waiting {
            assert!(!one.as_mut().enable());
        }
        signals.publish(vec![Signal::Ready {
            queue: "q".to_owned(),
            items: 2,
        }]);
        let woken = waiting.iter_mut().filter_map(|one| one.as_mut().enable().then_some(()));
        assert_eq!(woken.count(), 2);
    }

    #[tokio::test]
    async fn everyone_is_woken_where_nobody_can_tell_what_has_happened() {
        let signals = Signals::default();
        let lock = signals.listen(Topic::Lock("a".to_owned()));
        let queue = signals.listen(Topic::Queue("q".to_owned()));
        let (first, second) = (lock.signalled(), queue.signalled());
        signals.wake_everyone();
        first.await;
        second.await;
    }

    #[test]
    fn nothing_is_kept_for_topics_that_nobody_waits_for() {
        let signals = Signals::default();
        drop(signals.listen(Topic::Worker("w".to_owned())));
        assert!(signals.waiting.lock().is_empty());
    }
}
