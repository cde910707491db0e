use super::*;
use crate::journal::Answer;
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn count(value: u64, mod_revision: u64) -> Count {
    Count { value, mod_revision }
}

fn increment(by: u64, from: Count) -> CounterCall {
    CounterCall::Increment {
        counter: 0,
        by,
        from,
        by_value: false,
    }
}

fn answer(revision: u64, added: bool, count: Count) -> Answer<CounterAnswer> {
    Answer::Done(CounterAnswer { revision, added, count })
}

const READ: CounterCall = CounterCall::Read { counter: 0 };

fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[("counter/0", Some("1"))]);
    store.write(&[("other", Some("x"))]);
    store.write(&[("counter/0", Some("4"))]);
    store
}

fn right() -> Vec<Operation<CounterCall, CounterAnswer>> {
    vec![
        operation(0, 9, increment(1, count(0, 0)), answer(2, true, count(1, 2))),
        operation(10, 19, increment(2, count(0, 0)), answer(3, false, count(1, 2))),
        operation(20, 29, READ, answer(3, false, count(1, 2))),
        operation(22, 39, increment(3, count(1, 2)), Answer::Unknown),
        operation(40, 49, increment(5, count(1, 2)), Answer::NotDone),
        operation(50, 59, READ, answer(4, false, count(4, 4))),
    ]
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict::<Counter>(&right(), &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn each_wrong_answer_is_found() {
    type Change = fn(&mut Vec<Operation<CounterCall, CounterAnswer>>);
    let wrong: [(Change, &str); 7] = [
        (
            |history| history[5].answer = answer(4, false, count(9, 4)),
            "out of bounds",
        ),
        (
            |history| history[2].answer = answer(1, false, count(0, 0)),
            "out of bounds",
        ),
        (|history| history[3].answer = Answer::NotDone, "out of bounds"),
        (
            |history| history[0].answer = answer(3, true, count(1, 3)),
            "the log added it at Some(2)",
        ),
        (|history| history[1].call = increment(2, count(1, 2)), "it held"),
        (
            |history| history[2].answer = answer(3, false, count(4, 4)),
            "wrong read",
        ),
        (|history| drop(history.drain(3..)), "nobody did"),
    ];
    for (change, words) in wrong {
        let mut history = right();
        change(&mut history);
        assert_illegal(&verdict::<Counter>(&history, &store()), words);
    }
}

#[test]
fn an_increment_that_was_done_twice_is_found() {
    let mut store = store();
    store.write(&[("counter/0", Some("7"))]);
    assert_illegal(&verdict::<Counter>(&right(), &store), "applied twice");
}

#[test]
fn a_read_of_what_was_older_already_is_found() {
    let mut history = right();
    history.push(operation(60, 69, READ, answer(3, false, count(1, 2))));
    assert_illegal(&verdict::<Counter>(&history, &store()), "out of order");
}
