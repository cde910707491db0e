use super::*;
use crate::journal::Answer;
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn put(value: &str) -> RetryCall {
    RetryCall::Put {
        value: value.to_owned(),
    }
}

fn transaction(value: &str) -> RetryCall {
    RetryCall::Transaction {
        value: value.to_owned(),
    }
}

fn swap(value: &str, expected: u64) -> RetryCall {
    RetryCall::Swap {
        value: value.to_owned(),
        expected,
    }
}

fn written(revision: u64) -> Answer<RetryAnswer> {
    Answer::Done(RetryAnswer::Written { revision })
}

fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[("retries/1", Some("a"))]);
    store.write(&[("retries/1", Some("b"))]);
    store.write(&[("retries/1", Some("c")), ("retries/1/other", Some("c"))]);
    store
}

fn right() -> Vec<Operation<RetryCall, RetryAnswer>> {
    let lost = Answer::Done(RetryAnswer::Lost { bytes: 9, retries: 3 });
    vec![
        operation(0, 9, put("a"), written(2)),
        operation(10, 19, swap("b", 2), written(3)),
        operation(20, 29, transaction("c"), Answer::Unknown),
        operation(30, 39, put("d"), Answer::NotDone),
        operation(0, 40, RetryCall::LoseReplies, lost),
    ]
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict::<Retries>(&right(), &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn a_run_in_which_nothing_was_repeated_shows_nothing() {
    let mut history = right();
    history.pop();
    let verdict = verdict::<Retries>(&history, &store());
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict}");
}

#[test]
fn each_wrong_answer_is_found() {
    type Change = fn(&mut Vec<Operation<RetryCall, RetryAnswer>>);
    let unchanged = |history: &mut Vec<Operation<RetryCall, RetryAnswer>>| {
        history[1].answer = Answer::Done(RetryAnswer::Unchanged { revision: 3 });
    };
    let wrong: [(Change, &str); 5] = [
        (unchanged, "a swap lost to nobody"),
        (
            |history| history[2].answer = Answer::NotDone,
            "applied although refused",
        ),
        (|history| history[3].answer = written(4), "not as acknowledged"),
        (|history| history[2].call = put("c"), "applied twice"),
        (|history| drop(history.remove(0)), "nobody wrote"),
    ];
    for (change, words) in wrong {
        let mut history = right();
        change(&mut history);
        assert_illegal(&verdict::<Retries>(&history, &store()), words);
    }
}

#[test]
fn a_put_that_was_applied_twice_is_found() {
    let mut store = store();
    store.write(&[("retries/1", Some("b"))]);
    assert_illegal(&verdict::<Retries>(&right(), &store), "applied twice");
}
