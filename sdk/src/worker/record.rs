//! What the store knows of workers and tasks.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use quorate_proto::v1;

use super::op::WorkerOp;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// What a worker does. States may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerState {
    /// It takes tasks.
    Active,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// Its session has ended; it has no tasks.
    Offline,
}

impl WorkerState {
    fn from_wire(state: i32) -> Result<Self> {
        match v1::WorkerState::try_from(state) {
            Ok(v1::WorkerState::Active) => Ok(Self::Active),
            Ok(v1::WorkerState::Draining) => Ok(Self::Draining),
            Ok(v1::WorkerState::Offline) => Ok(Self::Offline),
            Ok(v1::WorkerState::Unspecified) | Err(_) => {
                let message = format!("a worker is in state {state}, which this client does not know");
                Err(Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message))
            }
        }
    }

    pub(super) fn to_wire(self) -> v1::WorkerState {
        match self {
            Self::Active => v1::WorkerState::Active,
            Self::Draining => v1::WorkerState::Draining,
            Self::Offline => v1::WorkerState::Offline,
        }
    }
}

/// A worker, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerRecord {
    /// Its name.
    pub worker: String,
    /// What it does.
    pub state: WorkerState,
    /// The lease it is registered under; of one that is offline, the lease that has ended.
    pub lease: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How many tasks it may have at a time.
    pub capacity: u32,
    /// How many it has.
    pub assigned: u32,
    /// The revision of its registration.
    pub registered_revision: u64,
    /// The revision at which its tasks or its state last changed.
    pub changed_revision: u64,
    /// Since when it is in this state, by the wall clock of the leader at that time; for display.
    pub since: SystemTime,
}

impl WorkerRecord {
    pub(super) fn from_wire(worker: v1::Worker) -> Result<Self> {
        Ok(Self {
            state: WorkerState::from_wire(worker.state)?,
            worker: worker.worker,
            lease: worker.lease,
            labels: sorted(worker.labels),
            capacity: worker.capacity,
            assigned: worker.assigned,
            registered_revision: worker.registered_revision,
            changed_revision: worker.changed_revision,
            since: wall(worker.since_wall_ms),
        })
    }
}

/// A task: who has it, or that it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// The task's name.
    pub task: String,
    /// Who has it; none: it waits.
    pub worker: Option<String>,
    /// Tells this assignment from every other of the same task: later ones are greater.
    pub generation: u64,
    /// Labels that a worker must carry to have it.
    pub labels: BTreeMap<String, String>,
    /// What the worker is to know of it; empty in a list that leaves it out.
    pub data: Bytes,
    /// The length of the data, also where that is left out.
    pub data_bytes: u32,
    /// The revision at which there first was this task.
    pub created_revision: u64,
    /// Since when the worker has it, or it waits, by the wall clock of the leader at that time; for display.
    pub since: SystemTime,
}

impl Assignment {
    /// Lets a transaction pass only while this assignment stands; otherwise it is refused as
    /// [`Fenced`](ErrorKind::Fenced), and nothing of it is done. Put it before the writes that the task is about.
    pub fn fence_op(&self) -> WorkerOp {
        WorkerOp::fence(&self.task, self.holder(), self.generation)
    }

    /// Ends the task: it is done. Refused as [`Fenced`](ErrorKind::Fenced) if this assignment is over.
    pub fn complete_op(&self) -> WorkerOp {
        WorkerOp::complete(&self.task, self.holder(), self.generation)
    }

    /// Nobody: a name that the store refuses.
    fn holder(&self) -> &str {
        self.worker.as_deref().unwrap_or_default()
    }
}

impl From<v1::Assignment> for Assignment {
    fn from(assignment: v1::Assignment) -> Self {
        Self {
            task: assignment.task,
            worker: named(assignment.worker),
            generation: assignment.generation,
            labels: sorted(assignment.labels),
            data: assignment.data,
            data_bytes: assignment.data_bytes,
            created_revision: assignment.created_revision,
            since: wall(assignment.since_wall_ms),
        }
    }
}

/// On the wire, nobody is an empty name.
pub(super) fn named(worker: String) -> Option<String> {
    Some(worker).filter(|worker| !worker.is_empty())
}

fn sorted(labels: HashMap<String, String>) -> BTreeMap<String, String> {
    labels.into_iter().collect()
}

/// A time too far away to be one is shown as 1970.
fn wall(since_1970_ms: u64) -> SystemTime {
    let since_1970 = Duration::from_millis(since_1970_ms);
    SystemTime::UNIX_EPOCH
        .checked_add(since_1970)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
