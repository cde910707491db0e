//! What apply did, for people: none of it is state, and nothing depends on it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::resident::{ROW_KINDS, RowCounts};
use crate::coordination::{locks, queues, workers};
use crate::leases;
use crate::metrics::{ByName, Count, Histogram};
use crate::types::{Event, ItemEvent, LeaseEvent, QueueEvent};

/// What was done since the process began, and how many of each thing there are.
#[derive(Debug)]
pub struct StateCounts {
    /// Batches applied, by how long they took.
    pub apply: Histogram,
    /// Leases whose time was over.
    pub leases_expired: Count,
    /// Times that the compaction boundary moved.
    pub compactions: Count,
    /// Snapshots made here.
    pub snapshots_built: Count,
    /// Snapshots that took the place of the state.
    pub snapshots_installed: Count,
    /// Items that went back to their queue out of a claim, by queue.
    pub redelivered: ByName,
    /// Items that became dead letters, by queue.
    pub dead: ByName,
    rows: [AtomicU64; ROW_KINDS],
}

/// What is counted since the last time that it was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    leases_expired: u64,
    compactions: u64,
    redelivered: Vec<(String, u64)>,
    dead: Vec<(String, u64)>,
}

impl Happened {
    /// The compaction boundary moved.
    pub(super) fn compacted(&mut self) {
        self.compactions += 1;
    }

    /// A revision had these events.
    pub(super) fn events(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Lease {
                    what: LeaseEvent::Ended { expired: true },
                    ..
                } => self.leases_expired += 1,
                Event::Queue {
                    queue,
                    what: QueueEvent::Items { items, what },
                } => {
                    let of_queue = || (queue.clone(), items.len() as u64);
                    match what {
                        ItemEvent::Returned { .. } => self.redelivered.push(of_queue()),
                        ItemEvent::Dead { .. } => self.dead.push(of_queue()),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

impl Default for StateCounts {
    fn default() -> Self {
        Self {
            apply: Histogram::default(),
            leases_expired: Count::default(),
            compactions: Count::default(),
            snapshots_built: Count::default(),
            snapshots_installed: Count::default(),
            redelivered: ByName::default(),
            dead: ByName::default(),
            rows: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl StateCounts {
    /// Leases that live.
    pub fn leases(&self) -> u64 {
        self.of(leases::LEASE_ROW)
    }

    /// Holds of locks.
    pub fn holds(&self) -> u64 {
        self.of(locks::HOLD_ROW)
    }

    /// Acquisitions that wait.
    pub fn waiters(&self) -> u64 {
        self.of(locks::WAITER_ROW)
    }

    /// Queues.
    pub fn queues(&self) -> u64 {
        self.of(queues::QUEUE_ROW)
    }

    /// Items of all queues: ready, claimed, delayed, dead.
    pub fn items(&self) -> [u64; 4] {
        [
            queues::ItemState::Ready,
            queues::ItemState::Claimed,
            queues::ItemState::Delayed,
            queues::ItemState::Dead,
        ]
        .map(|state| self.of(state.row()))
    }

    /// Workers.
    pub fn workers(&self) -> u64 {
        self.of(workers::WORKER_ROW)
    }

    /// Tasks that are assigned or wait for a worker.
    pub fn tasks(&self) -> u64 {
        self.of(workers::TASK_ROW)
    }

    fn of(&self, kind: u8) -> u64 {
        self.rows
            .get(usize::from(kind))
            .map_or(0, |rows| rows.load(Ordering::Relaxed))
    }

    /// Counts what a batch did.
    pub(super) fn note(&self, happened: &Happened) {
        self.leases_expired.add(happened.leases_expired);
        self.compactions.add(happened.compactions);
        for (by_queue, items) in [(&self.redelivered, &happened.redelivered), (&self.dead, &happened.dead)] {
            for (queue, items) in items {
                by_queue.add(queue, *items);
            }
        }
    }

    /// Shows how many rows there are now.
    pub(super) fn show(&self, rows: &RowCounts) {
        for (shown, count) in self.rows.iter().zip(rows) {
            shown.store(*count, Ordering::Relaxed);
        }
    }
}
