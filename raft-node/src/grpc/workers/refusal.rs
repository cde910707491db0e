//! What a refusal is on the wire.

use quorate_proto::v1::{Error, ErrorCode};

use crate::grpc::error::refused;
use crate::types::WorkerRefusal;

/// What a refusal is on the wire.
pub fn refusal(refusal: &WorkerRefusal) -> Error {
    let of = |field: &str, code| Error {
        field: field.into(),
        ..refused(code, refusal.to_string())
    };
    match refusal {
        WorkerRefusal::UnknownWorker { .. } | WorkerRefusal::Offline { .. } => of("worker", ErrorCode::UnknownWorker),
        WorkerRefusal::Exists { .. } => of("worker", ErrorCode::WorkerExists),
        WorkerRefusal::LeaseInUse { lease, .. } => Error {
            value: lease.0,
            ..of("lease", ErrorCode::WorkerExists)
        },
        WorkerRefusal::NotRegistered { lease, .. } => Error {
            value: lease.0,
            ..of("lease", ErrorCode::Fenced)
        },
        WorkerRefusal::Draining { .. } => of("worker", ErrorCode::WorkerDraining),
        WorkerRefusal::NoCapacity { tasks, capacity, .. } => Error {
            limit: u64::from(*capacity),
            value: u64::from(*tasks),
            ..of("capacity", ErrorCode::NoCapacity)
        },
        WorkerRefusal::Unsuitable { .. } | WorkerRefusal::NoWorker { .. } => of("labels", ErrorCode::NoWorker),
        WorkerRefusal::UnknownTask { .. } => of("task", ErrorCode::UnknownTask),
        WorkerRefusal::TooManyWorkers { workers_max: limit } | WorkerRefusal::TooManyTasks { tasks_max: limit } => {
            Error {
                limit: *limit,
                ..refused(ErrorCode::LimitReached, refusal.to_string())
            }
        }
        // What the task is at now is what a caller needs who wants to go on from there.
        WorkerRefusal::Assigned { generation: found, .. } | WorkerRefusal::Changed { found, .. } => Error {
            value: *found,
            ..of("generation", ErrorCode::Conflict)
        },
        WorkerRefusal::NotThere { generation, .. } => Error {
            value: *generation,
            ..of("generation", ErrorCode::Conflict)
        },
        WorkerRefusal::AssignmentsChanged { found, .. } => Error {
            value: found.0,
            ..of("expected_revision", ErrorCode::Conflict)
        },
        WorkerRefusal::TooManyToWait { tasks_max } => Error {
            limit: u64::from(*tasks_max),
            ..of("workers", ErrorCode::LimitReached)
        },
        WorkerRefusal::Stale { generation, .. } => Error {
            value: *generation,
            ..of("generation", ErrorCode::Fenced)
        },
    }
}
