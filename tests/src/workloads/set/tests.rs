use super::*;
use crate::journal::Answer;
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn add(element: u64) -> SetCall {
    SetCall::Add { set: 0, element }
}

fn added(revision: u64) -> Answer<SetAnswer> {
    Answer::Done(SetAnswer::Added { revision })
}

fn read(revision: u64, elements: &[u64]) -> Answer<SetAnswer> {
    Answer::Done(SetAnswer::Read {
        revision,
        elements: elements.to_vec(),
    })
}

const READ: SetCall = SetCall::Read { set: 0 };

fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[("set/000000/0000000001", Some("x"))]);
    store.write(&[("set/000000/0000000002", Some("x"))]);
    store.write(&[("other", Some("x"))]);
    store
}

fn right() -> Vec<Operation<SetCall, SetAnswer>> {
    vec![
        operation(0, 9, add(1), added(2)),
        operation(10, 19, READ, read(2, &[1])),
        operation(15, 25, add(2), Answer::Unknown),
        operation(20, 29, READ, read(3, &[1, 2])),
        operation(30, 39, add(3), Answer::NotDone),
        operation(40, 49, READ, read(4, &[1, 2])),
    ]
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict::<Set>(&right(), &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn each_wrong_answer_is_found() {
    type Change = fn(&mut Vec<Operation<SetCall, SetAnswer>>);
    let wrong: [(Change, &str); 8] = [
        (|history| history[1].answer = read(2, &[]), "stale: it is seen later: 1"),
        (
            |history| history[5].answer = read(4, &[2]),
            "lost: it is never seen again: 1",
        ),
        (
            |history| history[5].answer = read(4, &[1]),
            "vanished: it was seen before: 2",
        ),
        (|history| history[5].answer = read(4, &[1, 2, 3]), "phantom: 3"),
        (|history| history[0].answer = added(3), "not in the log as acknowledged"),
        (
            |history| history[4].answer = added(5),
            "lost: it is never seen again: 3",
        ),
        (|history| history[3].answer = read(2, &[1, 2]), "the log has [1] for"),
        (
            |history| {
                history.remove(5);
                history.remove(3);
                history.remove(2);
            },
            "nobody added",
        ),
    ];
    for (change, words) in wrong {
        let mut history = right();
        change(&mut history);
        assert_illegal(&verdict::<Set>(&history, &store()), words);
    }
}

#[test]
fn an_element_that_was_added_twice_is_found() {
    let mut store = store();
    store.write(&[("set/000000/0000000002", Some("x"))]);
    assert_illegal(&verdict::<Set>(&right(), &store), "applied twice");
}
