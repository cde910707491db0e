//! What is answered at a limit, and what a restart, a retry and a large queue change: nothing.

use super::{claim, create, enqueue, item, operate, receipt, run_timers};
use crate::coordination::queues::{Claim, NewItem, QueueConfig, QueueOperation, QueueReply, SWEEP_MAX};
use crate::coordination::sessions::LeaseOperation;
use crate::coordination::workers::{Labels, WorkerOperation};
use crate::mvcc::REPLY_BYTES_MAX;
use crate::state_machine::testing::{self, Store, check_rules};
use crate::state_machine::{Command, Operation, Reply};
use crate::types::{LeaseId, LeaseRefusal, QueueRefusal, Rejection, WorkerRefusal};

fn store() -> Store {
    let mut store = Store::new();
    operate(&mut store, create("q", QueueConfig::default())).unwrap();
    store
}

fn claimed(store: &mut Store, count: u32) -> Vec<u64> {
    match operate(store, claim("q", count)).unwrap() {
        QueueReply::Claimed { items, .. } => items.into_iter().map(|one| one.receipt.item).collect(),
        other => panic!("{other:?}"),
    }
}

fn ack(item: u64, token: u64) -> QueueOperation {
    let queue = "q".to_owned();
    let receipt = receipt(item, token);
    QueueOperation::Ack { queue, receipt }
}

#[test]
fn every_verb_refuses_a_queue_that_does_not_exist() {
    let queue = || "none".to_owned();
    let receipt = receipt(1, 1);
    let operations = [
        QueueOperation::Delete { queue: queue() },
        enqueue("none", vec![item("x")]),
        claim("none", 1),
        QueueOperation::Extend {
            queue: queue(),
            receipt,
            visibility_ms: None,
        },
        QueueOperation::Checkpoint {
            queue: queue(),
            receipt,
            data: Vec::new(),
        },
        QueueOperation::Ack {
            queue: queue(),
            receipt,
        },
        QueueOperation::Nack {
            queue: queue(),
            receipt,
            delay_ms: 0,
            dead: false,
            reason: String::new(),
        },
        QueueOperation::Redrive {
            queue: queue(),
            count: 1,
            item: None,
        },
        QueueOperation::SetPaused {
            queue: queue(),
            paused: true,
        },
    ];
    let mut store = store();
    let before = store.state.revision();
    for operation in operations {
        let refusal = QueueRefusal::UnknownQueue { queue: queue() };
        assert_eq!(
            operate(&mut store, operation),
            Err(Rejection::Queue { operation: 0, refusal })
        );
    }
    assert_eq!(store.state.revision(), before);
}

#[test]
fn a_claim_stops_where_its_answer_is_full() {
    let mut store = store();
    let payload = vec![b'x'; 1 << 20];
    let items = (0..6).map(|_| NewItem {
        payload: payload.clone(),
        ..NewItem::default()
    });
    operate(&mut store, enqueue("q", items.collect())).unwrap();
    assert_eq!(claimed(&mut store, 100), [1, 2, 3, 4], "{REPLY_BYTES_MAX} bytes");
    assert_eq!(claimed(&mut store, 100), [5, 6]);
}

#[test]
fn a_claim_for_which_its_transaction_has_no_room_is_refused() {
    let mut store = store();
    let large = |count| {
        let large = NewItem {
            payload: vec![b'x'; 3 << 20],
            ..NewItem::default()
        };
        enqueue("q", vec![large; count])
    };
    operate(&mut store, large(2)).unwrap();
    let operations = vec![Operation::Queue(claim("q", 1)), Operation::Queue(claim("q", 1))];
    match store.apply_one(Command::Transaction(testing::transaction(operations))) {
        Reply::Rejected {
            rejection: Rejection::TransactionTooLarge { operation: 1, .. },
            ..
        } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(
        claimed(&mut store, 1),
        [1],
        "nothing of the refused transaction was done"
    );
}

#[test]
fn a_claim_under_a_lease_that_does_not_live_is_refused_even_if_there_is_nothing() {
    let mut store = store();
    let lease = LeaseId(9);
    let claim = QueueOperation::Claim(Claim {
        queue: "q".to_owned(),
        count: 1,
        lease: Some(lease),
        worker: String::new(),
        visibility_ms: None,
    });
    let refusal = LeaseRefusal::Unknown { lease };
    assert_eq!(
        operate(&mut store, claim),
        Err(Rejection::Lease { operation: 0, refusal })
    );
}

#[test]
fn a_claim_beyond_what_a_lease_can_hold_claims_nothing() {
    let mut store = store();
    let lease = LeaseId(9);
    let grant = LeaseOperation::Grant {
        lease: Some(lease),
        ttl_ms: 1000,
        name: String::new(),
    };
    store.transact(testing::transaction(vec![Operation::Lease(grant)]));
    let claim = |count| {
        QueueOperation::Claim(Claim {
            queue: "q".to_owned(),
            count,
            lease: Some(lease),
            worker: String::new(),
            visibility_ms: None,
        })
    };
    for _ in 0..79 {
        operate(&mut store, enqueue("q", vec![item("x"); 128])).unwrap();
    }
    for _ in 0..78 {
        operate(&mut store, claim(128)).unwrap();
    }
    assert!(matches!(
        operate(&mut store, claim(128)),
        Err(Rejection::Lease {
            refusal: LeaseRefusal::Full { .. },
            ..
        })
    ));
    check_rules(&store);
    let revoke = Operation::Lease(LeaseOperation::Revoke { lease });
    let revoked = store.transact(testing::transaction(vec![revoke]));
    assert_eq!(
        revoked.revision,
        store.state.revision(),
        "9,984 items go back at one revision"
    );
    check_rules(&store);
}

#[test]
fn a_claim_that_was_retried_hands_out_the_same_items() {
    let mut store = store();
    operate(&mut store, enqueue("q", vec![item("a"), item("b")])).unwrap();
    let client = store.register();
    let mut transaction = testing::transaction(vec![Operation::Queue(claim("q", 1))]);
    transaction.stamp = Some(crate::state_machine::Stamp {
        client,
        sequence: 1,
        answered_up_to: 0,
    });
    let first = store.apply_one(Command::Transaction(transaction.clone()));
    let mut store = store.reopen();
    assert_eq!(store.apply_one(Command::Transaction(transaction)), first);
    assert_eq!(claimed(&mut store, 10), [2]);
}

#[test]
fn timers_run_in_steps_and_go_on_after_a_restart() {
    let mut store = store();
    operate(&mut store, enqueue("q", vec![item("x"); 10])).unwrap();
    assert_eq!(claimed(&mut store, 10).len(), 10);
    store.now += 30_000;
    assert_eq!(run_timers(&mut store, 4), 4);
    let now = store.now;
    let mut store = store.reopen();
    store.now = now;
    check_rules(&store);
    assert_eq!(claimed(&mut store, 10), [1, 2, 3, 4], "items whose timers have run");
    assert_eq!(run_timers(&mut store, 100), 6);
    assert_eq!(run_timers(&mut store, 100), 0);
    check_rules(&store);
}

#[test]
fn a_lowered_group_limit_is_met_in_steps() {
    let mut store = store();
    for group in 0..300 {
        let item = NewItem {
            group: format!("g{group}"),
            ..item("x")
        };
        operate(&mut store, enqueue("q", vec![item; 2])).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(claimed(&mut store, 100).len(), 100);
    }
    let config = QueueConfig {
        group_claimed_max: 1,
        ..QueueConfig::default()
    };
    operate(&mut store, create("q", config)).unwrap();
    for _ in 0..3 {
        assert_eq!(
            claimed(&mut store, 1),
            [0_u64; 0],
            "every group has the one claim that it may have"
        );
    }
    let before = store.state.revision();
    assert_eq!(claimed(&mut store, 1), [0_u64; 0]);
    assert_eq!(store.state.revision(), before, "by now no group stands in the rotation");
    check_rules(&store);
}

#[test]
fn dead_letters_are_redriven_in_batches() {
    let mut store = store();
    for _ in 0..10 {
        operate(&mut store, enqueue("q", vec![item("x"); 128])).unwrap();
        let token = store.state.revision().next().0;
        for id in claimed(&mut store, 128) {
            let nack = QueueOperation::Nack {
                queue: "q".to_owned(),
                receipt: receipt(id, token),
                delay_ms: 0,
                dead: true,
                reason: String::new(),
            };
            operate(&mut store, nack).unwrap();
        }
    }
    let redrive = || QueueOperation::Redrive {
        queue: "q".to_owned(),
        count: SWEEP_MAX,
        item: None,
    };
    let (items, remaining) = (SWEEP_MAX, 280);
    assert_eq!(
        operate(&mut store, redrive()),
        Ok(QueueReply::Redriven { items, remaining })
    );
    let (items, remaining) = (280, 0);
    assert_eq!(
        operate(&mut store, redrive()),
        Ok(QueueReply::Redriven { items, remaining })
    );
    check_rules(&store);
}

#[test]
fn an_item_that_was_acknowledged_leaves_nothing() {
    let mut store = store();
    let before = store.dump();
    operate(&mut store, enqueue("q", vec![item("x")])).unwrap();
    let token = store.state.revision().next().0;
    assert_eq!(claimed(&mut store, 1), [1]);
    let checkpoint = QueueOperation::Checkpoint {
        queue: "q".to_owned(),
        receipt: receipt(1, token),
        data: vec![1],
    };
    operate(&mut store, checkpoint).unwrap();
    operate(&mut store, ack(1, token)).unwrap();
    let keys = |dump: testing::Dump| -> Vec<_> {
        let queues = dump.into_iter().filter(|(table, ..)| {
            use crate::storage::Table;
            matches!(table, Table::Coordination | Table::Items)
        });
        queues.map(|(table, key, _)| (table, key)).collect()
    };
    assert_eq!(keys(store.dump()), keys(before));
}

#[test]
fn the_lease_of_a_draining_worker_claims_nothing() {
    let mut store = store();
    let lease = LeaseId(9);
    let grant = LeaseOperation::Grant {
        lease: Some(lease),
        ttl_ms: 1000,
        name: String::new(),
    };
    let register = WorkerOperation::Register {
        worker: "w".to_owned(),
        lease,
        labels: Labels::new(),
        capacity: 0,
    };
    let drain = |draining| {
        let worker = "w".to_owned();
        testing::transaction(vec![Operation::Worker(WorkerOperation::Drain { worker, draining })])
    };
    let claim = |lease| {
        QueueOperation::Claim(Claim {
            queue: "q".to_owned(),
            count: 1,
            lease,
            worker: String::new(),
            visibility_ms: None,
        })
    };
    operate(&mut store, enqueue("q", vec![item("a"), item("b"), item("c")])).unwrap();
    store.transact(testing::transaction(vec![
        Operation::Lease(grant),
        Operation::Worker(register),
    ]));
    let items = |reply| match reply {
        Ok(QueueReply::Claimed { items, .. }) => items.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(items(operate(&mut store, claim(Some(lease)))), 1);

    store.transact(drain(true));
    let before = store.state.revision();
    let refusal = WorkerRefusal::Draining { worker: "w".to_owned() };
    assert_eq!(
        operate(&mut store, claim(Some(lease))),
        Err(Rejection::Worker { operation: 0, refusal })
    );
    assert_eq!(store.state.revision(), before);
    assert_eq!(items(operate(&mut store, claim(None))), 1, "others go on");

    store.transact(drain(false));
    assert_eq!(items(operate(&mut store, claim(Some(lease)))), 1);
    check_rules(&store);
}
