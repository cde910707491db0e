//! What one transaction and one domain may hold.

use crate::mvcc::{DELETED_BYTES_MAX, DELETES_MAX, Put, REPLY_BYTES_MAX};
use crate::state_machine::testing::{Store, all, check_rules, delete, key, put, put_command, range, transaction};
use crate::state_machine::{Command, Operation, Reply, Transaction};
use crate::types::{Rejection, Revision};

fn refuse(store: &mut Store, transaction: Transaction) -> Rejection {
    let before = store.state.revision();
    match store.apply_one(Command::Transaction(transaction)) {
        Reply::Rejected { rejection, revision } => {
            assert_eq!((revision, store.state.revision()), (before, before));
            rejection
        }
        other => panic!("{other:?}"),
    }
}

fn fill(store: &mut Store, keys: u64) {
    for first in (0..keys).step_by(4000) {
        let last = keys.min(first + 4000);
        let puts: Vec<_> = (first..last)
            .map(|number| put_command(put(format!("{number:06}"), "")))
            .collect();
        store.apply(&puts);
    }
}

#[test]
fn a_transaction_deletes_ten_thousand_keys_and_not_one_more() {
    let mut store = Store::new();
    fill(&mut store, DELETES_MAX + 1);
    let everything = || Operation::Delete(delete(all()));
    let refused = refuse(&mut store, transaction(vec![everything()]));
    let what = "keys".to_owned();
    let (value, limit) = (DELETES_MAX + 1, DELETES_MAX);
    assert_eq!(
        refused,
        Rejection::TransactionTooLarge {
            operation: 0,
            what,
            value,
            limit
        }
    );
    // Counted over all operations of the transaction, which is then undone as a whole.
    let one = Operation::Delete(delete(key("000000")));
    let refused = refuse(&mut store, transaction(vec![one.clone(), everything()]));
    assert!(matches!(refused, Rejection::TransactionTooLarge { operation: 1, .. }));
    check_rules(&store);
    store.transact(transaction(vec![one]));
    store.transact(transaction(vec![everything()]));
    check_rules(&store);
}

#[test]
fn a_transaction_deletes_only_so_many_bytes() {
    let mut store = Store::new();
    let value = vec![7; 1 << 20];
    for number in 0..=DELETED_BYTES_MAX >> 20 {
        store.apply_one(put_command(put([u8::try_from(number).unwrap()], &value)));
    }
    let refused = refuse(&mut store, transaction(vec![Operation::Delete(delete(all()))]));
    assert!(matches!(
        refused,
        Rejection::TransactionTooLarge {
            limit: DELETED_BYTES_MAX,
            ..
        }
    ));
    store.transact(transaction(vec![
        Operation::Delete(delete(key([0]))),
        Operation::Delete(delete(key([1]))),
    ]));
    store.transact(transaction(vec![Operation::Delete(delete(all()))]));
}

#[test]
fn a_transaction_returns_only_so_many_bytes() {
    let mut store = Store::new();
    let value = vec![7; 1 << 20];
    for number in 0..4_u8 {
        store.apply_one(put_command(put([number], &value)));
    }
    let refused = refuse(
        &mut store,
        transaction(vec![Operation::Range(range(all())), Operation::Range(range(all()))]),
    );
    assert!(matches!(
        refused,
        Rejection::TransactionTooLarge {
            operation: 1,
            limit: REPLY_BYTES_MAX,
            ..
        }
    ));
    let mut deletion = delete(all());
    deletion.previous = true;
    let refused = refuse(&mut store, transaction(vec![Operation::Delete(deletion.clone())]));
    assert!(matches!(
        refused,
        Rejection::TransactionTooLarge {
            operation: 0,
            limit: REPLY_BYTES_MAX,
            ..
        }
    ));
    let mut page = range(all());
    page.limit = 2;
    store.transact(transaction(vec![Operation::Range(page)]));
    check_rules(&store);
}

#[test]
fn growth_past_a_domains_limit_is_refused_and_shrinking_never_is() {
    let mut store = Store::new();
    let registry = |key: &str, bytes: usize| Put {
        domain: "registry".to_owned(),
        ..put(key, vec![0; bytes])
    };
    store.transact(transaction(vec![Operation::Put(registry("a", 49_999_990))]));
    let refused = refuse(&mut store, transaction(vec![Operation::Put(registry("b", 9))]));
    let domain = "registry".to_owned();
    assert_eq!(
        refused,
        Rejection::DomainFull {
            domain,
            bytes: 50_000_001,
            bytes_max: 50_000_000
        }
    );
    store.transact(transaction(vec![Operation::Put(registry("b", 8))]));
    store.transact(transaction(vec![Operation::Put(registry("b", 8))]));
    store.transact(transaction(vec![
        Operation::Put(registry("a", 10)),
        Operation::Put(registry("c", 1000)),
    ]));
    // A transaction that is refused gives back what it had counted.
    let refused = refuse(
        &mut store,
        transaction(vec![
            Operation::Put(registry("d", 1000)),
            Operation::Put(registry("e", 50_000_000)),
        ]),
    );
    assert!(matches!(refused, Rejection::DomainFull { .. }));
    check_rules(&store);
    check_rules(&store.reopen());
}

#[test]
fn a_domain_that_is_unknown_or_of_the_other_tier_is_refused() {
    let mut store = Store::new();
    let in_domain = |domain: &str| Put {
        domain: domain.to_owned(),
        ..put("a", "1")
    };
    let refused = refuse(&mut store, transaction(vec![Operation::Put(in_domain("nowhere"))]));
    assert_eq!(refused.to_string(), "domain \"nowhere\" does not exist");
    for domain in ["default-eventual", "cache", "ephemeral"] {
        let refused = refuse(&mut store, transaction(vec![Operation::Put(in_domain(domain))]));
        assert_eq!(
            refused.to_string(),
            format!("domain {domain:?} is eventual: this call cannot address it")
        );
    }
    assert_eq!(store.state.revision(), Revision::EMPTY);
}

#[test]
fn a_value_may_hold_many_revisions_and_any_of_them_is_read() {
    let mut store = Store::new();
    for number in 0..200_u8 {
        store.apply(&[
            put_command(put("hot", [number])),
            put_command(put([b'k', number], [number])),
        ]);
    }
    store.apply_one(put_command(put("z", "last")));
    let view = crate::storage::Engine::view(&store.engine);
    let reader = crate::state_machine::Reader::new(&*view);
    for number in 0..200_u8 {
        let mut query = range(all());
        query.revision = Some(Revision(2 + 2 * u64::from(number)));
        let found = reader.range(&query).unwrap().unwrap();
        assert_eq!(
            (found.count, found.records[0].record.value.as_slice()),
            (1 + u64::from(number), &[number][..])
        );
    }
}
