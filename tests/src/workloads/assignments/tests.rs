//! Each property with a history that breaks it, beside one that it accepts.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::TaskWaitReason;
use quorate_proto::v1::task_event::What as TaskWhat;
use quorate_proto::v1::watch_event::Event as Wire;
use quorate_proto::v1::worker_event::What as WorkerWhat;

use super::history::History;
use super::record::{Assignment, AssignmentOperation, Call, Done};
use super::violations;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth};
use crate::workloads::leases;

const KEYS: &str = "written/";
const ONE: u64 = 101;
const TWO: u64 = 102;

/// What happened: revision 2 grants both leases, the others follow.
fn truth(revisions: Vec<Vec<Event>>) -> Truth {
    let mut truth = Truth::default();
    truth.push(2, vec![lease_granted(ONE), lease_granted(TWO)]).unwrap();
    for events in revisions {
        truth.push(truth.last() + 1, events).unwrap();
    }
    truth
}

fn other(space: Space, name: &str, what: Wire) -> Event {
    Event::Other(OtherEvent {
        space,
        name: Bytes::copy_from_slice(name.as_bytes()),
        what: Some(what),
    })
}

fn lease_granted(lease: u64) -> Event {
    let granted = v1::LeaseGrantedEvent {
        ttl_ms: 1000,
        ..v1::LeaseGrantedEvent::default()
    };
    let what = Some(v1::lease_event::What::Granted(granted));
    other(
        Space::Leases,
        &lease.to_string(),
        Wire::Lease(v1::LeaseEvent { lease, what }),
    )
}

fn lease_ended(lease: u64) -> Event {
    let what = Some(v1::lease_event::What::Ended(v1::LeaseEndedEvent { expired: false }));
    other(
        Space::Leases,
        &lease.to_string(),
        Wire::Lease(v1::LeaseEvent { lease, what }),
    )
}

fn worker(name: &str, what: WorkerWhat) -> Event {
    let event = v1::WorkerEvent {
        worker: name.to_owned(),
        what: Some(what),
    };
    other(Space::Workers, name, Wire::Worker(event))
}

fn registered(name: &str, lease: u64, capacity: u32) -> Event {
    worker(
        name,
        WorkerWhat::Registered(v1::WorkerRegisteredEvent { lease, capacity }),
    )
}

fn offline(name: &str, lease: u64) -> Event {
    worker(name, WorkerWhat::Offline(v1::WorkerOfflineEvent { lease }))
}

fn task(name: &str, what: TaskWhat) -> Event {
    let event = v1::TaskEvent {
        task: name.to_owned(),
        what: Some(what),
    };
    other(Space::Tasks, name, Wire::Task(event))
}

fn assigned(name: &str, worker: &str, generation: u64, from: &str) -> Event {
    task(
        name,
        TaskWhat::Assigned(v1::TaskAssignedEvent {
            worker: worker.to_owned(),
            generation,
            from: from.to_owned(),
        }),
    )
}

fn waits(name: &str, generation: u64, from: &str) -> Event {
    task(
        name,
        TaskWhat::Waiting(v1::TaskWaitingEvent {
            generation,
            from: from.to_owned(),
            why: TaskWaitReason::WorkerGone.into(),
        }),
    )
}

fn completed(name: &str, worker: &str, generation: u64) -> Event {
    let worker = worker.to_owned();
    task(name, TaskWhat::Completed(v1::TaskCompletedEvent { worker, generation }))
}

fn put(task: &str, worker: &str, generation: u64, revision: u64) -> Event {
    let record = v1::Record {
        key: Bytes::from(format!("{KEYS}{task}")),
        value: Bytes::from(format!("{worker} {generation}")),
        create_revision: revision,
        mod_revision: revision,
        version: 1,
        ..v1::Record::default()
    };
    Event::Key(KeyEvent {
        domain: "default".to_owned(),
        kind: KeyKind::Put,
        record,
        previous: None,
    })
}

fn assignment(task: &str, worker: &str, generation: u64) -> Assignment {
    Assignment {
        task: task.to_owned(),
        worker: worker.to_owned(),
        generation,
    }
}

fn done(invoked: u64, returned: u64, call: Call, done: Done) -> AssignmentOperation {
    Operation {
        client: 1,
        invoked: Duration::from_millis(invoked),
        returned: Duration::from_millis(returned),
        call,
        answer: Answer::Done(done),
    }
}

/// Somebody makes this revision, so that it is known when that was.
fn mark(invoked: u64, returned: u64, revision: u64) -> AssignmentOperation {
    let key = String::new();
    let call = Call::Lease(leases::Call::Attach { lease: 0, key });
    done(
        invoked,
        returned,
        call,
        Done::Lease(leases::Done::Attached { revision }),
    )
}

/// The properties that do not hold. Marks are none of its business.
fn broken(operations: &[AssignmentOperation], truth: &Truth) -> Vec<&'static str> {
    let history = History::new(operations, truth, &[], "", KEYS);
    let is_mark = |operation: &AssignmentOperation| matches!(&operation.call, Call::Lease(_));
    let without: Vec<AssignmentOperation> = operations
        .iter()
        .filter(|operation| !is_mark(operation))
        .cloned()
        .collect();
    let history = History {
        operations: &without,
        ..history
    };
    violations(&history).properties()
}

fn fine() -> Vec<&'static str> {
    Vec::new()
}

#[test]
fn a_task_that_goes_from_a_dead_worker_to_another_is_accepted() {
    let truth = truth(vec![
        vec![registered("a", ONE, 1), registered("b", TWO, 1)],
        vec![assigned("t", "a", 4, "")],
        vec![put("t", "a", 4, 5)],
        vec![lease_ended(ONE), offline("a", ONE), waits("t", 6, "a")],
        vec![assigned("t", "b", 7, "")],
        vec![completed("t", "b", 7)],
    ]);
    let operations = [
        done(
            0,
            10,
            Call::Assign {
                task: "t".to_owned(),
                worker: None,
            },
            Done::Assigned {
                worker: Some("a".to_owned()),
                generation: 4,
                revision: 4,
            },
        ),
        done(
            20,
            30,
            Call::Put {
                assignment: assignment("t", "a", 4),
            },
            Done::Put { revision: 5 },
        ),
        done(
            60,
            70,
            Call::Put {
                assignment: assignment("t", "a", 4),
            },
            Done::Fenced,
        ),
        done(
            80,
            90,
            Call::Complete {
                assignment: assignment("t", "b", 7),
            },
            Done::Ended { revision: 8 },
        ),
    ];
    assert_eq!(broken(&operations, &truth), fine());
}

#[test]
fn a_generation_that_does_not_grow_is_found() {
    let anew = |generation| {
        truth(vec![
            vec![registered("a", ONE, 1)],
            vec![assigned("t", "a", 4, "")],
            vec![completed("t", "a", 4)],
            vec![assigned("t", "a", generation, "")],
        ])
    };
    assert_eq!(broken(&[], &anew(6)), fine());
    assert_eq!(broken(&[], &anew(4)), ["generations"]);
}

#[test]
fn a_task_that_two_have_is_found() {
    let two = truth(vec![
        vec![registered("a", ONE, 1), registered("b", TWO, 1)],
        vec![assigned("t", "a", 4, "")],
        vec![assigned("t", "b", 5, "")],
    ]);
    assert_eq!(broken(&[], &two), ["alone"]);
    let names = truth(vec![vec![registered("a", ONE, 1)], vec![registered("a", TWO, 1)]]);
    assert!(broken(&[], &names).contains(&"alone"));
}

#[test]
fn a_worker_that_has_too_much_or_drains_and_is_given_more_is_found() {
    let too_much = truth(vec![
        vec![registered("a", ONE, 1)],
        vec![assigned("t", "a", 4, "")],
        vec![assigned("u", "a", 5, "")],
    ]);
    assert_eq!(broken(&[], &too_much), ["capacity"]);
    let drains = truth(vec![
        vec![registered("a", ONE, 1)],
        vec![worker("a", WorkerWhat::Draining(v1::WorkerDrainingEvent {}))],
        vec![assigned("t", "a", 5, "")],
    ]);
    assert_eq!(broken(&[], &drains), ["capacity"]);
}

#[test]
fn a_worker_that_is_not_offline_when_its_lease_ends_or_keeps_a_task_is_found() {
    let outlives = truth(vec![vec![registered("a", ONE, 1)], vec![lease_ended(ONE)]]);
    assert_eq!(broken(&[], &outlives), ["whole"]);
    let too_early = truth(vec![vec![registered("a", ONE, 1)], vec![offline("a", ONE)]]);
    assert_eq!(broken(&[], &too_early), ["whole"]);
    let keeps = truth(vec![
        vec![registered("a", ONE, 1)],
        vec![assigned("t", "a", 4, "")],
        vec![lease_ended(ONE), offline("a", ONE)],
    ]);
    assert_eq!(broken(&[], &keeps), ["whole"]);
    let under_a_dead_one = truth(vec![vec![lease_ended(ONE)], vec![registered("a", ONE, 1)]]);
    assert_eq!(broken(&[], &under_a_dead_one), ["whole"]);
}

#[test]
fn what_is_done_with_the_fence_of_an_assignment_that_is_over_is_found() {
    let moved = |late: Event| {
        truth(vec![
            vec![registered("a", ONE, 1), registered("b", TWO, 1)],
            vec![assigned("t", "a", 4, "")],
            vec![assigned("t", "b", 5, "a")],
            vec![late],
        ])
    };
    assert_eq!(broken(&[], &moved(put("t", "b", 5, 6))), fine());
    assert_eq!(broken(&[], &moved(put("t", "a", 4, 6))), ["fenced"]);
    assert_eq!(broken(&[], &moved(completed("t", "a", 4))), ["fenced"]);
    let lost = moved(put("t", "b", 5, 6));
    let said = done(
        20,
        30,
        Call::Put {
            assignment: assignment("t", "b", 5),
        },
        Done::Put { revision: 5 },
    );
    assert_eq!(broken(&[said], &lost), ["fenced"]);
}

#[test]
fn an_answer_that_the_truth_does_not_have_is_found() {
    let stands = || {
        truth(vec![
            vec![registered("a", ONE, 1)],
            vec![assigned("t", "a", 4, "")],
            vec![],
            vec![completed("t", "a", 4)],
            vec![],
        ])
    };
    let own = || assignment("t", "a", 4);
    let denied = done(20, 30, Call::Put { assignment: own() }, Done::Fenced);
    assert_eq!(broken(&[denied.clone(), mark(40, 50, 5)], &stands()), ["answered"]);
    assert_eq!(broken(&[denied], &stands()), fine());
    let list = |invoked, generation| {
        let assignments = vec![assignment("t", "a", generation)];
        let worker = "a".to_owned();
        done(
            invoked,
            invoked + 10,
            Call::List { worker },
            Done::Listed { assignments },
        )
    };
    assert_eq!(broken(&[list(20, 4)], &stands()), fine());
    assert_eq!(broken(&[list(20, 5)], &stands()), ["answered"]);
    // It was over before anybody asked.
    assert_eq!(broken(&[mark(40, 50, 7), list(60, 4)], &stands()), ["answered"]);
    let never = done(
        20,
        30,
        Call::Complete { assignment: own() },
        Done::Ended { revision: 5 },
    );
    assert_eq!(broken(&[never], &stands()), ["answered"]);
    let register = Call::Register {
        worker: "a".to_owned(),
        lease: ONE,
        capacity: 1,
    };
    assert_eq!(
        broken(&[done(0, 10, register, Done::Registered { revision: 4 })], &stands()),
        ["answered"]
    );
}
