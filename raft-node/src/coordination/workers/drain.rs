//! Makes a worker take nothing new, or take again.

use super::operation::WorkerReply;
use super::place;
use super::rows::{self, WorkerRow, WorkerState};
use super::tell::tell_worker;
use crate::mvcc::{Edit, Failure};
use crate::types::{WorkerEvent, WorkerRefusal};

/// Sets whether a worker drains; what it has, it keeps. Whoever waits for its assignments is told.
pub fn drain(edit: &mut Edit<'_>, worker: &str, draining: bool) -> Result<WorkerReply, Failure> {
    let before = place::worker(edit, worker)?;
    if before.state == WorkerState::Offline {
        return Err(edit.refused(WorkerRefusal::Offline {
            worker: worker.to_owned(),
        }));
    }
    let state = if draining {
        WorkerState::Draining
    } else {
        WorkerState::Active
    };
    let assigned = before.assigned;
    if before.state != state {
        let after = WorkerRow {
            state,
            changed: edit.revision,
            since: edit.log_time,
            since_wall_ms: edit.wall_ms,
            ..before.clone()
        };
        rows::set_worker(edit.stage, worker, Some(&before), Some(&after))?;
        let what = if draining {
            WorkerEvent::Draining
        } else {
            WorkerEvent::Resumed
        };
        tell_worker(edit, worker, what);
        place::tell(edit, worker);
    }
    Ok(WorkerReply::Drained { assigned })
}
