//! What is refused, and what is left as it was.

use crate::coordination::sessions::LeaseOperation;
use crate::leases::{self, ATTACHED_MAX, KEY_BYTES_MAX};
use crate::mvcc::Put;
use crate::state_machine::testing::{self, Store, check_rules, grant, put, transaction};
use crate::state_machine::{Command, Operation, Reply};
use crate::types::{LeaseId, LeaseRefusal, Rejection};

const LEASE: LeaseId = LeaseId(7);

fn refusal(store: &mut Store, operations: Vec<Operation>) -> (u32, LeaseRefusal) {
    match store.apply_one(Command::Transaction(transaction(operations))) {
        Reply::Rejected {
            rejection: Rejection::Lease { operation, refusal },
            ..
        } => (operation, refusal),
        other => panic!("{other:?}"),
    }
}

fn attached_put(number: u64) -> Operation {
    Operation::Put(Put {
        lease: Some(LEASE),
        ..put(number.to_be_bytes(), "v")
    })
}

#[test]
fn more_than_the_limit_is_not_attached_and_the_limit_is_named() {
    let mut store = Store::new();
    store.transact(transaction(vec![Operation::Lease(grant(7, 1000))]));
    for number in 0..ATTACHED_MAX {
        store.transact(transaction(vec![attached_put(number)]));
    }
    let revision = store.state.revision();
    let refused = refusal(&mut store, vec![attached_put(ATTACHED_MAX)]);
    let full = LeaseRefusal::Full {
        lease: LEASE,
        attached_max: ATTACHED_MAX,
    };
    assert_eq!(refused, (0, full));
    assert_eq!(store.state.revision(), revision);
    // The limit is what one revision can take away.
    let ended = store.apply_one(testing::expire_leases([7]));
    assert!(
        matches!(
            ended,
            Reply::Done {
                removed: ATTACHED_MAX,
                ..
            }
        ),
        "{ended:?}"
    );
    assert_eq!(store.state.revision(), revision.next());
    check_rules(&store);
}

#[test]
fn a_refusal_names_its_operation_and_undoes_those_before_it() {
    let mut store = Store::new();
    let operations = vec![
        Operation::Lease(grant(7, 1000)),
        Operation::Put(put("k", "v")),
        Operation::Lease(LeaseOperation::Revoke { lease: LeaseId(9) }),
    ];
    assert_eq!(
        refusal(&mut store, operations),
        (2, LeaseRefusal::Unknown { lease: LeaseId(9) })
    );
    assert_eq!(leases::find(&store.engine, LEASE).unwrap(), None);
    let store = store.reopen();
    assert_eq!(store.state.revision().0, 1);
    check_rules(&store);
}

#[test]
fn ids_that_the_store_chooses_pass_over_those_that_a_client_took() {
    let mut store = Store::new();
    // What the store would choose for the first operation of revision 3.
    let taken = 3 << 12;
    store.transact(transaction(vec![Operation::Lease(grant(taken, 1000))]));
    let chosen = Operation::Lease(LeaseOperation::Grant {
        lease: None,
        ttl_ms: 1000,
        name: String::new(),
    });
    store.transact(transaction(vec![chosen]));
    assert!(leases::find(&store.engine, LeaseId(taken + 1)).unwrap().is_some());
    assert_eq!(leases::count(&store.engine).unwrap(), 2);
}

#[test]
fn keys_of_more_bytes_than_one_revision_may_take_away_are_not_attached() {
    let mut store = Store::new();
    store.transact(transaction(vec![Operation::Lease(grant(7, 1000))]));
    let large = |number: u64, bytes: u64| {
        let value = vec![0; usize::try_from(bytes).unwrap() - 8];
        Operation::Put(Put {
            lease: Some(LEASE),
            ..put(number.to_be_bytes(), value)
        })
    };
    let whole = 1 << 20;
    for number in 0..KEY_BYTES_MAX / whole {
        store.transact(transaction(vec![large(number, whole)]));
    }
    let too_large = LeaseRefusal::TooLarge {
        lease: LEASE,
        bytes: KEY_BYTES_MAX + 8,
        bytes_max: KEY_BYTES_MAX,
    };
    assert_eq!(refusal(&mut store, vec![large(1000, 8)]), (0, too_large.clone()));
    assert_eq!(refusal(&mut store, vec![large(0, whole + 8)]), (0, too_large));
    // A key that shrinks makes room for another, and the whole goes at one revision.
    store.transact(transaction(vec![large(0, whole - 8)]));
    store.transact(transaction(vec![large(1000, 8)]));
    let before = store.state.revision();
    store.apply_one(testing::expire_leases([7]));
    assert_eq!(store.state.revision(), before.next());
    check_rules(&store);
}
