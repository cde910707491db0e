//! Long histories that are right pass; where nothing overlaps, any answer but the right one is seen.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::kit::{Shape, at, is_legal, put, read, right, verdict};
use crate::linearizable::{Answer, Budget, Call, KeyOperation, Outcome, Verdict, search};

const LONG: Shape = Shape {
    operations: 900,
    overlap: 3,
    unknown: 80,
};

#[test]
fn right_histories_pass_as_a_whole_and_in_windows() {
    let mut random = SmallRng::seed_from_u64(2);
    for round in 0..40 {
        let shape = Shape {
            operations: 60 + 20 * round,
            overlap: 1 + round as u64 % 4,
            unknown: [0, 80, 160][round % 3],
        };
        let operations = right(&mut random, shape);
        assert!(operations.len() > 200 || is_legal(&operations), "round {round}");
        let summary = verdict(&operations).into_result();
        let summary = summary.unwrap_or_else(|why| panic!("round {round}: {why}"));
        assert_eq!(summary.operations + summary.skipped, operations.len());
        assert!(summary.operations > operations.len() / 2, "round {round}: {summary:?}");
    }
}

#[test]
fn an_answer_of_another_operation_is_seen_where_nothing_overlaps() {
    let mut random = SmallRng::seed_from_u64(3);
    let mut seen = 0;
    for _ in 0..300 {
        let shape = Shape {
            operations: 400,
            overlap: 0,
            unknown: 0,
        };
        let mut operations = right(&mut random, shape);
        let is_read = |operation: &&KeyOperation| matches!(operation.answer, Answer::Read(_));
        let answers: Vec<Answer> = operations
            .iter()
            .filter(is_read)
            .map(|read| read.answer.clone())
            .collect();
        let reads: Vec<usize> = (0..operations.len())
            .filter(|index| operations[*index].call == Call::Get)
            .collect();
        let (Some(victim), Some(answer)) = (reads.choose(&mut random), answers.choose(&mut random)) else {
            continue;
        };
        if operations[*victim].answer == *answer {
            continue;
        }
        operations[*victim].answer = answer.clone();
        let verdict = verdict(&operations);
        assert!(matches!(verdict, Verdict::Illegal(_)), "{verdict:?}");
        seen += 1;
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn a_write_that_goes_missing_is_seen_under_overlap() {
    let mut random = SmallRng::seed_from_u64(4);
    let (mut seen, mut tried) = (0, 0);
    for _ in 0..30 {
        let mut operations = right(&mut random, LONG);
        let read_later: Vec<usize> = (0..operations.len())
            .filter(|index| {
                let value = operations[*index].writes();
                value.is_some() && operations.iter().any(|other| other.shows() == value)
            })
            .collect();
        // As if it had never been called: whoever was shown its value was shown what nobody wrote.
        operations.remove(read_later[random.random_range(0..read_later.len())]);
        tried += 1;
        seen += usize::from(matches!(verdict(&operations), Verdict::Illegal(_)));
    }
    assert_eq!(seen, tried);
}

#[test]
fn a_search_ends_with_its_budget_and_that_is_no_pass() {
    // Writes that all overlap, and a read that none of them explains: every set of them is a state.
    let mut operations: Vec<KeyOperation> = (0..24)
        .map(|number| at(0, 1_000, put(&format!("v{number}")), Answer::Done))
        .collect();
    operations.push(at(2_000, 3_000, Call::Get, read("")));
    let budget = Budget {
        time: Duration::from_secs(60),
        states_max: 10_000,
    };
    assert_eq!(search(&operations, budget), Outcome::Unknown);
    let budget = Budget {
        time: Duration::ZERO,
        states_max: 10_000_000,
    };
    assert_eq!(search(&operations, budget), Outcome::Unknown);
}
