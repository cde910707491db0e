//! What all clients of a run share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::witnessed::PATIENCE;
use crate::cache_check::{Attempts, Place, Read, Write};
use crate::nemesis::Pace;
use crate::watchers::Clock;
use crate::{HarnessError, wait};

/// Revisions between two steps of a run.
const STEP: u64 = 60;

/// A client can do these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Put,
    Delete,
    Transaction,
    Expiring,
    Leased,
}

pub(super) const CHANGES: [Change; 5] = [
    Change::Put,
    Change::Delete,
    Change::Transaction,
    Change::Expiring,
    Change::Leased,
];

/// The records of a run, as they grow.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) reads: Mutex<Vec<Read>>,
    pub(super) writes: Mutex<Vec<Write>>,
    pub(super) attempts: Mutex<Attempts>,
    pub(super) done: Mutex<BTreeMap<Change, u64>>,
    newest: AtomicU64,
    stopped: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Shared {
        Shared {
            clock,
            reads: Mutex::default(),
            writes: Mutex::default(),
            attempts: Mutex::default(),
            done: Mutex::default(),
            newest: AtomicU64::new(0),
            stopped: watch::Sender::new(false),
        }
    }

    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// A write was acknowledged just now.
    pub(super) fn wrote(&self, client: u64, places: Vec<Place>, began: Duration, revision: u64) {
        let ended = self.clock.now();
        self.newest.fetch_max(revision, Ordering::AcqRel);
        self.writes.lock().push(Write {
            client,
            places,
            began,
            ended,
            revision,
        });
    }
}

impl Pace for Shared {
    async fn wait_for_more(&self, moment: &str) -> Result<(), HarnessError> {
        let goal = self.newest.load(Ordering::Acquire) + STEP;
        wait::until(&format!("writes {moment}"), PATIENCE, async || {
            match self.newest.load(Ordering::Acquire) {
                newest if newest >= goal => Ok(()),
                newest => Err(format!("revision {newest} of {goal}")),
            }
        })
        .await
    }
}
