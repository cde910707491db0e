//! The lives of leases, from the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_proto::v1::lease_event::What;
use quorate_proto::v1::watch_event::Event as Wire;

use crate::watch_check::{Event, Truth};

/// From when to when a lease lived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The revision of its grant.
    pub granted: u64,
    /// Without a renewal.
    pub ttl: Duration,
    /// How it ended, if it did.
    pub ended: Option<End>,
}

/// The end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The revision at which it was gone.
    pub revision: u64,
    /// It was not renewed in time; otherwise it was revoked.
    pub expired: bool,
}

impl Life {
    /// Whether it lives once that revision is made.
    pub fn lives_at(&self, revision: u64) -> bool {
        self.granted <= revision && self.ended.is_none_or(|end| revision < end.revision)
    }
}

/// All leases of a run.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    lives: BTreeMap<u64, Life>,
    /// Grants and ends that no lease can have.
    pub wrong: Vec<String>,
}

impl Lives {
    /// As the truth tells them.
    pub fn of(truth: &Truth) -> Lives {
        let mut lives = Lives::default();
        for (revision, events) in truth.between(0, truth.last()) {
            for event in events {
                let Event::Other(event) = event else { continue };
                let Some(Wire::Lease(event)) = &event.what else {
                    continue;
                };
                match &event.what {
                    Some(What::Granted(granted)) => lives.granted(event.lease, revision, granted.ttl_ms),
                    Some(What::Ended(ended)) => lives.ended(event.lease, revision, ended.expired),
                    None => {}
                }
            }
        }
        lives
    }

    /// One of them.
    pub fn get(&self, lease: u64) -> Option<&Life> {
        self.lives.get(&lease)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Life)> {
        self.lives.iter().map(|(lease, life)| (*lease, life))
    }

    /// Whether the lease lives once that revision is made.
    pub fn lives_at(&self, lease: u64, revision: u64) -> bool {
        self.get(lease).is_some_and(|life| life.lives_at(revision))
    }

    fn granted(&mut self, lease: u64, revision: u64, ttl_ms: u64) {
        let life = Life {
            granted: revision,
            ttl: Duration::from_millis(ttl_ms),
            ended: None,
        };
        if let Some(before) = self.lives.insert(lease, life) {
            self.wrong.push(format!(
                "lease {lease}, which was {before:?}, is granted again at revision {revision}"
            ));
        }
    }

    fn ended(&mut self, lease: u64, revision: u64, expired: bool) {
        let end = End { revision, expired };
        let before = self.lives.get_mut(&lease).map(|life| life.ended.replace(end));
        if before != Some(None) {
            self.wrong.push(format!(
                "lease {lease} ends at revision {revision}, and before that: {before:?}"
            ));
        }
    }
}
