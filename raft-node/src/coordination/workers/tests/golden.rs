//! The bytes of rows, keys, operations, replies and refusals. A failure here means that a format has changed: give the
//! record a new id or version instead, or append to the enum, and add to these.

use std::fmt::Write as _;

use bincode::{Decode, Encode};

use super::{assign, done, labels, store_with};
use crate::codec::{self, Record};
use crate::coordination::workers::rows::{Counts, LastChange, TaskData, WorkerOfLease};
use crate::coordination::workers::{
    Cursor, Destination, Placed, SyncAssignments, Synced, TaskRow, WorkerOperation, WorkerReply, WorkerRow, WorkerState,
};
use crate::state_machine::testing::events::check_frozen;
use crate::storage::Table;
use crate::types::{Event, LeaseId, LogTimeMs, Revision, TaskEvent, TaskWait, WorkerEvent, WorkerRefusal};

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
        WorkerOperation::Sync(SyncAssignments {
            expected: Revision(300),
            workers: [(worker(), [task(), "u".to_owned()].into())].into(),
            only_workers: true,
        }),
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
        WorkerReply::Synced {
            synced: Synced {
                assigned: 300,
                moved: 2,
                unassigned: 3,
                kept: 4,
            },
            generation,
            changed: Revision(300),
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
        WorkerRefusal::AssignmentsChanged {
            expected: Revision(300),
            found: Revision(301),
        },
        WorkerRefusal::TooManyToWait { tasks_max: 300 },
    ]
}

#[test]
fn rows_are_frozen() {
    check(
        &worker_row(),
        "4002012700000042e385fd070102036770750461313030047a6f6e650162fb2c010502fb2c01fbe803fd0068e5cf8b010000",
    );
    check(&Counts { workers: 300, tasks: 5 }, "41020104000000e323d43afb2c0105");
    check(
        &task_row(),
        "420201200000000bd862e7fc01c012000101770103677075046131303002fbe803fd0068e5cf8b01000004",
    );
    check(&TaskData { data: vec![1, 2] }, "4302010300000074d79a27020102");
    let worker = "w".to_owned();
    check(&WorkerOfLease { worker }, "44020102000000c94def230177");
    let revision = Revision(300);
    check(&LastChange { revision }, "4502010300000012d4e47bfb2c01");
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
    let golden = [
        "coordination 000028770000",
        "coordination 000029",
        "coordination 00002a0000000000000001",
        "coordination 00002b005555555555555555770000",
        "coordination 00002b017a6f6e6500006200005555555555555555770000",
        "coordination 00002c740000",
        "coordination 00002c750000",
        "coordination 00002d770000740000",
        "coordination 00002e0000000000004000750000",
        "coordination 000030",
        "items 00002f750000",
    ];
    assert_eq!(found, golden);
}

#[test]
fn operations_are_frozen() {
    let golden = [
        "0001770702036770750461313030047a6f6e650162fb2c01",
        "0101770701fb2c010101047a6f6e650162",
        "02017701",
        "0301770107",
        "04017400017701036770750461313030046461746101fc01c01200",
        "040174010101036770750461313030046461746100",
        "05017401fc01c01200",
        "0601740177fc01c01200",
        "07017400",
        "0801740177fc01c01200",
        "0901740177fc01c012000178",
        "0a8001fc01c012000174",
        "0bfb2c01010177020174017501",
    ];
    check_all(&operations(), &golden);
}

#[test]
fn replies_are_frozen() {
    let golden = [
        "00fb2c01",
        "01",
        "0205",
        "0305",
        "04010177fc01c01200",
        "05fc01c01200",
        "06",
        "07",
        "080101740177fc01c0120001fc01c012000174",
        "09fb2c01020304fc01c01200fb2c01",
    ];
    check_all(&replies(), &golden);
}

#[test]
fn refusals_are_frozen() {
    let golden = [
        "000177",
        "01017707",
        "02070177",
        "0301",
        "04017707",
        "050177",
        "060177",
        "0701770201",
        "08017701047a6f6e650162",
        "09017401047a6f6e650162",
        "0a0174",
        "0b01",
        "0c0174017709",
        "0d01740809",
        "0e0174017709",
        "0f0174017709",
        "10fb2c01fb2d01",
        "11fb2c01",
    ];
    check_all(&refusals(), &golden);
}

#[test]
fn states_are_frozen() {
    use WorkerState::{Active, Draining, Offline};
    check_all(&[Active, Draining, Offline], &["00", "01", "02"]);
}

#[test]
fn events_of_workers_are_frozen() {
    let lease = LeaseId(7);
    let all = [
        WorkerEvent::Registered { lease, capacity: 300 },
        WorkerEvent::Updated { capacity: 300 },
        WorkerEvent::Draining,
        WorkerEvent::Resumed,
        WorkerEvent::Offline { lease },
        WorkerEvent::Deregistered,
    ];
    let events = all.into_iter().map(|what| Event::Worker {
        worker: "w".to_owned(),
        what,
    });
    check_frozen(
        events.collect(),
        &[
            "0301770007fb2c01",
            "03017701fb2c01",
            "03017702",
            "03017703",
            "0301770407",
            "03017705",
        ],
    );
}

#[test]
fn events_of_tasks_are_frozen() {
    let generation = 300 * 4096 + 1;
    let worker = || "w".to_owned();
    let waiting = |from, why| TaskEvent::Waiting { generation, from, why };
    let all = [
        TaskEvent::Assigned {
            worker: worker(),
            generation,
            from: Some("v".to_owned()),
        },
        waiting(None, TaskWait::NoWorker),
        waiting(Some(worker()), TaskWait::Unassigned),
        waiting(Some(worker()), TaskWait::WorkerGone),
        TaskEvent::Completed {
            worker: worker(),
            generation,
        },
        TaskEvent::Cancelled { generation, from: None },
    ];
    let events = all.into_iter().map(|what| Event::Task {
        task: "task".to_owned(),
        what,
    });
    check_frozen(
        events.collect(),
        &[
            "04047461736b000177fc01c01200010176",
            "04047461736b01fc01c012000000",
            "04047461736b01fc01c0120001017701",
            "04047461736b01fc01c0120001017702",
            "04047461736b020177fc01c01200",
            "04047461736b03fc01c0120000",
        ],
    );
}
