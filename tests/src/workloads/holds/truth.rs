//! Who held what from which revision to which, from the truth.

use std::collections::BTreeMap;

use quorate_proto::v1;
use quorate_proto::v1::lock_event::What;
use quorate_proto::v1::watch_event::Event as Wire;

use super::record::Hold;
use crate::watch_check::{Event, Truth};

/// A hold, from its grant to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Whose, and with which token.
    pub hold: Hold,
    /// The revision of the grant.
    pub revision: u64,
    /// Nobody else may hold it.
    pub exclusive: bool,
    /// Permits that it holds.
    pub count: u32,
    /// It stood in the queue before.
    pub waited: bool,
    /// When and why it ended, if it did.
    pub freed: Option<(u64, v1::LockFreedReason)>,
}

impl Granted {
    /// Whether it lives once that revision is made.
    pub fn lives_at(&self, revision: u64) -> bool {
        self.revision <= revision && self.freed.is_none_or(|(freed, _)| revision < freed)
    }
}

/// All holds of a run.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    /// In the order of their grants.
    pub all: Vec<Granted>,
    /// Ends of what nobody held.
    pub wrong: Vec<String>,
    by_hold: BTreeMap<Hold, usize>,
    by_token: BTreeMap<u64, Vec<usize>>,
}

impl Holds {
    /// As the truth tells them: those of locks that begin with `locks`.
    pub fn of(truth: &Truth, locks: &str) -> Holds {
        let mut holds = Holds::default();
        for (revision, events) in truth.between(0, truth.last()) {
            for event in events {
                let Event::Other(event) = event else { continue };
                let Some(Wire::Lock(event)) = &event.what else { continue };
                if !event.lock.starts_with(locks) {
                    continue;
                }
                match &event.what {
                    Some(What::Acquired(acquired)) => holds.acquired(&event.lock, acquired, revision),
                    Some(What::Freed(freed)) => holds.freed(&event.lock, freed, revision),
                    Some(What::ValueSet(_)) | None => {}
                }
            }
        }
        holds
    }

    /// One of them.
    pub fn get(&self, hold: &Hold) -> Option<&Granted> {
        self.all.get(*self.by_hold.get(hold)?)
    }

    /// Those of a lock with this token: some permits may be granted at one revision.
    pub fn of_token(&self, lock: &str, token: u64) -> impl Iterator<Item = &Granted> {
        let indexes = self.by_token.get(&token).into_iter().flatten();
        let holds = indexes.filter_map(|index| self.all.get(*index));
        holds.filter(move |granted| granted.hold.lock == lock)
    }

    /// Those of each lock, in the order of their grants.
    pub fn by_lock(&self) -> BTreeMap<&str, Vec<&Granted>> {
        let mut locks: BTreeMap<&str, Vec<&Granted>> = BTreeMap::new();
        for granted in &self.all {
            locks.entry(&granted.hold.lock).or_default().push(granted);
        }
        locks
    }

    fn acquired(&mut self, lock: &str, acquired: &v1::LockAcquiredEvent, revision: u64) {
        let hold = Hold {
            lock: lock.to_owned(),
            lease: acquired.lease,
            request: acquired.request,
            token: acquired.token,
        };
        let before = self.by_hold.insert(hold.clone(), self.all.len());
        if before.is_some() {
            self.wrong
                .push(format!("{hold:?} is granted again at revision {revision}"));
        }
        self.by_token.entry(hold.token).or_default().push(self.all.len());
        self.all.push(Granted {
            hold,
            revision,
            exclusive: acquired.mode() == v1::LockMode::Exclusive,
            count: acquired.count,
            waited: acquired.waited,
            freed: None,
        });
    }

    fn freed(&mut self, lock: &str, freed: &v1::LockFreedEvent, revision: u64) {
        let hold = Hold {
            lock: lock.to_owned(),
            lease: freed.lease,
            request: freed.request,
            token: freed.token,
        };
        let granted = self.by_hold.get(&hold).and_then(|index| self.all.get_mut(*index));
        let before = granted.map(|granted| granted.freed.replace((revision, freed.why())));
        if before != Some(None) {
            self.wrong.push(format!(
                "{hold:?} ends at revision {revision}, and before that: {before:?}"
            ));
        }
    }
}
