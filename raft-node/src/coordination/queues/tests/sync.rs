//! How much one sync may do, and what it leaves.

use super::{claim, create, enqueue, item, operate, run_timers};
use crate::coordination::queues::{
    ItemPlace, NewItem, QueueConfig, QueueOperation, QueueReply, QueueRow, SYNC_MAX, SyncItem, SyncQueue, query,
};
use crate::state_machine::testing::{self, Store, check_rules};
use crate::state_machine::{Command, Operation, Stamp};
use crate::storage::Engine;
use crate::types::{QueueRefusal, Rejection, Revision};

fn nothing(expected: u64) -> SyncQueue {
    SyncQueue {
        queue: "q".to_owned(),
        expected: Revision(expected),
        remove: Vec::new(),
        give_back: Vec::new(),
        enqueue: Vec::new(),
        claim: Vec::new(),
        lease: None,
        worker: String::new(),
        visibility_ms: None,
    }
}

fn new(payload: &str, claimed: bool) -> SyncItem {
    let new = item(payload);
    SyncItem { new, claimed }
}

fn place(item: u64) -> ItemPlace {
    ItemPlace {
        item,
        priority: 0,
        group: String::new(),
    }
}

fn sync(store: &mut Store, wanted: SyncQueue) -> (Vec<u64>, u64) {
    match operate(store, QueueOperation::Sync(wanted)) {
        Ok(QueueReply::Synced { claimed, changed, .. }) => (claimed, changed.0),
        other => panic!("{other:?}"),
    }
}

fn row(store: &Store) -> QueueRow {
    query::find(&*store.engine.view(), "q").unwrap().unwrap()
}

#[test]
fn as_many_items_as_may_be_named_are_added_claimed_given_back_and_removed() {
    let mut store = Store::new();
    let enqueue = (0..SYNC_MAX).map(|_| new("x", true)).collect();
    let (claimed, changed) = sync(&mut store, SyncQueue { enqueue, ..nothing(0) });
    assert_eq!(claimed.len(), SYNC_MAX as usize);
    check_rules(&store);
    let give_back = claimed.clone();
    let (_, changed) = sync(
        &mut store,
        SyncQueue {
            give_back,
            ..nothing(changed)
        },
    );
    check_rules(&store);
    let claim = claimed.iter().map(|item| place(*item)).collect();
    let (again, changed) = sync(
        &mut store,
        SyncQueue {
            claim,
            ..nothing(changed)
        },
    );
    assert_eq!(again, claimed);
    check_rules(&store);
    let remove = claimed.into_iter().map(place).collect();
    sync(
        &mut store,
        SyncQueue {
            remove,
            ..nothing(changed)
        },
    );
    assert_eq!(row(&store).depth(), 0);
    check_rules(&store);
    let left = store
        .dump()
        .into_iter()
        .filter(|(table, ..)| *table == crate::storage::Table::Items);
    assert_eq!(left.count(), 0);
}

#[test]
fn a_full_queue_takes_as_much_as_goes_and_a_refusal_leaves_no_new_queue() {
    let mut store = Store::new();
    let depth_max = 2;
    let config = QueueConfig {
        depth_max,
        ..QueueConfig::default()
    };
    operate(&mut store, create("q", config)).unwrap();
    operate(&mut store, enqueue("q", vec![item("a"), item("b")])).unwrap();
    let full = SyncQueue {
        enqueue: vec![new("c", false)],
        ..nothing(store.state.revision().0)
    };
    let queue = || "q".to_owned();
    let refusal = QueueRefusal::Full {
        queue: queue(),
        depth: 2,
        depth_max,
    };
    let refused = operate(&mut store, QueueOperation::Sync(full.clone()));
    assert_eq!(refused, Err(Rejection::Queue { operation: 0, refusal }));
    sync(
        &mut store,
        SyncQueue {
            remove: vec![place(1)],
            ..full
        },
    );

    let elsewhere = SyncQueue {
        queue: "new".to_owned(),
        claim: vec![place(1)],
        ..nothing(0)
    };
    let before = store.state.revision();
    assert!(operate(&mut store, QueueOperation::Sync(elsewhere)).is_err());
    assert_eq!(query::find(&*store.engine.view(), "new").unwrap(), None);
    assert_eq!(store.state.revision(), before);
    check_rules(&store);
}

#[test]
fn of_two_that_read_the_same_the_second_is_refused_and_told_what_is_now() {
    let mut store = Store::new();
    let one = SyncQueue {
        enqueue: vec![new("a", true)],
        ..nothing(0)
    };
    let (_, changed) = sync(&mut store, one.clone());
    let refusal = QueueRefusal::Changed {
        queue: "q".to_owned(),
        expected: Revision(0),
        found: Revision(changed),
    };
    let refused = operate(&mut store, QueueOperation::Sync(one));
    assert_eq!(refused, Err(Rejection::Queue { operation: 0, refusal }));
    let gone = SyncQueue {
        queue: "none".to_owned(),
        enqueue: vec![new("a", true)],
        ..nothing(7)
    };
    let refusal = QueueRefusal::Changed {
        queue: "none".to_owned(),
        expected: Revision(7),
        found: Revision(0),
    };
    let refused = operate(&mut store, QueueOperation::Sync(gone));
    assert_eq!(refused, Err(Rejection::Queue { operation: 0, refusal }));
}

#[test]
fn a_sync_that_was_retried_is_done_once() {
    let mut store = Store::new();
    let client = store.register();
    let wanted = SyncQueue {
        enqueue: vec![new("a", true), new("b", false)],
        ..nothing(0)
    };
    let mut transaction = testing::transaction(vec![Operation::Queue(QueueOperation::Sync(wanted))]);
    transaction.stamp = Some(Stamp {
        client,
        sequence: 1,
        answered_up_to: 0,
    });
    let first = store.apply_one(Command::Transaction(transaction.clone()));
    let mut store = store.reopen();
    assert_eq!(store.apply_one(Command::Transaction(transaction)), first);
    assert_eq!(row(&store).depth(), 2);
}

#[test]
fn what_times_out_changes_the_queue_and_what_is_forgotten_does_not() {
    let mut store = Store::new();
    let keyed = SyncItem {
        new: NewItem {
            dedupe_key: Some("k".to_owned()),
            ..item("a")
        },
        claimed: false,
    };
    let enqueue = vec![keyed];
    sync(&mut store, SyncQueue { enqueue, ..nothing(0) });
    operate(&mut store, claim("q", 1)).unwrap();
    let claimed = row(&store).changed;
    store.now += 30_000;
    assert_eq!(run_timers(&mut store, 9), 1);
    let timed_out = row(&store).changed;
    assert_eq!(timed_out, claimed.next());
    store.now += 300_000;
    assert_eq!(run_timers(&mut store, 9), 1, "the window of its key is over");
    assert_eq!(row(&store).changed, timed_out);
}

#[test]
fn a_queue_was_not_read_at_a_revision_that_is_yet_to_come() {
    let mut store = Store::new();
    operate(&mut store, create("q", QueueConfig::default())).unwrap();
    operate(&mut store, enqueue("q", vec![item("x")])).unwrap();
    let next = store.state.revision().next();
    for expected in [next.0, u64::MAX] {
        let refused = operate(&mut store, QueueOperation::Sync(nothing(expected))).unwrap_err();
        let Rejection::Queue {
            refusal: QueueRefusal::Changed {
                expected: told, found, ..
            },
            ..
        } = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!((told, found), (Revision(expected), store.state.revision()));
    }
}
