//! Verbs of different kinds in one transaction: all of it at one revision, or none of it.

use proptest::prelude::*;

use crate::coordination::locks::{Acquire, Hold, LockOperation, LockReply, Share};
use crate::coordination::queues::{
    Claim, ItemPlace, NewItem, QueueConfig, QueueOperation, QueueReply, Receipt, SyncItem, SyncQueue,
};
use crate::coordination::sessions::LeaseOperation;
use crate::coordination::workers::{Destination, SyncAssignments, WorkerOperation, WorkerReply};
use crate::mvcc::Put;
use crate::state_machine::testing::{self, Store, check_rules, expire_leases, grant, put, transaction};
use crate::state_machine::{Command, Operation, OperationReply, Reply};
use crate::types::{LeaseId, QueueRefusal, Rejection, Revision};

const WORKER: u64 = 1;
const OTHER: u64 = 2;

fn create_queue(queue: &str) -> Operation {
    Operation::Queue(QueueOperation::Create {
        queue: queue.to_owned(),
        config: QueueConfig::default(),
    })
}

fn push(queue: &str, payload: &str) -> Operation {
    let item = NewItem {
        payload: payload.as_bytes().to_vec(),
        ..NewItem::default()
    };
    Operation::Queue(QueueOperation::Enqueue {
        queue: queue.to_owned(),
        items: vec![item],
    })
}

fn claim(queue: &str, lease: u64) -> Operation {
    Operation::Queue(QueueOperation::Claim(Claim {
        queue: queue.to_owned(),
        count: 1,
        lease: Some(LeaseId(lease)),
        worker: "w".to_owned(),
        visibility_ms: None,
    }))
}

fn ack(queue: &str, receipt: Receipt) -> Operation {
    let queue = queue.to_owned();
    Operation::Queue(QueueOperation::Ack { queue, receipt })
}

fn acquire(lease: u64, request: u64, lock: &str) -> Operation {
    Operation::Lock(LockOperation::Acquire(Acquire {
        lease: LeaseId(lease),
        request,
        names: vec![lock.to_owned()],
        share: Share::Exclusive,
        value: Vec::new(),
        wait: true,
    }))
}

fn hold(lock: &str, lease: u64, token: Revision) -> Hold {
    Hold {
        lock: lock.to_owned(),
        lease: LeaseId(lease),
        token,
        request: None,
    }
}

fn register(worker: &str, lease: u64) -> Operation {
    Operation::Worker(WorkerOperation::Register {
        worker: worker.to_owned(),
        lease: LeaseId(lease),
        labels: [].into(),
        capacity: 4,
    })
}

fn assign(task: &str, worker: &str) -> Operation {
    Operation::Worker(WorkerOperation::Assign {
        task: task.to_owned(),
        to: Destination::Worker(worker.to_owned()),
        labels: [].into(),
        data: Vec::new(),
        expected_generation: None,
    })
}

/// A worker that holds a lock, an item of the queue `in` and an assignment; another lease waits for the lock.
struct Scene {
    store: Store,
    receipt: Receipt,
    token: Revision,
    generation: u64,
}

fn scene() -> Scene {
    let mut store = Store::new();
    store.transact(transaction(vec![
        Operation::Lease(grant(WORKER, 10_000)),
        Operation::Lease(grant(OTHER, 10_000)),
        create_queue("in"),
        create_queue("out"),
        push("in", "work"),
    ]));
    let reply = store.transact(transaction(vec![
        register("w", WORKER),
        acquire(WORKER, 1, "report"),
        claim("in", WORKER),
        assign("shard-1", "w"),
        Operation::Put(Put {
            lease: Some(LeaseId(WORKER)),
            ..put("address", "here")
        }),
    ]));
    let (mut receipt, mut token, mut generation) = (None, None, None);
    for result in reply.results {
        match result {
            OperationReply::Lock(LockReply::Granted { holds }) => token = Some(holds[0].token),
            OperationReply::Queue(QueueReply::Claimed { items, .. }) => receipt = Some(items[0].receipt),
            OperationReply::Worker(WorkerReply::Assigned { generation: of, .. }) => generation = Some(of),
            _ => {}
        }
    }
    store.transact(transaction(vec![acquire(OTHER, 1, "report")]));
    Scene {
        store,
        receipt: receipt.unwrap(),
        token: token.unwrap(),
        generation: generation.unwrap(),
    }
}

fn commit(scene: &Scene, receipt: Receipt) -> Vec<Operation> {
    vec![
        Operation::Put(put("result", "done")),
        ack("in", receipt),
        push("out", "next step"),
        Operation::Worker(WorkerOperation::Complete {
            task: "shard-1".to_owned(),
            worker: "w".to_owned(),
            generation: scene.generation,
        }),
        Operation::Lock(LockOperation::Release(hold("report", WORKER, scene.token))),
    ]
}

fn holder(store: &mut Store, lock: &str, lease: u64, token: Revision) -> bool {
    let fence = Operation::Lock(LockOperation::Fence(hold(lock, lease, token)));
    matches!(
        store.apply_one(Command::Transaction(transaction(vec![fence]))),
        Reply::Transaction(_)
    )
}

#[test]
fn a_worker_commits_its_result_acks_pushes_the_next_step_and_releases_at_one_revision() {
    let mut scene = scene();
    let before = scene.store.state.revision();
    let reply = scene.store.transact(transaction(commit(&scene, scene.receipt)));
    assert_eq!(reply.revision, before.next());
    check_rules(&scene.store);
    // The one who waited has the lock, by the same revision.
    assert!(holder(&mut scene.store, "report", OTHER, reply.revision));
    let next = scene
        .store
        .transact(transaction(vec![claim("out", OTHER), claim("in", OTHER)]));
    let OperationReply::Queue(QueueReply::Claimed { items, .. }) = &next.results[0] else {
        panic!("{next:?}");
    };
    assert_eq!(items[0].payload, b"next step");
    let OperationReply::Queue(QueueReply::Claimed { items, .. }) = &next.results[1] else {
        panic!("{next:?}");
    };
    assert!(items.is_empty(), "the item was acknowledged");
}

#[test]
fn with_a_stale_receipt_none_of_it_is_done() {
    let mut scene = scene();
    let before = (scene.store.state.revision(), scene.store.state.hash());
    let stale = Receipt {
        token: Revision(scene.receipt.token.0 - 1),
        ..scene.receipt
    };
    let refused = scene
        .store
        .apply_one(Command::Transaction(transaction(commit(&scene, stale))));
    let Reply::Rejected {
        rejection: Rejection::Queue { operation: 1, refusal },
        ..
    } = &refused
    else {
        panic!("{refused:?}");
    };
    assert!(!matches!(refusal, QueueRefusal::UnknownQueue { .. }));
    assert_eq!((scene.store.state.revision(), scene.store.state.hash()), before);
    assert!(holder(&mut scene.store, "report", WORKER, scene.token));
    let mut store = scene.store.reopen();
    check_rules(&store);
    // What the refused transaction had done before its refusal is not in memory either: the item is still claimed.
    let again = store.transact(transaction(vec![claim("in", OTHER)]));
    assert!(matches!(&again.results[0], OperationReply::Queue(QueueReply::Claimed { items, .. }) if items.is_empty()));
}

#[test]
fn with_its_lease_a_workers_locks_items_assignments_and_keys_go_at_one_revision() {
    let mut scene = scene();
    let before = scene.store.state.revision();
    let ended = scene.store.apply_one(expire_leases([WORKER]));
    assert!(matches!(ended, Reply::Done { removed: 4, .. }), "{ended:?}");
    assert_eq!(scene.store.state.revision(), before.next());
    check_rules(&scene.store);
    assert!(holder(&mut scene.store, "report", OTHER, before.next()));
    let stale = scene
        .store
        .apply_one(Command::Transaction(transaction(commit(&scene, scene.receipt))));
    assert!(matches!(stale, Reply::Rejected { .. }), "{stale:?}");
    let again = scene.store.transact(transaction(vec![claim("in", OTHER)]));
    let OperationReply::Queue(QueueReply::Claimed { items, .. }) = &again.results[0] else {
        panic!("{again:?}");
    };
    assert_eq!((items[0].payload.as_slice(), items[0].attempt), (b"work".as_slice(), 2));
}

fn sync_queue(queue: &str, item: u64, claimed: bool, expected: u64) -> Operation {
    let place = ItemPlace {
        item,
        priority: 0,
        group: String::new(),
    };
    let (remove, claim) = if claimed {
        (vec![], vec![place])
    } else {
        (vec![place], vec![])
    };
    Operation::Queue(QueueOperation::Sync(SyncQueue {
        queue: queue.to_owned(),
        expected: Revision(expected),
        remove,
        give_back: Vec::new(),
        enqueue: vec![SyncItem {
            new: NewItem::default(),
            claimed,
        }],
        claim,
        lease: None,
        worker: "w".to_owned(),
        visibility_ms: None,
    }))
}

fn sync_assignments(worker: &str, task: &str, only_workers: bool, expected: u64) -> Operation {
    Operation::Worker(WorkerOperation::Sync(SyncAssignments {
        expected: Revision(expected),
        workers: [(worker.to_owned(), [task.to_owned(), "third".to_owned()].into())].into(),
        only_workers,
    }))
}

/// Any operation of coordination, of few names and leases so that they meet. Its receipts and tokens are guesses, of
/// which some are right.
pub fn some_operation() -> impl Strategy<Value = Operation> {
    let lease = || 1..4_u64;
    let queue = || prop::sample::select(vec!["in", "out"]);
    let name = || prop::sample::select(vec!["report", "other"]);
    let expected = || prop_oneof![0..40_u64, Just(u64::MAX)];
    let receipt = || {
        (1..6_u64, 2..40_u64).prop_map(|(item, token)| Receipt {
            item,
            token: Revision(token),
        })
    };
    prop_oneof![
        3 => lease().prop_map(|lease| Operation::Lease(grant(lease, 1000))),
        1 => lease().prop_map(|lease| Operation::Lease(LeaseOperation::Revoke { lease: LeaseId(lease) })),
        2 => queue().prop_map(create_queue),
        4 => queue().prop_map(|queue| push(queue, "x")),
        3 => (queue(), lease()).prop_map(|(queue, lease)| claim(queue, lease)),
        3 => (queue(), receipt()).prop_map(|(queue, receipt)| ack(queue, receipt)),
        4 => (lease(), 1..4_u64, name()).prop_map(|(lease, request, name)| acquire(lease, request, name)),
        2 => (name(), lease(), 2..40_u64).prop_map(|(name, lease, token)| {
            Operation::Lock(LockOperation::Release(hold(name, lease, Revision(token))))
        }),
        1 => (lease(), 1..4_u64).prop_map(|(lease, request)| {
            Operation::Lock(LockOperation::Abandon { lease: LeaseId(lease), request })
        }),
        2 => (name(), lease()).prop_map(|(worker, lease)| register(worker, lease)),
        2 => (queue(), name()).prop_map(|(task, worker)| assign(task, worker)),
        3 => (queue(), 1..6_u64, any::<bool>(), expected())
            .prop_map(|(queue, item, claimed, expected)| sync_queue(queue, item, claimed, expected)),
        3 => (name(), queue(), any::<bool>(), expected())
            .prop_map(|(worker, task, only, expected)| sync_assignments(worker, task, only, expected)),
        2 => (0..4_u8, lease()).prop_map(|(key, lease)| {
            Operation::Put(Put { lease: Some(LeaseId(lease)), ..testing::put([key], "v") })
        }),
    ]
}
