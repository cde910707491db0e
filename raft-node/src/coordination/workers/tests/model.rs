//! Random histories, applied to the store and to the reference model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::reference::Model;
use super::replay::{Replay, ReplayedWorker};
use super::{grant, labels, revoke, rules};
use crate::coordination::sessions::LeaseReply;
use crate::coordination::workers::{self, Destination, SyncAssignments, Which, WorkerOperation, WorkerState};
use crate::state_machine::testing::events::Told;
use crate::state_machine::testing::{self, Store, check_rules};
use crate::state_machine::{Command, ExpireLeases, Operation, OperationReply, Reply};
use crate::storage::Engine;
use crate::types::{LeaseId, LeaseRefusal, Rejection, Revision};

/// A generation, which is known when the operation is done.
#[derive(Clone, Copy, Debug)]
enum Of {
    Now,
    Before,
    Absent,
}

#[derive(Clone, Debug)]
enum Act {
    Grant(u64),
    Revoke(u64),
    Work(WorkerOperation),
    Assign(WorkerOperation, Option<Of>),
    Unassign(String, Option<Of>),
    Cancel(String, Option<Of>),
    /// By whoever has it if no worker is named.
    Complete(String, Option<String>, Of),
    Fence(String, Option<String>, Of),
    Move(String, Option<String>, Of, String),
    /// After this share, in tenths, of those that wait; over that, from the first.
    Pending(u32, usize),
    /// A task that is named twice is the first one's.
    Sync(Of, Vec<(String, Vec<String>)>, bool),
}

#[derive(Clone, Debug)]
enum Step {
    Transact(Vec<Act>),
    Expire(u64),
    Wait(u64),
    Restart,
}

fn worker() -> impl Strategy<Value = String> {
    prop::sample::select(["a", "b", "b\0", "c"].as_slice()).prop_map(str::to_owned)
}

fn task() -> impl Strategy<Value = String> {
    prop::sample::select(["t", "t\0", "u", "v", "w", "x", "y"].as_slice()).prop_map(str::to_owned)
}

fn lease() -> impl Strategy<Value = LeaseId> {
    (1..5_u64).prop_map(LeaseId)
}

fn of() -> impl Strategy<Value = Of> {
    prop_oneof![6 => Just(Of::Now), 1 => Just(Of::Before), 1 => Just(Of::Absent)]
}

fn some_labels() -> impl Strategy<Value = workers::Labels> {
    const ALL: [&str; 7] = ["", "", "", "g=1", "g=2", "g=1,z=1", "z=1"];
    prop::sample::select(ALL.as_slice()).prop_map(labels)
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![
        worker().prop_map(Destination::Worker),
        any::<bool>().prop_map(|or_wait| Destination::LeastLoaded { or_wait }),
    ]
}

fn assign() -> impl Strategy<Value = Act> {
    let data = prop::sample::select(["", "", "one", "two"].as_slice());
    (
        task(),
        destination(),
        some_labels(),
        data,
        prop::option::weighted(0.4, of()),
    )
        .prop_map(|(task, to, labels, data, expected)| {
            let data = data.as_bytes().to_vec();
            let expected_generation = None;
            let operation = WorkerOperation::Assign {
                task,
                to,
                labels,
                data,
                expected_generation,
            };
            Act::Assign(operation, expected)
        })
}

fn act() -> impl Strategy<Value = Act> {
    let someone = || prop::option::weighted(0.2, worker());
    let expected = || prop::option::weighted(0.5, of());
    prop_oneof![
        3 => (1..5_u64).prop_map(Act::Grant),
        1 => (1..5_u64).prop_map(Act::Revoke),
        6 => (worker(), lease(), some_labels(), 0..5_u32).prop_map(|(worker, lease, labels, capacity)| {
            Act::Work(WorkerOperation::Register { worker, lease, labels, capacity })
        }),
        2 => (worker(), lease(), prop::option::of(0..5_u32), prop::option::of(some_labels())).prop_map(
            |(worker, lease, capacity, labels)| Act::Work(WorkerOperation::Update { worker, lease, capacity, labels })
        ),
        2 => (worker(), prop::bool::weighted(0.4)).prop_map(|(worker, draining)| {
            Act::Work(WorkerOperation::Drain { worker, draining })
        }),
        1 => (worker(), prop::option::of(lease())).prop_map(|(worker, lease)| {
            Act::Work(WorkerOperation::Deregister { worker, lease })
        }),
        10 => assign(),
        1 => (task(), expected()).prop_map(|(task, of)| Act::Unassign(task, of)),
        1 => (task(), expected()).prop_map(|(task, of)| Act::Cancel(task, of)),
        3 => (task(), someone(), of()).prop_map(|(task, worker, of)| Act::Complete(task, worker, of)),
        2 => (task(), someone(), of()).prop_map(|(task, worker, of)| Act::Fence(task, worker, of)),
        3 => (task(), someone(), of(), worker()).prop_map(|(task, from, of, to)| Act::Move(task, from, of, to)),
        3 => (1..4_u32, 0..20_usize).prop_map(|(count, after)| Act::Pending(count, after)),
        6 => (of(), prop::collection::vec((worker(), prop::collection::vec(task(), 0..4)), 0..4), any::<bool>())
            .prop_map(|(of, workers, only)| Act::Sync(of, workers, only)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => prop::collection::vec(act(), 1..4).prop_map(Step::Transact),
        2 => (1..5_u64).prop_map(Step::Expire),
        1 => (1..100_u64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

/// The operation, with generations as they are in the model.
fn resolve(model: &Model, act: Act) -> Operation {
    let generation = |task: &str, of: Of| match (of, model.tasks.get(task).map(|task| task.generation)) {
        (Of::Absent, _) => 0,
        (Of::Now, found) => found.unwrap_or(0),
        (Of::Before, found) => found.unwrap_or(0).saturating_sub(1),
    };
    let holder = |task: &str, named: Option<String>| {
        let found = model.tasks.get(task).and_then(|task| task.worker.clone());
        named.or(found).unwrap_or_else(|| "a".to_owned())
    };
    Operation::Worker(match act {
        Act::Grant(lease) => return grant(lease),
        Act::Revoke(lease) => return revoke(lease),
        Act::Work(operation) => operation,
        Act::Assign(mut operation, of) => {
            if let WorkerOperation::Assign {
                task,
                expected_generation,
                ..
            } = &mut operation
            {
                *expected_generation = of.map(|of| generation(task, of));
            }
            operation
        }
        Act::Unassign(task, of) => {
            let generation = of.map(|of| generation(&task, of));
            WorkerOperation::Unassign { task, generation }
        }
        Act::Cancel(task, of) => {
            let generation = of.map(|of| generation(&task, of));
            WorkerOperation::Cancel { task, generation }
        }
        Act::Complete(task, worker, of) => {
            let (worker, generation) = (holder(&task, worker), generation(&task, of));
            WorkerOperation::Complete {
                task,
                worker,
                generation,
            }
        }
        Act::Fence(task, worker, of) => {
            let (worker, generation) = (holder(&task, worker), generation(&task, of));
            WorkerOperation::Fence {
                task,
                worker,
                generation,
            }
        }
        Act::Move(task, from, of, to) => {
            let (from, generation) = (holder(&task, from), generation(&task, of));
            WorkerOperation::Move {
                task,
                from,
                generation,
                to,
            }
        }
        Act::Pending(count, after) => {
            let waiting = model.tasks.iter().filter(|(_, task)| task.worker.is_none());
            let (task, row) = waiting.clone().nth(after).unzip();
            let after = task.zip(row).map(|(task, row)| workers::Cursor {
                generation: row.generation,
                task: task.clone(),
            });
            WorkerOperation::AssignPending { count, after }
        }
        Act::Sync(of, named, only_workers) => {
            let expected = Revision(match of {
                Of::Now => model.tasks_changed,
                Of::Before => model.tasks_changed.saturating_sub(1),
                Of::Absent => 0,
            });
            let mut workers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (worker, tasks) in named {
                let taken: BTreeSet<String> = workers.values().flatten().cloned().collect();
                let free = tasks.into_iter().filter(|task| !taken.contains(task));
                workers.entry(worker).or_default().extend(free);
            }
            WorkerOperation::Sync(SyncAssignments {
                expected,
                workers,
                only_workers,
            })
        }
    })
}

fn operate(model: &mut Model, operation: Operation, number: u32) -> Result<OperationReply, Rejection> {
    use crate::coordination::sessions::LeaseOperation;
    use crate::types::Refusal as _;
    let refused = |refusal: LeaseRefusal| Err(refusal.of_operation(number));
    match operation {
        Operation::Lease(LeaseOperation::Grant { lease, ttl_ms, .. }) => {
            let lease = lease.unwrap();
            if !model.leases.insert(lease.0) {
                return refused(LeaseRefusal::Exists { lease });
            }
            model.changed = true;
            Ok(OperationReply::Lease(LeaseReply::Granted { lease, ttl_ms }))
        }
        Operation::Lease(LeaseOperation::Revoke { lease }) => {
            if !model.leases.contains(&lease.0) {
                return refused(LeaseRefusal::Unknown { lease });
            }
            let attached = model.end_lease(lease.0);
            Ok(OperationReply::Lease(LeaseReply::Revoked { attached }))
        }
        Operation::Worker(operation) => match model.operate(operation) {
            Err(lease) => refused(LeaseRefusal::Unknown { lease }),
            Ok(Err(refusal)) => Err(refusal.of_operation(number)),
            Ok(Ok(reply)) => Ok(OperationReply::Worker(reply)),
        },
        other => panic!("{other:?}"),
    }
}

/// One transaction on the model: all of it or nothing.
fn transact(model: &mut Model, operations: &[Operation]) -> Result<Vec<OperationReply>, Rejection> {
    let mut after = model.clone();
    after.changed = false;
    after.revision += 1;
    let mut replies = Vec::new();
    for (number, operation) in (0_u32..).zip(operations) {
        after.generation = after.revision * 4096 + u64::from(number);
        let before = after.tasks.clone();
        replies.push(operate(&mut after, operation.clone(), number)?);
        after.note_changes(&before);
    }
    if after.changed {
        *model = after;
    }
    Ok(replies)
}

fn compare(store: &Store, model: &Model) {
    let view = store.engine.view();
    let page = workers::list(&*view, &workers::Filter::default(), None, 1000).unwrap();
    let found: BTreeMap<_, _> = page.found.into_iter().collect();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        model.workers.keys().collect::<Vec<_>>()
    );
    for (name, row) in &found {
        let worker = &model.workers[name];
        let state = match (worker.live, worker.draining) {
            (false, _) => WorkerState::Offline,
            (true, true) => WorkerState::Draining,
            (true, false) => WorkerState::Active,
        };
        assert_eq!(
            (row.state, row.assigned, row.lease.0),
            (state, model.assigned(name), worker.lease)
        );
        assert_eq!((row.capacity, &row.labels), (worker.capacity, &worker.labels));
        let own = workers::assignments(&*view, &Which::Of(name.clone()), None, 1000, false).unwrap();
        assert_eq!(own.found.len(), row.assigned as usize);
    }
    assert_eq!(workers::changed(&*view).unwrap().0, model.tasks_changed);
    let page = workers::assignments(&*view, &Which::All, None, 1000, true).unwrap();
    assert_eq!(page.found.len(), model.tasks.len());
    for (name, row, data) in page.found {
        let task = &model.tasks[&name];
        assert_eq!((&row.worker, row.generation), (&task.worker, task.generation), "{name}");
        assert_eq!((row.labels, data), (task.labels.clone(), task.data.clone()), "{name}");
    }
}

/// Whoever has seen every event knows who has which task.
fn check_events(replay: &Replay, model: &Model) {
    let workers = model.workers.iter().map(|(name, worker)| {
        let worker = ReplayedWorker {
            lease: worker.lease,
            live: worker.live,
            draining: worker.draining,
            capacity: worker.capacity,
        };
        (name.clone(), worker)
    });
    assert_eq!(replay.workers, workers.collect());
    let tasks = model
        .tasks
        .iter()
        .map(|(name, task)| (name.clone(), (task.worker.clone(), task.generation)));
    assert_eq!(replay.tasks, tasks.collect());
}

fn expect(store: &Store, model: &Model, reply: &Reply, expected: Result<Vec<OperationReply>, Rejection>) {
    match (reply, expected) {
        (Reply::Transaction(reply), Ok(results)) => assert_eq!(reply.results, results),
        (Reply::Rejected { rejection, .. }, Err(expected)) => assert_eq!(rejection, &expected),
        (reply, expected) => panic!("{reply:?} instead of {expected:?}"),
    }
    assert_eq!(store.state.revision().0, model.revision);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_history_leaves_what_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut store = Store::new();
        let mut model = Model { revision: store.state.revision().0, ..Model::default() };
        let (mut told, mut replay) = (Told::new(&store), Replay::default());
        for step in steps {
            match step {
                Step::Transact(acts) => {
                    let operations: Vec<_> = acts.into_iter().map(|act| resolve(&model, act)).collect();
                    let transaction = testing::transaction(operations.clone());
                    let reply = store.apply_one(Command::Transaction(transaction));
                    let expected = transact(&mut model, &operations);
                    expect(&store, &model, &reply, expected);
                }
                Step::Expire(lease) => {
                    let leases = vec![LeaseId(lease)];
                    store.apply_one(Command::ExpireLeases(ExpireLeases { term: 1, leases }));
                    if model.leases.contains(&lease) {
                        model.revision += 1;
                        model.generation = model.revision * 4096;
                        let before = model.tasks.clone();
                        model.end_lease(lease);
                        model.note_changes(&before);
                    }
                }
                Step::Wait(ms) => store.now += ms,
                Step::Restart => store = store.reopen(),
            }
            rules::check(&store);
            compare(&store, &model);
            told.read(&store).into_iter().for_each(|(_, event)| replay.see(event));
            check_events(&replay, &model);
        }
        check_rules(&store);
    }
}
