//! The check must pass what is right and catch each kind of wrong: a checker that misses one is worse than none.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Verdict, Violation, check};
use crate::audit::Change;
use crate::history::{Operation, Request, Response};
use crate::model::{Model, Versioned};

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(key: &str, value: &str) -> Request {
    Request::Put {
        key: bytes(key),
        value: bytes(value),
    }
}

fn swap(key: &str, expected: u64, value: &str) -> Request {
    Request::CompareAndSwap {
        key: bytes(key),
        expected,
        value: bytes(value),
    }
}

fn delete(key: &str) -> Request {
    Request::Delete { key: bytes(key) }
}

fn get(key: &str) -> Request {
    Request::Get {
        key: bytes(key),
        strong: true,
    }
}

fn local_get(key: &str) -> Request {
    Request::Get {
        key: bytes(key),
        strong: false,
    }
}

fn written(revision: u64) -> Response {
    Response::Written { revision }
}

fn record(value: &str, mod_revision: u64, version: u64) -> Versioned {
    Versioned {
        value: bytes(value),
        mod_revision,
        version,
    }
}

fn read(revision: u64, record: Option<Versioned>) -> Response {
    Response::Read { revision, record }
}

/// `(client, invoked, returned, request, response)`, times in milliseconds.
fn history(operations: Vec<(u64, u64, u64, Request, Response)>) -> Vec<Operation> {
    let operations = operations
        .into_iter()
        .map(|(client, invoked, returned, request, response)| Operation {
            client,
            invoked: Duration::from_millis(invoked),
            returned: Duration::from_millis(returned),
            request,
            response,
        });
    operations.collect()
}

fn verdict(operations: Vec<(u64, u64, u64, Request, Response)>) -> Verdict {
    check(&history(operations), 1, &BTreeMap::new())
}

fn shown(changes: &[(u64, &str, Versioned)]) -> BTreeMap<u64, Change> {
    let changes = changes.iter().map(|(revision, key, record)| {
        let change = Change::Put {
            key: bytes(key),
            record: record.clone(),
        };
        (*revision, change)
    });
    changes.collect()
}

#[track_caller]
fn violation(verdict: Verdict) -> Violation {
    match verdict {
        Verdict::Illegal(violation) => violation,
        other => panic!("should be illegal: {other:?}"),
    }
}

#[test]
fn a_correct_history_of_every_operation_passes() {
    let unchanged = Response::Unchanged {
        revision: 3,
        current: Some(record("b", 3, 2)),
    };
    let nothing_there = Response::Unchanged {
        revision: 4,
        current: None,
    };
    let summary = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (2, 5, 20, get("k"), read(2, Some(record("a", 2, 1)))),
        (1, 11, 30, swap("k", 2, "b"), written(3)),
        (2, 31, 40, swap("k", 2, "c"), unchanged),
        (1, 41, 50, delete("k"), written(4)),
        (2, 51, 60, delete("k"), nothing_there),
        (2, 61, 70, get("k"), read(4, None)),
    ]);
    let summary = summary.into_result().unwrap();
    assert_eq!((summary.operations, summary.revisions), (7, 3));
}

#[test]
fn a_stale_strong_read_is_caught() {
    let stale = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (1, 11, 20, put("k", "b"), written(3)),
        (2, 21, 30, get("k"), read(2, Some(record("a", 2, 1)))),
    ]);
    assert!(matches!(violation(stale), Violation::OutOfOrder { known: 3, .. }));
}

#[test]
fn a_stale_read_that_claims_the_newest_revision_is_caught() {
    let lie = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (1, 11, 20, put("k", "b"), written(3)),
        (2, 21, 30, get("k"), read(3, Some(record("a", 2, 1)))),
    ]);
    assert!(matches!(violation(lie), Violation::WrongRead { revision: 3, .. }));
}

#[test]
fn a_read_that_overlaps_the_write_may_see_either_side() {
    for seen in [read(1, None), read(2, Some(record("a", 2, 1)))] {
        verdict(vec![(1, 0, 10, put("k", "a"), written(2)), (2, 5, 15, get("k"), seen)])
            .into_result()
            .unwrap();
    }
}

#[test]
fn a_local_read_may_be_old_but_never_goes_back() {
    let old = |second: u64| {
        let seen = |revision| {
            if revision == 2 {
                Some(record("a", 2, 1))
            } else {
                Some(record("b", 3, 2))
            }
        };
        verdict(vec![
            (1, 0, 10, put("k", "a"), written(2)),
            (1, 11, 20, put("k", "b"), written(3)),
            (2, 21, 30, local_get("k"), read(5 - second, seen(5 - second))),
            (2, 31, 40, local_get("k"), read(second, seen(second))),
        ])
    };
    old(3).into_result().unwrap();
    assert!(matches!(violation(old(2)), Violation::OutOfOrder { known: 3, .. }));
}

#[test]
fn a_lost_write_is_caught_by_what_the_store_shows() {
    let operations = history(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (2, 0, 50, put("k", "b"), Response::Unknown),
    ]);
    let lost = check(&operations, 1, &shown(&[(2, "k", record("b", 2, 1))]));
    assert!(matches!(violation(lost), Violation::LostWrite { revision: 2, .. }));
}

#[test]
fn a_lost_write_whose_revision_was_given_out_again_is_caught() {
    let reused = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (2, 11, 20, put("k", "b"), written(2)),
    ]);
    assert!(matches!(
        violation(reused),
        Violation::RevisionReused { revision: 2, .. }
    ));
}

#[test]
fn a_lost_tail_is_caught_when_the_store_goes_back() {
    let gone = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (1, 11, 20, put("k", "b"), written(3)),
        (1, 30, 40, put("k", "c"), written(4)),
        (2, 50, 60, get("k"), read(2, Some(record("a", 2, 1)))),
    ]);
    assert!(matches!(violation(gone), Violation::OutOfOrder { known: 4, .. }));
}

#[test]
fn a_retry_that_applied_twice_is_caught() {
    let operations = history(vec![(1, 0, 10, put("k", "a"), written(2))]);
    let twice = check(
        &operations,
        1,
        &shown(&[(2, "k", record("a", 2, 1)), (3, "k", record("a", 3, 2))]),
    );
    assert!(matches!(violation(twice), Violation::AppliedTwice { revision: 3, .. }));
}

#[test]
fn an_unknown_write_that_applied_twice_is_caught() {
    let operations = history(vec![(1, 0, 10, put("k", "a"), Response::Unknown)]);
    let twice = check(
        &operations,
        1,
        &shown(&[(2, "k", record("a", 2, 1)), (3, "k", record("a", 3, 2))]),
    );
    assert!(matches!(violation(twice), Violation::AppliedTwice { revision: 3, .. }));
}

#[test]
fn reordered_writes_are_caught() {
    let reordered = verdict(vec![
        (1, 0, 10, put("k", "a"), written(3)),
        (2, 11, 20, put("k", "b"), written(2)),
    ]);
    assert!(matches!(violation(reordered), Violation::OutOfOrder { known: 3, .. }));
}

#[test]
fn a_swap_whose_compare_did_not_hold_is_caught() {
    let wrong = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (2, 0, 20, put("k", "b"), written(3)),
        (3, 0, 30, swap("k", 2, "c"), written(4)),
    ]);
    assert!(matches!(violation(wrong), Violation::WrongCompare { revision: 4, .. }));
}

#[test]
fn a_swap_that_lost_although_its_compare_held_is_caught() {
    let refused = Response::Unchanged {
        revision: 2,
        current: Some(record("a", 2, 1)),
    };
    let wrong = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (2, 11, 20, swap("k", 2, "b"), refused),
    ]);
    assert!(matches!(violation(wrong), Violation::WrongCompare { revision: 2, .. }));
}

#[test]
fn a_write_that_was_refused_but_applied_is_caught() {
    let operations = history(vec![(1, 0, 10, put("k", "a"), Response::NotApplied)]);
    let applied = check(&operations, 1, &shown(&[(2, "k", record("a", 2, 1))]));
    assert!(matches!(
        violation(applied),
        Violation::RefusedButApplied { revision: 2, .. }
    ));
}

#[test]
fn a_value_that_nobody_wrote_is_caught() {
    let phantom = verdict(vec![(1, 0, 10, get("k"), read(2, Some(record("z", 2, 1))))]);
    assert!(matches!(violation(phantom), Violation::Phantom { revision: 2, .. }));
}

#[test]
fn an_unknown_write_may_fill_a_gap_or_not_have_happened() {
    let applied = verdict(vec![
        (1, 0, 10, put("k", "a"), Response::Unknown),
        (1, 11, 20, put("k", "b"), Response::Unknown),
        (2, 30, 40, get("k"), read(2, Some(record("b", 2, 1)))),
    ]);
    let summary = applied.into_result().unwrap();
    assert_eq!((summary.unknown_applied, summary.unknown_absent), (1, 1));
}

#[test]
fn an_unknown_write_that_takes_a_revision_from_before_it_began_is_caught() {
    let early = verdict(vec![
        (2, 0, 10, put("k", "b"), written(3)),
        (1, 20, 30, put("k", "a"), Response::Unknown),
        (2, 5, 40, local_get("k"), read(2, Some(record("a", 2, 1)))),
    ]);
    assert!(matches!(violation(early), Violation::OutOfOrder { known: 3, .. }));
}

#[test]
fn a_gap_that_nothing_explains_is_no_pass() {
    let gap = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (1, 11, 20, put("k", "b"), written(4)),
    ]);
    assert!(
        matches!(&gap, Verdict::Unknown(reason) if reason.contains("revision 3")),
        "{gap:?}"
    );
}

#[test]
fn a_version_that_does_not_count_is_caught() {
    let wrong = verdict(vec![
        (1, 0, 10, put("k", "a"), written(2)),
        (1, 11, 20, put("k", "b"), written(3)),
        (2, 21, 30, get("k"), read(3, Some(record("b", 3, 1)))),
    ]);
    assert!(matches!(violation(wrong), Violation::WrongRead { revision: 3, .. }));
}

/// A store that is right by construction: operations happen one after the other at random moments within their calls.
fn correct_history(choices: &[(u8, u8, u8)]) -> Vec<Operation> {
    let (mut model, mut revision, mut operations) = (Model::default(), 1, Vec::new());
    for (number, (what, key, slack)) in choices.iter().enumerate() {
        let key = bytes(&format!("k{}", key % 3));
        let value = bytes(&format!("v{number}"));
        let before = model.get(&key).cloned();
        let expected = model.mod_revision(&key);
        let (request, response) = match what % 5 {
            0 | 1 => {
                revision += 1;
                model.put(&key, &value, revision);
                (Request::Put { key, value }, written(revision))
            }
            2 => {
                revision += 1;
                model.put(&key, &value, revision);
                (Request::CompareAndSwap { key, expected, value }, written(revision))
            }
            3 if model.delete(&key) => {
                revision += 1;
                (Request::Delete { key }, written(revision))
            }
            _ => (Request::Get { key, strong: true }, read(revision, before)),
        };
        // It takes effect at 10 * number; the call reaches up to two neighbours to either side.
        let middle = 10 * number as u64 + 100;
        operations.push(Operation {
            client: number as u64,
            invoked: Duration::from_millis(middle - u64::from(slack % 25)),
            returned: Duration::from_millis(middle + u64::from(slack / 10)),
            request,
            response,
        });
    }
    operations
}

proptest! {
    #[test]
    fn every_correct_history_passes(choices in prop::collection::vec(any::<(u8, u8, u8)>(), 1..80)) {
        let operations = correct_history(&choices);
        let verdict = check(&operations, 1, &BTreeMap::new());
        prop_assert!(matches!(verdict, Verdict::Ok(_)), "{verdict:?}");
    }

    #[test]
    fn a_read_changed_to_another_revision_or_value_never_passes(
        choices in prop::collection::vec(any::<(u8, u8, u8)>(), 2..60),
        victim in any::<prop::sample::Index>(),
    ) {
        let mut operations = correct_history(&choices);
        let reads = |operation: &Operation| matches!(operation.response, Response::Read { .. });
        let victims: Vec<usize> = (0..operations.len()).filter(|index| reads(&operations[*index])).collect();
        prop_assume!(!victims.is_empty());
        let victim = &mut operations[victims[victim.index(victims.len())]];
        let Response::Read { record, .. } = &mut victim.response else { unreachable!("it is a read") };
        *record = match record.take() {
            Some(mut seen) => { seen.version += 1; Some(seen) }
            None => Some(self::record("v0", 2, 1)),
        };
        let verdict = check(&operations, 1, &BTreeMap::new());
        prop_assert!(!matches!(verdict, Verdict::Ok(_)));
    }
}
