use bytes::Bytes;

use super::*;
use crate::journal::Answer;
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn text(text: &'static str) -> Text {
    Text(Bytes::from(text))
}

fn swap(expected: u64, value: &'static str) -> RegisterCall {
    RegisterCall::Swap {
        key: text("register/1.0"),
        expected,
        value: text(value),
    }
}

fn get() -> RegisterCall {
    RegisterCall::Get {
        key: text("register/1.0"),
    }
}

fn read(revision: u64, value: &'static str, mod_revision: u64, version: u64) -> Answer<RegisterAnswer> {
    Answer::Done(RegisterAnswer::Read {
        revision,
        record: Some(RegisterRecord {
            value: text(value),
            mod_revision,
            version,
        }),
    })
}

fn written(revision: u64) -> Answer<RegisterAnswer> {
    Answer::Done(RegisterAnswer::Written { revision })
}

/// Two swaps, with the work of others before, between and after them.
fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[("other", Some("x"))]);
    store.write(&[("register/1.0", Some("a"))]);
    store.write(&[("other", Some("y")), ("another", Some("y"))]);
    store.write(&[("register/1.0", Some("b"))]);
    store.write(&[("other", None)]);
    store
}

#[test]
fn a_history_among_others_is_explained() {
    let operations = [
        operation(0, 9, swap(0, "a"), written(3)),
        operation(10, 19, get(), read(4, "a", 3, 1)),
        operation(20, 29, swap(3, "b"), Answer::Unknown),
        operation(30, 39, get(), read(6, "b", 5, 2)),
    ];
    let verdict = verdict::<Register>(&operations, &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn a_stale_read_is_found() {
    let operations = [
        operation(0, 9, swap(0, "a"), written(3)),
        operation(20, 29, swap(3, "b"), written(5)),
        operation(30, 39, get(), read(4, "a", 3, 1)),
    ];
    assert_illegal(&verdict::<Register>(&operations, &store()), "out of order: revision 5");
}

#[test]
fn an_acknowledged_write_that_the_log_has_not_is_found() {
    let operations = [
        operation(0, 9, swap(0, "a"), written(3)),
        operation(20, 29, swap(3, "b"), written(5)),
        operation(30, 39, swap(5, "c"), written(6)),
    ];
    assert_illegal(
        &verdict::<Register>(&operations, &store()),
        "acknowledged write lost: at revision 6",
    );
}

#[test]
fn a_write_that_was_refused_and_is_in_the_log_is_found() {
    let operations = [
        operation(0, 9, swap(0, "a"), written(3)),
        operation(20, 29, swap(3, "b"), Answer::NotDone),
    ];
    assert_illegal(&verdict::<Register>(&operations, &store()), "revision 5");
}
