//! Windows: they blame nobody who is right, and share enough to see what comes back from the past.

use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::kit::{Shape, at, bytes, put, read, right, sequence, swap, verdict};
use crate::history::{Operation, Request, Response};
use crate::linearizable::Answer::{Done, Unknown};
use crate::linearizable::Call::Get;
use crate::linearizable::effect::Register;
use crate::linearizable::search::search_steps;
use crate::linearizable::windows::{OPERATIONS_MAX, UNCERTAIN_MAX, steps, windows};
use crate::linearizable::{Answer, Budget, Call, Expected, Outcome, Verdict, by_key};
use crate::model::Versioned;

#[test]
fn any_part_of_a_right_history_is_right() {
    let mut random = SmallRng::seed_from_u64(5);
    for round in 0..1_500 {
        let shape = Shape {
            operations: 60,
            overlap: random.random_range(0..4),
            unknown: [0, 10, 20][round % 3],
        };
        let operations = right(&mut random, shape);
        let first = random.random_range(0..operations.len());
        let last = random.random_range(first..operations.len()) + 1;
        let part = steps(&operations, first..last);
        let outcome = search_steps(&part, Register::ANY, Budget::default());
        assert!(
            matches!(outcome, Outcome::Ok(_)),
            "round {round}, {first}..{last}: {operations:#?}"
        );
    }
}

#[test]
fn windows_cover_every_operation_and_are_small() {
    let mut random = SmallRng::seed_from_u64(6);
    let shape = Shape {
        operations: 3_000,
        overlap: 2,
        unknown: 0,
    };
    let operations = right(&mut random, shape);
    let windows = windows(&operations);
    assert_eq!(windows.iter().map(|window| window.new).sum::<usize>(), operations.len());
    for window in &windows {
        assert!(window.is_small());
        assert!(window.steps.len() <= OPERATIONS_MAX + UNCERTAIN_MAX);
    }
    assert!(windows.len() < 25, "{}", windows.len());
}

#[test]
fn a_value_that_comes_back_after_any_number_of_operations_is_seen() {
    for at_number in [150, 195, 199, 200, 201, 205, 249, 399] {
        let mut calls: Vec<(Call, Answer)> = (0..450).map(|number| (put(&format!("v{number}")), Done)).collect();
        calls[at_number] = (Get, read("v3"));
        let verdict = verdict(&sequence(calls));
        assert!(matches!(verdict, Verdict::Illegal(_)), "at {at_number}: {verdict:?}");
    }
}

#[test]
fn a_write_of_unknown_outcome_may_take_effect_windows_later() {
    let mut calls: Vec<(Call, Answer)> = (0..900).map(|number| (put(&format!("v{number}")), Done)).collect();
    calls[10] = (put("late"), Unknown);
    calls[700] = (Get, read("late"));
    verdict(&sequence(calls.clone())).into_result().unwrap();
    // It took effect once, so not again.
    calls[850] = (Get, read("late"));
    let twice = verdict(&sequence(calls));
    assert!(matches!(twice, Verdict::Illegal(_)), "{twice:?}");
}

#[test]
fn a_window_with_too_many_unknown_outcomes_is_skipped_and_counted() {
    let mut operations = sequence((0..40).map(|number| (put(&format!("v{number}")), Unknown)).collect());
    let summary = verdict(&operations).into_result().unwrap();
    assert_eq!(
        (summary.operations, summary.skipped),
        (UNCERTAIN_MAX, 40 - UNCERTAIN_MAX)
    );
    operations.truncate(UNCERTAIN_MAX);
    operations.push(at(1_000, 1_001, Get, read("v4")));
    let summary = verdict(&operations).into_result().unwrap();
    assert_eq!((summary.operations, summary.skipped), (UNCERTAIN_MAX + 1, 0));
}

fn recorded(number: u64, request: Request, response: Response) -> Operation {
    Operation {
        client: 1,
        invoked: Duration::from_millis(10 * number),
        returned: Duration::from_millis(10 * number + 5),
        request,
        response,
    }
}

#[test]
fn the_recorded_workload_is_told_without_its_revisions() {
    let key = bytes("k");
    let value = |text: &str| bytes(text);
    let swap_to = |expected, text: &str| Request::CompareAndSwap {
        key: key.clone(),
        expected,
        value: value(text),
    };
    let put_of = |text: &str| Request::Put {
        key: key.clone(),
        value: value(text),
    };
    let get = |strong| Request::Get {
        key: key.clone(),
        strong,
    };
    let written = |revision| Response::Written { revision };
    let seen = Response::Read {
        revision: 9,
        record: Some(Versioned {
            value: value("b"),
            mod_revision: 7,
            version: 2,
        }),
    };
    let operations = vec![
        recorded(0, swap_to(0, "a"), written(5)),
        recorded(1, swap_to(5, "b"), Response::Unknown),
        recorded(2, swap_to(5, "never"), Response::Unknown),
        recorded(3, get(true), seen.clone()),
        recorded(4, get(false), seen),
        recorded(5, swap_to(7, "c"), written(10)),
        recorded(6, swap_to(8, "d"), written(11)),
        recorded(7, put_of("e"), Response::NotApplied),
        recorded(8, get(true), Response::Unknown),
    ];
    let in_the_log: HashSet<_> = ["a", "b", "c", "d"].map(value).into();
    let histories = by_key(&operations, Some(&in_the_log));
    let told: Vec<(Call, Answer)> = histories[&key]
        .iter()
        .map(|operation| (operation.call.clone(), operation.answer.clone()))
        .collect();
    let unresolved = Call::CompareAndSwap(Expected::Present, value("d"));
    assert_eq!(
        told,
        vec![
            (swap("", "a"), Done),
            (swap("a", "b"), Unknown),
            (Get, read("b")),
            (swap("b", "c"), Done),
            (unresolved, Done),
        ]
    );
    assert_eq!(by_key(&operations, None)[&key].len(), told.len() + 1);
}
