//! Whether a lease may claim items of queues.

use super::rows::{self, WorkerState};
use crate::storage::{StorageError, View};
use crate::types::{LeaseId, WorkerRefusal};

/// A worker that is draining claims nothing; a lease that registers no worker may always claim.
pub fn may_claim(view: &dyn View, lease: LeaseId) -> Result<Result<(), WorkerRefusal>, StorageError> {
    let Some(worker) = rows::worker_of_lease(view, lease)? else {
        return Ok(Ok(()));
    };
    match rows::find_worker(view, &worker)?.map(|row| row.state) {
        Some(WorkerState::Draining) => Ok(Err(WorkerRefusal::Draining { worker })),
        _ => Ok(Ok(())),
    }
}
