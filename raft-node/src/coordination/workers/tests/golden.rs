//! The bytes of rows, keys, operations, replies and refusals. A failure here means that a format has changed: give the
//! record a new id or version instead, or append to the enum, and add to these.

use std::fmt::Write as _;

use bincode::{Decode, Encode};

use super::{assign, done, labels, store_with};
use crate::codec::{self, Record};
use crate::coordination::workers::rows::{Counts, TaskData, WorkerOfLease};
use crate::coordination::workers::{
    Cursor, Destination, Placed, TaskRow, WorkerOperation, WorkerReply, WorkerRow, WorkerState,
};
use crate::storage::Table;
use crate::types::{LeaseId, LogTimeMs, Revision, WorkerRefusal};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn worker_row() -> WorkerRow {
    WorkerRow {
        lease: LeaseId(7),
        state: WorkerState::Draining,
        labels: labels("gpu=a100,zone=b"),
        capacity: 300,
        assigned: 5,
        registered: Revision(2),
        changed: Revision(300),
        since: LogTimeMs(1000),
        since_wall_ms: 1_700_000_000_000,
    }
}

fn task_row() -> TaskRow {
    TaskRow {
        generation: 300 * 4096 + 1,
        worker: Some("w".to_owned()),
        labels: labels("gpu=a100"),
        created: Revision(2),
        since: LogTimeMs(1000),
        since_wall_ms: 1_700_000_000_000,
        data_bytes: 4,
    }
}

fn check<R: Record + PartialEq + std::fmt::Debug>(record: &R, golden: &str) {
    let bytes = codec::encode(record).unwrap();
    assert_eq!(hex(&bytes), golden, "{:04x}", R::ID);
    assert_eq!(&codec::decode::<R>(&bytes).unwrap(), record);
}

/// Payloads of an enum, in the order of its variants.
fn check_all<T: Encode + Decode<()> + PartialEq + std::fmt::Debug>(values: &[T], golden: &[&str]) {
    let config = bincode::config::standard();
    let found: Vec<String> = values
        .iter()
        .map(|value| {
            let bytes = bincode::encode_to_vec(value, config).unwrap();
            assert_eq!(&bincode::decode_from_slice::<T, _>(&bytes, config).unwrap().0, value);
            hex(&bytes)
        })
        .collect();
    assert_eq!(found, golden);
}

fn operations() -> Vec<WorkerOperation> {
    let (worker, task) = (|| "w".to_owned(), || "t".to_owned());
    let lease = LeaseId(7);
    let generation = 300 * 4096 + 1;
    let assign = |to, expected_generation| WorkerOperation::Assign {
        task: task(),
        to,
        labels: labels("gpu=a100"),
        data: b"data".to_vec(),
        expected_generation,
    };
    let after = Some(Cursor {
        generation,
        task: task(),
    });
    vec![
        WorkerOperation::Register {
            worker: worker(),
            lease,
            labels: labels("gpu=a100,zone=b"),
            capacity: 300,
        },
        WorkerOperation::Update {
            worker: worker(),
            lease,
            capacity: Some(300),
            labels: Some(labels("zone=b")),
        },
        WorkerOperation::Drain {
            worker: worker(),
            draining: true,
        },
        WorkerOperation::Deregister {
            worker: worker(),
            lease: Some(lease),
        },
        assign(Destination::Worker(worker()), Some(generation)),
        assign(Destination::LeastLoaded { or_wait: true }, None),
        WorkerOperation::Unassign {
            task: task(),
            generation: Some(generation),
        },
        WorkerOperation::Complete {
            task: task(),
            worker: worker(),
            generation,
        },
        WorkerOperation::Cancel {
            task: task(),
            generation: None,
        },
        WorkerOperation::Fence {
            task: task(),
            worker: worker(),
            generation,
        },
        WorkerOperation::Move {
            task: task(),
            from: worker(),
            generation,
            to: "x".to_owned(),
        },
        WorkerOperation::AssignPending { count: 128, after },
    ]
}

fn replies() -> Vec<WorkerReply> {
    let generation = 300 * 4096 + 1;
    let (worker, task) = ("w".to_owned(), "t".to_owned());
    vec![
        WorkerReply::Registered {
            registered: Revision(300),
        },
        WorkerReply::Updated,
        WorkerReply::Drained { assigned: 5 },
        WorkerReply::Deregistered { pending: 5 },
        WorkerReply::Assigned {
            worker: Some(worker.clone()),
            generation,
        },
        WorkerReply::Unassigned { generation },
        WorkerReply::Ended,
        WorkerReply::Stands,
        WorkerReply::PendingAssigned {
            placed: vec![Placed {
                task: task.clone(),
                worker,
                generation,
            }],
            next: Some(Cursor { generation, task }),
        },
    ]
}

fn refusals() -> Vec<WorkerRefusal> {
    let (worker, task) = (|| "w".to_owned(), || "t".to_owned());
    let lease = LeaseId(7);
    let labels = || labels("zone=b");
    vec![
        WorkerRefusal::UnknownWorker { worker: worker() },
        WorkerRefusal::Exists {
            worker: worker(),
            lease,
        },
        WorkerRefusal::LeaseInUse {
            lease,
            worker: worker(),
        },
        WorkerRefusal::TooManyWorkers { workers_max: 1 },
        WorkerRefusal::NotRegistered {
            worker: worker(),
            lease,
        },
        WorkerRefusal::Offline { worker: worker() },
        WorkerRefusal::Draining { worker: worker() },
        WorkerRefusal::NoCapacity {
            worker: worker(),
            tasks: 2,
            capacity: 1,
        },
        WorkerRefusal::Unsuitable {
            worker: worker(),
            labels: labels(),
        },
        WorkerRefusal::NoWorker {
            task: task(),
            labels: labels(),
        },
        WorkerRefusal::UnknownTask { task: task() },
        WorkerRefusal::TooManyTasks { tasks_max: 1 },
        WorkerRefusal::Assigned {
            task: task(),
            worker: worker(),
            generation: 9,
        },
        WorkerRefusal::Changed {
            task: task(),
            expected: 8,
            found: 9,
        },
        WorkerRefusal::NotThere {
            task: task(),
            from: worker(),
            generation: 9,
        },
        WorkerRefusal::Stale {
            task: task(),
            worker: worker(),
            generation: 9,
        },
    ]
}

#[test]
fn rows_are_frozen() {
    check(&worker_row(), "");
    check(&Counts { workers: 300, tasks: 5 }, "");
    check(&task_row(), "");
    check(&TaskData { data: vec![1, 2] }, "");
    let worker = "w".to_owned();
    check(&WorkerOfLease { worker }, "");
}

#[test]
fn keys_are_frozen() {
    let mut store = store_with(&[("w", "zone=b", 3)]);
    done(&mut store, assign("t", "w"));
    done(
        &mut store,
        WorkerOperation::Assign {
            task: "u".to_owned(),
            to: Destination::LeastLoaded { or_wait: true },
            labels: labels("zone=c"),
            data: b"data".to_vec(),
            expected_generation: None,
        },
    );
    let of_workers = store
        .dump()
        .into_iter()
        .filter(|(table, key, _)| matches!(table, Table::Coordination | Table::Items) && (40..50).contains(&key[2]));
    let found: Vec<String> = of_workers
        .map(|(table, key, _)| format!("{} {}", table.name(), hex(&key)))
        .collect();
    let golden: [&str; 0] = [];
    assert_eq!(found, golden);
}

#[test]
fn operations_are_frozen() {
    let golden: [&str; 0] = [];
    check_all(&operations(), &golden);
}

#[test]
fn replies_are_frozen() {
    let golden: [&str; 0] = [];
    check_all(&replies(), &golden);
}

#[test]
fn refusals_are_frozen() {
    let golden: [&str; 0] = [];
    check_all(&refusals(), &golden);
}

#[test]
fn states_are_frozen() {
    use WorkerState::{Active, Draining, Offline};
    check_all(&[Active, Draining, Offline], &["00", "01", "02"]);
}
