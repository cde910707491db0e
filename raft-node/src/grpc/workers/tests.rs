//! Bad input, each with the field that is at fault, and the limit and the value where there is one.

use quorate_proto::v1::worker_operation::Operation;
use quorate_proto::v1::worker_query::Query;
use quorate_proto::v1::{self as proto, Error, ErrorCode, task_assign};

use super::{check, operation, query, refusal, settled, topic};
use crate::config::Limits;
use crate::storage::MemoryEngine;
use crate::types::{Revision, WorkerRefusal};

fn refused(bad: Operation) -> Error {
    let bad = proto::WorkerOperation { operation: Some(bad) };
    operation(&Limits::default(), &bad).unwrap_err()
}

fn register() -> proto::WorkerRegister {
    proto::WorkerRegister {
        worker: "w".to_owned(),
        lease: 1,
        labels: [("zone".to_owned(), "b".to_owned())].into(),
        capacity: 1,
    }
}

fn assign() -> proto::TaskAssign {
    proto::TaskAssign {
        task: "t".to_owned(),
        to: Some(task_assign::To::Worker("w".to_owned())),
        ..proto::TaskAssign::default()
    }
}

#[track_caller]
fn is(error: &Error, code: ErrorCode, field: &str, limit: u64, value: u64) {
    assert_eq!(
        (error.code(), error.field.as_str(), error.limit, error.value),
        (code, field, limit, value)
    );
}

#[test]
fn registrations_are_checked() {
    use ErrorCode::{InvalidArgument, TooLarge};
    let bad = |change: &dyn Fn(&mut proto::WorkerRegister)| {
        let mut register = register();
        change(&mut register);
        refused(Operation::Register(register))
    };
    is(&bad(&|one| one.worker.clear()), InvalidArgument, "worker", 0, 0);
    is(&bad(&|one| one.worker = "w".repeat(257)), TooLarge, "worker", 256, 257);
    is(&bad(&|one| one.lease = 0), InvalidArgument, "lease", 0, 0);
    is(&bad(&|one| one.capacity = 10_001), TooLarge, "capacity", 10_000, 10_001);
    let many = (0..17).map(|number| (number.to_string(), String::new()));
    is(
        &bad(&|one| one.labels = many.clone().collect()),
        TooLarge,
        "labels",
        16,
        17,
    );
    let long = "x".repeat(129);
    let labelled = |label: &str, value: &str| bad(&|one| one.labels = [(label.to_owned(), value.to_owned())].into());
    is(&labelled("", "b"), InvalidArgument, "labels", 0, 0);
    is(&labelled(&long, "b"), TooLarge, "labels", 128, 129);
    is(&labelled("zone", &long), TooLarge, "labels", 128, 129);
}

#[test]
fn assignments_are_checked() {
    use ErrorCode::{InvalidArgument, TooLarge};
    let bad = |change: &dyn Fn(&mut proto::TaskAssign)| {
        let mut assign = assign();
        change(&mut assign);
        refused(Operation::Assign(assign))
    };
    is(&bad(&|one| one.task.clear()), InvalidArgument, "task", 0, 0);
    is(&bad(&|one| one.task = "t".repeat(1025)), TooLarge, "task", 1024, 1025);
    is(&bad(&|one| one.to = None), InvalidArgument, "to", 0, 0);
    is(
        &bad(&|one| one.to = Some(task_assign::To::Worker(String::new()))),
        InvalidArgument,
        "to",
        0,
        0,
    );
    is(
        &bad(&|one| one.data = vec![0; 65_537].into()),
        TooLarge,
        "data",
        65_536,
        65_537,
    );
}

#[test]
fn generations_and_counts_are_checked() {
    use ErrorCode::{InvalidArgument, TooLarge};
    let (task, worker) = (|| "t".to_owned(), || "w".to_owned());
    let fence = proto::TaskFence {
        task: task(),
        worker: worker(),
        generation: 0,
    };
    is(&refused(Operation::Fence(fence)), InvalidArgument, "generation", 0, 0);
    let moved = proto::TaskMove {
        task: task(),
        from: worker(),
        generation: 1,
        to: worker(),
    };
    is(&refused(Operation::Move(moved)), InvalidArgument, "to", 0, 0);
    let pending = |count, after: &'static [u8]| {
        let after = after.into();
        refused(Operation::AssignPending(proto::TaskAssignPending { count, after }))
    };
    is(&pending(0, b""), InvalidArgument, "count", 0, 0);
    is(&pending(129, b""), TooLarge, "count", 128, 129);
    is(&pending(1, b"short"), InvalidArgument, "after", 0, 0);
    is(&pending(1, b"12345678\xFF"), InvalidArgument, "after", 0, 0);
    let nothing = operation(&Limits::default(), &proto::WorkerOperation { operation: None });
    is(&nothing.unwrap_err(), InvalidArgument, "operation", 0, 0);
}

#[test]
fn queries_are_checked() {
    use ErrorCode::{InvalidArgument, TooLarge};
    let bad = |query| check(&proto::WorkerQuery { query }).unwrap_err();
    is(&bad(None), InvalidArgument, "query", 0, 0);
    is(
        &bad(Some(Query::Get(proto::WorkerGet::default()))),
        InvalidArgument,
        "worker",
        0,
        0,
    );
    is(
        &bad(Some(Query::Task(proto::TaskGet::default()))),
        InvalidArgument,
        "task",
        0,
        0,
    );
    let list = |states, limit, after: &'static [u8]| {
        let after = after.into();
        bad(Some(Query::List(proto::WorkerList {
            states,
            limit,
            after,
            ..proto::WorkerList::default()
        })))
    };
    is(&list(vec![9], 0, b""), InvalidArgument, "states", 0, 0);
    is(&list(vec![0], 0, b""), InvalidArgument, "states", 0, 0);
    is(&list(vec![], 1001, b""), TooLarge, "limit", 1000, 1001);
    is(&list(vec![], 0, b"\xFF"), InvalidArgument, "after", 0, 0);
    let which = bad(Some(Query::Assignments(proto::AssignmentList::default())));
    is(&which, InvalidArgument, "which", 0, 0);
    let plan = proto::RebalancePlan { moves_max: 1001 };
    is(&bad(Some(Query::Plan(plan))), TooLarge, "moves_max", 1000, 1001);
}

#[test]
fn only_assignments_of_a_worker_are_waited_for() {
    let store = MemoryEngine::new();
    let of_worker = |which| proto::WorkerQuery {
        query: Some(Query::Assignments(proto::AssignmentList {
            which,
            ..proto::AssignmentList::default()
        })),
    };
    use proto::assignment_list::Which;
    assert!(topic(&of_worker(Some(Which::Worker("w".to_owned())))).is_some());
    assert!(topic(&of_worker(Some(Which::Pending(proto::Pending {})))).is_none());
    // One that is not registered would be waited for in vain.
    let unknown = of_worker(Some(Which::Worker("w".to_owned())));
    assert!(settled(&store, &unknown).unwrap());
    assert_eq!(query(&store, &unknown).unwrap(), proto::WorkerAnswer::default());
}

#[test]
fn a_refusal_names_the_limit_and_the_value() {
    let full = refusal(&WorkerRefusal::NoCapacity {
        worker: "w".to_owned(),
        tasks: 3,
        capacity: 2,
    });
    is(&full, ErrorCode::NoCapacity, "capacity", 2, 3);
    let changed = refusal(&WorkerRefusal::Changed {
        task: "t".to_owned(),
        expected: 8,
        found: 9,
    });
    is(&changed, ErrorCode::Conflict, "generation", 0, 9);
}

#[test]
fn a_sync_names_a_worker_and_a_task_once_and_at_most_10_000_tasks() {
    use ErrorCode::{Conflict, InvalidArgument, TooLarge};
    let of = |worker: &str, tasks: Vec<String>| proto::WorkerTasks {
        worker: worker.to_owned(),
        tasks,
    };
    let sync = |workers, only_workers| {
        Operation::Sync(proto::AssignmentsSync {
            expected_revision: 1,
            workers,
            only_workers,
        })
    };
    let many = |count: u32| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let none = refused(sync(vec![], true));
    is(&none, InvalidArgument, "workers", 0, 0);
    let too_many = refused(sync(vec![of("v", vec!["t".to_owned()]), of("w", many(10_000))], false));
    is(&too_many, TooLarge, "workers.tasks", 10_000, 10_001);
    let twice = refused(sync(vec![of("v", many(1)), of("w", many(1))], false));
    is(&twice, InvalidArgument, "workers.tasks", 0, 0);
    let twice = refused(sync(vec![of("w", vec![]), of("w", vec![])], false));
    is(&twice, InvalidArgument, "workers.worker", 0, 0);
    let unnamed = refused(sync(vec![of("w", vec![String::new()])], false));
    is(&unnamed, InvalidArgument, "task", 0, 0);
    let whole = proto::WorkerOperation {
        operation: Some(sync(vec![], false)),
    };
    assert!(operation(&Limits::default(), &whole).is_ok(), "everything waits");
    let changed = refusal(&WorkerRefusal::AssignmentsChanged {
        expected: Revision(300),
        found: Revision(301),
    });
    is(&changed, Conflict, "expected_revision", 0, 301);
    assert!(changed.message.contains("300"), "{}", changed.message);
}
