//! Who holds what, as somebody knows who has seen every event and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Id;
use crate::coordination::locks::Share;
use crate::types::{Event, HoldEnd, LeaseEvent, LockEvent, Revision};

/// What the events so far say.
#[derive(Debug, Default)]
pub struct Replay {
    pub leases: BTreeSet<u64>,
    /// By name, then by token and holder.
    pub holds: BTreeMap<String, BTreeMap<(u64, Id), Share>>,
    /// When something last happened to a lock.
    pub changed: BTreeMap<String, u64>,
    /// Whether they waited, and why holds ended, since the last [`Replay::forget`].
    pub acquired: BTreeMap<(String, Id), bool>,
    pub ends: Vec<HoldEnd>,
}

impl Replay {
    /// Before the events of the next step.
    pub fn forget(&mut self) {
        self.acquired.clear();
        self.ends.clear();
    }

    /// Panics if the event cannot follow those before it.
    pub fn see(&mut self, revision: Revision, event: Event) {
        match event {
            Event::Lease { lease, what } => match what {
                LeaseEvent::Granted { .. } => assert!(self.leases.insert(lease.0), "{lease} lives"),
                LeaseEvent::Ended { .. } => assert!(self.leases.remove(&lease.0), "{lease} does not live"),
            },
            Event::Lock { lock, what } => self.see_lock(revision, lock, what),
            other => panic!("{other:?}"),
        }
    }

    fn see_lock(&mut self, revision: Revision, lock: String, event: LockEvent) {
        self.changed.insert(lock.clone(), revision.0);
        let holds = self.holds.entry(lock.clone()).or_default();
        match event {
            LockEvent::Acquired {
                lease,
                request,
                token,
                share,
                waited,
            } => {
                assert_eq!(token, revision, "a token is the revision of its grant");
                let id = (lease.0, request);
                assert_eq!(holds.insert((token.0, id), share), None, "{lock:?} is acquired twice");
                self.acquired.insert((lock, id), waited);
            }
            LockEvent::Freed {
                lease,
                request,
                token,
                why,
            } => {
                let hold = (token.0, (lease.0, request));
                assert!(
                    holds.remove(&hold).is_some(),
                    "{hold:?} of {lock:?} is freed, but not held"
                );
                self.ends.push(why);
            }
            LockEvent::ValueSet { lease, request, token } => {
                assert!(
                    holds.contains_key(&(token.0, (lease.0, request))),
                    "{lock:?} is not held"
                );
            }
        }
    }

    /// Holds of a lock, the oldest first.
    pub fn holders(&self, lock: &str) -> Vec<(Id, u64)> {
        let holds = self.holds.get(lock).into_iter().flatten();
        holds.map(|((token, id), _)| (*id, *token)).collect()
    }
}
