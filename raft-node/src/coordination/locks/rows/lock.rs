//! The row of a lock.

use bincode::{Decode, Encode};

use crate::codec::Record;
use crate::coordination::locks::Share;
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::{LockKind, Revision};

const LOCK: u8 = 10;

/// What is stored of a lock while it has holds or waiters.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LockRow {
    /// How it can be taken.
    pub kind: LockKind,
    /// One holds it alone.
    pub exclusive: bool,
    /// Permits that are taken; of a mutex, the holds.
    pub taken: u64,
    /// How many hold it.
    pub holds: u64,
    /// How many wait for it.
    pub waiting: u64,
    /// No waiter has a smaller ticket.
    pub first_ticket: u64,
    /// The ticket of the next waiter.
    pub next_ticket: u64,
    /// When its holds, or what they proclaim, last changed.
    pub changed: Revision,
    /// Grants since it exists.
    pub acquisitions: u64,
    /// Acquisitions that had to wait for it.
    pub contended: u64,
    /// Holds that ended with their lease.
    pub expirations: u64,
    /// The last release by force.
    pub forced: Option<Forced>,
}

/// A release by force.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Forced {
    /// Why, as whoever did it said.
    pub reason: String,
    /// The newest token that was taken away.
    pub token: Revision,
    /// Wall time of the proposer, for display.
    pub wall_ms: u64,
}

impl Record for LockRow {
    const ID: u16 = 0x0220;
    const VERSION: u8 = 1;
}

impl LockRow {
    /// Nobody holds it or waits.
    pub fn new(kind: LockKind) -> LockRow {
        LockRow {
            kind,
            exclusive: false,
            taken: 0,
            holds: 0,
            waiting: 0,
            first_ticket: 1,
            next_ticket: 1,
            changed: Revision(0),
            acquisitions: 0,
            contended: 0,
            expirations: 0,
            forced: None,
        }
    }

    /// What is left suffices for this share.
    pub fn fits(&self, share: Share) -> bool {
        match share {
            Share::Exclusive => self.holds == 0,
            Share::Shared => !self.exclusive,
            Share::Permits { permits, .. } => self.taken + share.count() <= u64::from(permits),
        }
    }

    /// Somebody holds this share from now on.
    pub fn take(&mut self, share: Share, at: Revision) {
        self.exclusive = share == Share::Exclusive;
        self.taken += share.count();
        self.holds += 1;
        self.acquisitions += 1;
        self.changed = at;
    }

    /// Somebody has held this share until now.
    pub fn give_back(&mut self, share: Share, at: Revision) {
        self.exclusive = false;
        self.taken = self.taken.saturating_sub(share.count());
        self.holds = self.holds.saturating_sub(1);
        self.changed = at;
    }

    /// At most so many are served before the waiter with this ticket.
    pub fn ahead_max(&self, ticket: u64) -> u64 {
        ticket
            .saturating_sub(self.first_ticket)
            .min(self.waiting.saturating_sub(1))
    }
}

/// The lock; none if nobody holds it or waits for it.
pub fn find(view: &dyn View, name: &str) -> Result<Option<LockRow>, StorageError> {
    rows::read(view, Table::Coordination, &key(name))
}

/// The lock, which must exist because somebody holds it or waits for it.
pub fn require(view: &dyn View, name: &str) -> Result<LockRow, StorageError> {
    find(view, name)?.ok_or_else(|| corrupt("reading a lock", &format!("there is no row of {name:?}")))
}

/// Sets the row, or removes it if nobody holds the lock or waits for it any more.
pub fn write(stage: &mut dyn Stage, name: &str, row: &LockRow) -> Result<(), StorageError> {
    if row.holds == 0 && row.waiting == 0 {
        stage.delete(Table::Coordination, key(name));
        return Ok(());
    }
    rows::write(stage, Table::Coordination, key(name), row)
}

/// The key of a lock.
pub fn key(name: &str) -> Vec<u8> {
    Key::of(LOCK).text(name).done()
}

/// What the keys of all locks start with whose names start with `prefix`.
pub fn prefix(prefix: &str) -> Vec<u8> {
    let mut key = key(prefix);
    // Without the end of the text, so that longer names are included.
    key.truncate(key.len() - 2);
    key
}

/// The name in a key.
pub fn decode(stored: &[u8]) -> Option<String> {
    let mut parts = Parts::of(LOCK, stored)?;
    let name = parts.text()?;
    parts.end().map(|()| name)
}
