//! Queues as somebody knows them who has seen every event and nothing else.

use std::collections::BTreeMap;

use crate::coordination::queues::ItemState;
use crate::types::{Event, ItemEvent, LeaseId, QueueEvent, Revision};

/// Where an item is, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub state: ItemState,
    /// Token and lease of its claim.
    pub claim: Option<(u64, Option<u64>)>,
}

#[derive(Debug, Default)]
pub struct ReplayedQueue {
    pub paused: bool,
    pub items: BTreeMap<u64, Seen>,
}

/// What the events so far say, by the names of queues.
#[derive(Debug, Default)]
pub struct Replay {
    pub queues: BTreeMap<String, ReplayedQueue>,
}

impl Replay {
    /// Panics if the event cannot follow those before it.
    pub fn see(&mut self, revision: Revision, event: Event) {
        let (name, event) = match event {
            Event::Queue { queue, what } => (queue, what),
            Event::Lease { .. } => return,
            other => panic!("{other:?}"),
        };
        if event == QueueEvent::Created {
            let before = self.queues.insert(name, ReplayedQueue::default());
            assert!(before.is_none(), "it is created twice");
            return;
        }
        let queue = self.queues.get_mut(&name).expect("the queue is there");
        match event {
            QueueEvent::Created | QueueEvent::Configured => {}
            QueueEvent::Deleted => {
                assert!(queue.items.is_empty(), "it is deleted with {:?}", queue.items);
                self.queues.remove(&name);
            }
            QueueEvent::Paused => assert!(!std::mem::replace(&mut queue.paused, true), "it is paused twice"),
            QueueEvent::Resumed => assert!(std::mem::replace(&mut queue.paused, false), "it is not paused"),
            QueueEvent::Items { items, what } => {
                assert!(!items.is_empty(), "{what:?} of nothing");
                for item in items {
                    queue.see_item(revision, item, &what);
                }
            }
        }
    }
}

impl ReplayedQueue {
    fn see_item(&mut self, revision: Revision, item: u64, event: &ItemEvent) {
        use ItemState::{Claimed, Dead, Delayed, Ready};
        let at = |delayed: bool| if delayed { Delayed } else { Ready };
        let before = self.items.remove(&item).map(|seen| seen.state);
        let (from, to) = match event {
            ItemEvent::Enqueued { delayed } => (None, Some(at(*delayed))),
            ItemEvent::Ready => (Some(Delayed), Some(Ready)),
            ItemEvent::Claimed { .. } => (Some(Ready), Some(Claimed)),
            ItemEvent::Acked => (Some(Claimed), None),
            ItemEvent::Returned { delayed, .. } => (Some(Claimed), Some(at(*delayed))),
            ItemEvent::Dead { .. } => (Some(Claimed), Some(Dead)),
            ItemEvent::Redriven => (Some(Dead), Some(Ready)),
            ItemEvent::Purged => (before, None),
        };
        assert_eq!(before, from, "{event:?} of item {item}");
        let claim = match event {
            ItemEvent::Claimed { token, lease, .. } => {
                assert_eq!(*token, revision, "a token is the revision of its claim");
                Some((token.0, lease.map(|LeaseId(lease)| lease)))
            }
            _ => None,
        };
        if let Some(state) = to {
            self.items.insert(item, Seen { state, claim });
        } else {
            assert!(before.is_some(), "{event:?} of item {item}, which is not there");
        }
    }
}
