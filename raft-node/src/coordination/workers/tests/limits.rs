//! Limits, each with its refusal; and what a death of many costs.

use super::{assign, done, labels, refused, register, revoke, rules, store_with};
use crate::coordination::workers::rows::{self, Counts};
use crate::coordination::workers::{
    CAPACITY_MAX, Destination, Labels, STEPS_MAX, SYNC_MAX, SyncAssignments, TASKS_MAX, WORKERS_MAX, Which,
    WorkerOperation, WorkerReply, load,
};
use crate::state_machine::testing::{self, Store};
use crate::state_machine::{Command, Operation};
use crate::storage::{Batch, Durability, Engine, Table};
use crate::types::{Revision, WorkerRefusal};

/// A store that says it holds this much.
fn store_that_counts(counts: Counts) -> Store {
    let store = store_with(&[("a", "", 5)]);
    let mut batch = Batch::new();
    let key = crate::rows::Key::of(41).done();
    batch.put(Table::Coordination, key, crate::codec::encode(&counts).unwrap());
    store.engine.write(batch, Durability::Synced).unwrap();
    store.reopen()
}

#[test]
fn a_worker_too_many_is_refused_and_one_that_is_known_is_not() {
    let mut store = store_that_counts(Counts {
        workers: WORKERS_MAX,
        tasks: 0,
    });
    store.transact(testing::transaction(vec![super::grant(9)]));
    let workers_max = WORKERS_MAX;
    assert_eq!(
        refused(&mut store, register("b", 9, "", 1)),
        WorkerRefusal::TooManyWorkers { workers_max }
    );
    done(&mut store, register("a", 1, "", 6));
    store.transact(testing::transaction(vec![revoke(1)]));
    done(&mut store, register("a", 9, "", 6));
}

#[test]
fn a_task_too_many_is_refused_and_one_that_is_known_is_not() {
    let mut store = store_that_counts(Counts {
        workers: 1,
        tasks: TASKS_MAX - 1,
    });
    done(&mut store, assign("t", "a"));
    assert_eq!(
        refused(&mut store, assign("u", "a")),
        WorkerRefusal::TooManyTasks { tasks_max: TASKS_MAX }
    );
    done(&mut store, assign("t", "a"));
}

#[test]
fn a_death_frees_everything_at_one_revision() {
    let mut store = store_with(&[("a", "", CAPACITY_MAX)]);
    for first in (0..CAPACITY_MAX).step_by(100) {
        let operations = (first..first + 100).map(|number| Operation::Worker(assign(&format!("t{number}"), "a")));
        store.transact(testing::transaction(operations.collect()));
    }
    let before = store.state.revision();
    store.transact(testing::transaction(vec![revoke(1)]));
    assert_eq!(store.state.revision(), before.next());
    rules::check(&store);
    let waiting = crate::coordination::workers::assignments(&store.engine, &Which::Waiting, None, 20_000, false);
    assert_eq!(waiting.unwrap().found.len(), CAPACITY_MAX as usize);
}

fn sync(expected: Revision, workers: &[(&str, Vec<String>)], only_workers: bool) -> WorkerOperation {
    let workers = workers
        .iter()
        .map(|(worker, tasks)| ((*worker).to_owned(), tasks.iter().cloned().collect()));
    WorkerOperation::Sync(SyncAssignments {
        expected,
        workers: workers.collect(),
        only_workers,
    })
}

#[test]
fn a_sync_makes_as_many_tasks_wait_as_it_may_and_refuses_more() {
    let mut store = store_with(&[("a", "", CAPACITY_MAX), ("b", "", 5)]);
    let many = || (0..CAPACITY_MAX).map(|number| format!("t{number}")).collect::<Vec<_>>();
    done(&mut store, sync(Revision(0), &[("a", many())], false));
    rules::check(&store);
    let now = rows::changed(&store.engine).unwrap();
    done(&mut store, sync(now, &[("b", vec!["u".to_owned()])], true));
    let now = rows::changed(&store.engine).unwrap();
    let tasks_max = SYNC_MAX;
    assert_eq!(
        refused(&mut store, sync(now, &[], false)),
        WorkerRefusal::TooManyToWait { tasks_max }
    );
    assert_eq!(
        refused(&mut store, sync(now, &[("a", vec![]), ("b", vec![])], true)),
        WorkerRefusal::TooManyToWait { tasks_max }
    );
    done(&mut store, sync(now, &[("a", vec![])], true));
    rules::check(&store);
    let own = crate::coordination::workers::assignments(&store.engine, &Which::Of("b".to_owned()), None, 9, false);
    assert_eq!(own.unwrap().found.len(), 1, "others are left alone");
    let waiting = crate::coordination::workers::assignments(&store.engine, &Which::Waiting, None, 20_000, false);
    assert_eq!(waiting.unwrap().found.len(), CAPACITY_MAX as usize);
}

#[test]
fn a_sync_makes_no_task_too_many() {
    let mut store = store_that_counts(Counts {
        workers: 1,
        tasks: TASKS_MAX - 1,
    });
    let tasks = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    // The store says that it holds tasks, and not when they changed: they are older than anything that is noted.
    assert_eq!(rows::changed(&store.engine).unwrap(), Revision(1));
    assert_eq!(
        refused(&mut store, sync(Revision(1), &[("a", tasks(&["t", "u"]))], true)),
        WorkerRefusal::TooManyTasks { tasks_max: TASKS_MAX }
    );
    done(&mut store, sync(Revision(1), &[("a", tasks(&["t"]))], true));
}

#[test]
fn looking_for_several_labels_is_bounded() {
    let store = store_with(&[("a", "g=1", 5), ("b", "g=1,z=1", 5)]);
    let both = labels("g=1,z=1");
    let found = |steps: u32| load::least_loaded(&store.engine, &both, &mut { steps }).unwrap();
    assert_eq!(found(STEPS_MAX), Some("b".to_owned()));
    assert_eq!(found(1), None);
}

#[test]
fn placing_what_waits_is_bounded_and_goes_on_where_it_stopped() {
    let mut store = store_with(&[]);
    let wait = |task: String, of: &str| {
        Operation::Worker(WorkerOperation::Assign {
            task,
            to: Destination::LeastLoaded { or_wait: true },
            labels: labels(of),
            data: Vec::new(),
            expected_generation: None,
        })
    };
    // More than one operation looks at, all hopeless, before the one that can be placed.
    for first in (0..STEPS_MAX + 500).step_by(500) {
        let operations = (first..first + 500).map(|number| wait(format!("t{number:06}"), "g=1"));
        store.transact(testing::transaction(operations.collect()));
    }
    let last = vec![
        super::grant(1),
        Operation::Worker(register("a", 1, "", 5)),
        wait("u".to_owned(), "x=1"),
    ];
    store.transact(testing::transaction(last));
    done(
        &mut store,
        WorkerOperation::Update {
            worker: "a".to_owned(),
            lease: crate::types::LeaseId(1),
            capacity: None,
            labels: Some(labels("x=1")),
        },
    );
    let mut after = None;
    for round in 1.. {
        let WorkerReply::PendingAssigned { placed, next } =
            done(&mut store, WorkerOperation::AssignPending { count: 9, after })
        else {
            panic!("another reply");
        };
        if let Some(placed) = placed.first() {
            assert_eq!((placed.task.as_str(), placed.worker.as_str(), round), ("u", "a", 2));
            assert_eq!(next, None);
            break;
        }
        assert!(next.is_some(), "it has not looked at all");
        after = next;
    }
    rules::check(&store);
}

#[test]
fn a_refused_operation_undoes_those_before_it() {
    let mut store = store_with(&[("a", "", 5), ("b", "", 5)]);
    done(&mut store, assign("t", "a"));
    let before = store.dump();
    let operations = vec![
        Operation::Worker(assign("u", "b")),
        revoke(1),
        Operation::Worker(WorkerOperation::Cancel {
            task: "t".to_owned(),
            generation: None,
        }),
        Operation::Worker(WorkerOperation::Assign {
            task: "w".to_owned(),
            to: Destination::Worker("a".to_owned()),
            labels: Labels::new(),
            data: b"data".to_vec(),
            expected_generation: None,
        }),
    ];
    store.apply_one(Command::Transaction(testing::transaction(operations)));
    let after = store.dump();
    let of_workers = |dump: testing::Dump| -> Vec<_> {
        let tables = [Table::Coordination, Table::Items];
        dump.into_iter()
            .filter(|(table, _, _)| tables.contains(table))
            .collect()
    };
    assert_eq!(of_workers(before), of_workers(after));
    assert_eq!(rows::counts(&store.engine).unwrap(), Counts { workers: 2, tasks: 1 });
}

#[test]
fn assignments_were_not_read_at_a_revision_that_is_yet_to_come() {
    let mut store = store_with(&[("a", "", 5)]);
    done(&mut store, sync(Revision(0), &[("a", vec!["t".to_owned()])], false));
    let found = rows::changed(&store.engine).unwrap();
    for expected in [store.state.revision().next(), Revision(u64::MAX)] {
        assert_eq!(
            refused(&mut store, sync(expected, &[], false)),
            WorkerRefusal::AssignmentsChanged { expected, found }
        );
    }
}
