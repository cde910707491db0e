use super::*;
use crate::journal::Answer;
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn append(key: &str, element: u64, expected: u64) -> Step {
    Step::Append {
        key: key.to_owned(),
        element,
        expected,
    }
}

fn read(key: &str) -> Step {
    Step::Read { key: key.to_owned() }
}

fn call(steps: &[Step]) -> AppendCall {
    AppendCall { steps: steps.to_vec() }
}

fn answer(revision: u64, applied: bool, lists: &[(&[u64], u64)]) -> Answer<AppendAnswer> {
    let lists = lists.iter().map(|(elements, mod_revision)| List {
        elements: elements.to_vec(),
        mod_revision: *mod_revision,
    });
    Answer::Done(AppendAnswer {
        revision,
        applied,
        lists: lists.collect(),
    })
}

const A: &str = "append/0.0";
const B: &str = "append/1.0";

fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[(A, Some("1")), (B, Some("2"))]);
    store.write(&[("other", Some("x"))]);
    store.write(&[(A, Some("1,3"))]);
    store
}

fn right() -> Vec<Operation<AppendCall, AppendAnswer>> {
    vec![
        operation(
            0,
            9,
            call(&[read(A), append(A, 1, 0), append(B, 2, 0), read(A)]),
            answer(2, true, &[(&[], 0), (&[1], 2)]),
        ),
        operation(10, 19, call(&[append(B, 9, 0)]), answer(3, false, &[(&[2], 2)])),
        operation(20, 29, call(&[append(A, 3, 2)]), Answer::Unknown),
        operation(
            30,
            39,
            call(&[read(A), read(B)]),
            answer(4, true, &[(&[1, 3], 4), (&[2], 2)]),
        ),
    ]
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict::<Append>(&right(), &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn each_wrong_answer_is_found() {
    type Change = fn(&mut Vec<Operation<AppendCall, AppendAnswer>>);
    let wrong: [(Change, &str); 8] = [
        (
            |history| history[2].answer = Answer::NotDone,
            "the log has its elements at Some(4)",
        ),
        (
            |history| history[0].answer = answer(3, true, &[(&[], 0), (&[1], 2)]),
            "at Some(2)",
        ),
        (|history| drop(history.remove(2)), "nobody did"),
        (|history| history[2].call = call(&[append(A, 3, 7)]), "wrong compare"),
        (
            |history| history[3].answer = answer(4, true, &[(&[1], 2), (&[2], 2)]),
            "wrong read",
        ),
        (
            |history| history[3].answer = answer(3, true, &[(&[1], 2), (&[2], 2)]),
            "out of order",
        ),
        (|history| history[1].call = call(&[append(B, 9, 2)]), "all of them held"),
        (
            |history| history[2].call = call(&[append(A, 3, 2), append(B, 4, 2)]),
            "torn",
        ),
    ];
    for (change, words) in wrong {
        let mut history = right();
        // Acknowledged, so that its place in real time is known.
        if words == "out of order" {
            history[2].answer = answer(4, true, &[]);
        }
        change(&mut history);
        assert_illegal(&verdict::<Append>(&history, &store()), words);
    }
}

#[test]
fn a_list_that_lost_an_element_is_found() {
    let mut store = store();
    store.write(&[(A, Some("3,4"))]);
    assert_illegal(&verdict::<Append>(&right(), &store), "not grown");
}
