use std::time::Duration;

use super::*;
use crate::journal::{Answer, End, Fault, Header};
use crate::workloads::fake::{assert_illegal, operation};

fn insert(element: u64) -> EventualCall {
    EventualCall::Insert { set: 0, element }
}

const ADD: EventualCall = EventualCall::Add { counter: 1, number: 5 };

fn raise(number: u64) -> EventualCall {
    EventualCall::Raise { number }
}

fn acked(members: u32) -> Answer<EventualAnswer> {
    Answer::Done(EventualAnswer::Acked { members })
}

fn number(number: u64) -> Answer<EventualAnswer> {
    Answer::Done(EventualAnswer::Number { number })
}

fn all(endpoint: &str, elements: &[u64], sum: i64) -> Operation<EventualCall, EventualAnswer> {
    let endpoint = endpoint.to_owned();
    let answer = EventualAnswer::All {
        sets: [(0, elements.to_vec())].into(),
        counters: [(1, sum)].into(),
    };
    operation(900, 901, EventualCall::All { endpoint }, Answer::Done(answer))
}

fn right() -> Vec<Operation<EventualCall, EventualAnswer>> {
    vec![
        operation(0, 9, insert(1), acked(2)),
        operation(10, 19, insert(2), acked(1)),
        operation(20, 29, insert(3), Answer::Unknown),
        operation(30, 39, insert(4), Answer::NotDone),
        operation(40, 49, ADD, acked(2)),
        operation(50, 59, ADD, Answer::Unknown),
        operation(60, 69, raise(1), acked(1)),
        operation(70, 79, EventualCall::Read, number(1)),
        operation(80, 89, raise(2), Answer::Unknown),
        operation(90, 99, EventualCall::Read, number(2)),
        all("a", &[1, 3], 10),
        all("b", &[1, 3], 10),
    ]
}

fn verdict(operations: &[Operation<EventualCall, EventualAnswer>], faults: &[Fault]) -> Verdict {
    let facts = Facts {
        header: &Header::default(),
        faults,
        end: &End::default(),
    };
    Eventual::check(operations, &Truth::default(), &facts)
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict(&right(), &[]);
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn each_wrong_answer_is_found() {
    type Change = fn(&mut Vec<Operation<EventualCall, EventualAnswer>>);
    let wrong: [(Change, &str); 9] = [
        (
            |all_of| all_of[11] = all("b", &[1], 10),
            "equal: a and b have another set 0",
        ),
        (
            |all_of| all_of[11] = all("b", &[1, 3], 5),
            "equal: a and b have another counter 1",
        ),
        (
            |all_of| {
                all_of[10] = all("a", &[3], 10);
                all_of[11] = all("b", &[3], 10);
            },
            "kept: element 1",
        ),
        (
            |all_of| {
                all_of[10] = all("a", &[1, 4], 10);
                all_of[11] = all("b", &[1, 4], 10);
            },
            "real: nobody wrote element 4",
        ),
        (
            |all_of| {
                all_of[10] = all("a", &[1], 4);
                all_of[11] = all("b", &[1], 4);
            },
            "counted: counter 1 is 4",
        ),
        (
            |all_of| {
                all_of[10] = all("a", &[1], 15);
                all_of[11] = all("b", &[1], 15);
            },
            "counted: counter 1 is 15",
        ),
        (|all_of| all_of[7].answer = number(0), "session: it must be from 1 to 1"),
        (|all_of| all_of[9].answer = number(3), "session: it must be from 1 to 2"),
        (|all_of| all_of[9].answer = number(0), "session: it must be from 1 to 2"),
    ];
    for (change, words) in wrong {
        let mut operations = right();
        change(&mut operations);
        assert_illegal(&verdict(&operations, &[]), words);
    }
}

#[test]
fn what_two_members_had_may_be_lost_with_both_and_not_with_one() {
    let mut operations = right();
    operations[10] = all("a", &[3], 10);
    operations[11] = all("b", &[3], 10);
    operations.push(operation(
        Duration::from_secs(60).as_micros() as u64,
        u64::MAX >> 20,
        insert(3),
        acked(2),
    ));
    let fault = |kind: &str, victims: &[u64]| Fault {
        fault: kind.to_owned(),
        victims: victims.to_vec(),
        began_us: 500,
        ended_us: 900,
        ..Fault::default()
    };
    assert!(verdict(&operations, &[fault("kill-all", &[1, 2, 3])]).is_ok());
    assert!(verdict(&operations, &[fault("kill", &[1]), fault("kill", &[2])]).is_ok());
    assert_illegal(&verdict(&operations, &[fault("kill", &[1])]), "kept: element 1");
    assert_illegal(
        &verdict(&operations, &[fault("pause-majority", &[1, 2])]),
        "kept: element 1",
    );
}

#[test]
fn members_that_were_not_read_give_no_verdict() {
    assert_eq!(verdict(&right()[..10], &[]).name(), "unknown");
    assert_eq!(verdict(&right()[..11], &[]).name(), "unknown");
}
