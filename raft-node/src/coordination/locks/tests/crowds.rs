//! Many who wait for one lock.

use super::check::check;
use super::{acquire, acquisition, apply, expire_leases, hold, lock, store};
use crate::codec;
use crate::coordination::locks::{
    Acquire, Acquisition, LockOperation, LockReply, NAME_BYTES_MAX, NAMES_MAX, Share, WAITING_MAX,
};
use crate::mvcc::keys;
use crate::state_machine::testing::events::Told;
use crate::state_machine::testing::{Store, transaction};
use crate::state_machine::{Command, Operation};
use crate::storage::{Engine, Table, View as _};
use crate::types::{LockRefusal, Rejection};

/// Under each lease at most so many, as at most 10,000 things are attached to one.
const REQUESTS: u64 = 8192;

/// Lease 1 holds "a", and `waiting` acquisitions of leases from 2 wait for it.
fn crowd(waiting: u64, share: Share) -> Store {
    let mut store = store(1..=2 + waiting / REQUESTS);
    apply(
        &mut store,
        LockOperation::Acquire(acquire(1, 1, &["a"], Share::Exclusive)),
    )
    .unwrap();
    let asked = (0..waiting).map(|number| acquire(2 + number / REQUESTS, 1 + number % REQUESTS, &["a"], share));
    let asked: Vec<_> = asked
        .map(|asked| Operation::Lock(LockOperation::Acquire(asked)))
        .collect();
    for some in asked.chunks(128) {
        store.apply_one(Command::Transaction(transaction(some.to_vec())));
    }
    assert_eq!(lock(&store, "a").unwrap().row.waiting, waiting);
    store
}

fn held_by(store: &Store) -> (u64, u64, u64) {
    let held = lock(store, "a").unwrap();
    assert_eq!(held.holders.len(), 1);
    let holder = &held.holders[0];
    (holder.lease.0, holder.request, holder.token.0)
}

#[test]
fn ten_thousand_waiters_are_served_one_at_a_time_in_the_order_in_which_they_came() {
    let mut store = crowd(10_000, Share::Exclusive);
    for number in 0..1000 {
        let (lease, _, token) = held_by(&store);
        apply(&mut store, LockOperation::Release(hold("a", lease, token))).unwrap();
        let (lease, request, _) = held_by(&store);
        assert_eq!((lease, request), (2, 1 + number));
    }
    assert_eq!(lock(&store, "a").unwrap().row.waiting, 9000);
    check(&*store.engine.view());
}

#[test]
fn ten_thousand_who_share_are_granted_in_one_revision() {
    let mut store = crowd(10_000, Share::Shared);
    let (_, _, token) = held_by(&store);
    let revision = store.state.revision();
    apply(&mut store, LockOperation::Release(hold("a", 1, token))).unwrap();
    assert_eq!(store.state.revision(), revision.next());
    let row = lock(&store, "a").unwrap().row;
    assert_eq!((row.holds, row.waiting), (10_000, 0));
}

#[test]
fn a_waiter_beyond_the_limit_is_refused_and_the_limit_is_named() {
    let mut store = crowd(WAITING_MAX, Share::Exclusive);
    let refused = apply(
        &mut store,
        LockOperation::Acquire(acquire(1, 2, &["a"], Share::Exclusive)),
    )
    .unwrap_err();
    let refusal = LockRefusal::TooManyWaiting {
        lock: "a".to_owned(),
        waiting_max: WAITING_MAX,
    };
    assert_eq!(
        refused.to_string(),
        "16384 acquisitions wait for lock \"a\", which is the limit"
    );
    assert_eq!(refused, Rejection::Lock { operation: 0, refusal });
    assert_eq!(acquisition(&store, 1, 2), Acquisition::Absent);
}

#[test]
fn an_acquisition_that_comes_to_a_full_queue_ends_and_gives_back_what_it_held() {
    let mut store = crowd(WAITING_MAX, Share::Exclusive);
    for (lease, names) in [(1, &["0"][..]), (3, &["0", "a"])] {
        apply(
            &mut store,
            LockOperation::Acquire(acquire(lease, 9000, names, Share::Exclusive)),
        )
        .unwrap();
    }
    assert!(matches!(acquisition(&store, 3, 9000), Acquisition::Queued { .. }));
    let token = lock(&store, "0").unwrap().holders[0].token.0;
    apply(&mut store, LockOperation::Release(hold("0", 1, token))).unwrap();
    assert_eq!(acquisition(&store, 3, 9000), Acquisition::Absent);
    assert_eq!(lock(&store, "0"), None);
    check(&*store.engine.view());
}

#[test]
fn a_lease_with_thousands_of_waiters_ends_in_one_revision_and_the_next_lease_is_served() {
    let mut store = crowd(REQUESTS + 1, Share::Exclusive);
    let revision = store.state.revision();
    store.apply_one(expire_leases(&[2]));
    assert_eq!(store.state.revision(), revision.next());
    assert_eq!(lock(&store, "a").unwrap().row.waiting, 1);
    store.apply_one(expire_leases(&[1]));
    assert_eq!(held_by(&store), (3, 1, store.state.revision().0));
    let abandoned = apply(
        &mut store,
        LockOperation::Abandon {
            lease: crate::types::LeaseId(3),
            request: 1,
        },
    );
    assert_eq!(
        abandoned,
        Ok(LockReply::Abandoned {
            holds: 1,
            waited: false
        })
    );
    assert_eq!(lock(&store, "a"), None);
}

#[test]
fn what_a_whole_crowd_is_granted_at_one_revision_is_told_however_much_it_is() {
    const WAITING: u64 = 600;
    let mut store = store(1..=2);
    let first = acquire(1, 1, &["a"], Share::Exclusive);
    apply(&mut store, LockOperation::Acquire(first)).unwrap();
    for request in 1..=WAITING {
        let others = (1..NAMES_MAX).map(|number| format!("{:b>NAME_BYTES_MAX$}", format!("{request}/{number:02}")));
        let names: Vec<String> = std::iter::once("a".to_owned()).chain(others).collect();
        let asked = Acquire {
            names,
            ..acquire(2, request, &[], Share::Shared)
        };
        apply(&mut store, LockOperation::Acquire(asked)).unwrap();
    }
    let mut told = Told::new(&store);
    let token = held_by(&store).2;
    apply(&mut store, LockOperation::Release(hold("a", 1, token))).unwrap();
    let events = told.read(&store);
    assert_eq!(events.len() as u64, 1 + WAITING * NAMES_MAX as u64);
    let row = store.engine.get(Table::Changes, &keys::changes(store.state.revision()));
    let row = row.unwrap().unwrap();
    let (_, _, further) = codec::open(&row).unwrap();
    assert!(
        !further.is_empty(),
        "all of it fits one envelope, so this shows nothing"
    );
}
