//! Every order of every choice of calls, one after the other: slow, and plain enough to be believed.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::kit::{Shape, at, is_legal, put, read, right, swap, unchanged};
use crate::linearizable::{Answer, Call, Expected, KeyOperation};

/// Whether some order explains the answers. At most a handful of operations.
fn has_an_order(operations: &[KeyOperation]) -> bool {
    fn extend(operations: &[KeyOperation], order: &mut Vec<usize>) -> bool {
        let left_out = |index: &usize| !order.contains(index);
        let rest: Vec<usize> = (0..operations.len()).filter(left_out).collect();
        if rest.iter().all(|index| operations[*index].answer == Answer::Unknown) {
            return true;
        }
        rest.iter().any(|index| {
            order.push(*index);
            let possible = is_in_real_time(operations, order) && explains(operations, order);
            let found = possible && extend(operations, order);
            order.pop();
            found
        })
    }
    extend(operations, &mut Vec::new())
}

/// No operation stands behind one that was called after it had returned, nor does any that is left out.
fn is_in_real_time(operations: &[KeyOperation], order: &[usize]) -> bool {
    let last = order[order.len() - 1];
    (0..operations.len()).all(|other| {
        let came_before = order[..order.len() - 1].contains(&other);
        let returned_before = operations[other].answer != Answer::Unknown
            && operations[other].returned < operations[last].invoked
            && other != last;
        came_before || !returned_before
    })
}

/// Replays the whole order.
fn explains(operations: &[KeyOperation], order: &[usize]) -> bool {
    let mut value: Option<Bytes> = None;
    order.iter().all(|index| {
        let operation = &operations[*index];
        let (next, right) = match &operation.call {
            Call::Put(written) => (Some(written.clone()), Answer::Done),
            Call::CompareAndSwap(expected, written) => {
                let holds = match expected {
                    Expected::Absent => value.is_none(),
                    Expected::Value(expected) => value.as_ref() == Some(expected),
                    Expected::Present => value.is_some(),
                };
                match holds {
                    true => (Some(written.clone()), Answer::Done),
                    false => (value.clone(), Answer::Unchanged(value.clone())),
                }
            }
            Call::Delete if value.is_some() => (None, Answer::Done),
            Call::Delete => (None, Answer::Unchanged(None)),
            Call::Get => (value.clone(), Answer::Read(value.clone())),
        };
        value = next;
        operation.answer == right || operation.answer == Answer::Unknown
    })
}

/// Anything, out of few values and few moments, so that much of it touches and about half of it is wrong.
fn anything(random: &mut SmallRng) -> Vec<KeyOperation> {
    const VALUES: [&str; 4] = ["", "a", "b", "c"];
    let operations = random.random_range(1..=7);
    let operation = |_| {
        let mut value = || VALUES[random.random_range(0..VALUES.len())];
        let (first, second) = (value(), value());
        let written = if second.is_empty() { "d" } else { second };
        let (call, mut answer) = match random.random_range(0..8) {
            0..3 => (put(written), Answer::Done),
            3 => (swap(first, written), Answer::Done),
            4 => (swap(first, "e"), unchanged(second)),
            5 => (Call::Delete, Answer::Done),
            6 if random.random_bool(0.3) => (Call::Delete, unchanged("")),
            _ => (Call::Get, read(first)),
        };
        if call != Call::Get && random.random_bool(0.2) {
            answer = Answer::Unknown;
        }
        let invoked = random.random_range(0..20);
        at(invoked, invoked + random.random_range(0..12), call, answer)
    };
    (0..operations).map(operation).collect()
}

#[test]
fn the_search_agrees_with_trying_every_order() {
    let mut random = SmallRng::seed_from_u64(1);
    let (mut legal, mut illegal) = (0, 0);
    for round in 0..12_000 {
        let mut operations = match round % 2 {
            0 => anything(&mut random),
            _ => right(
                &mut random,
                Shape {
                    operations: 7,
                    overlap: 2,
                    unknown: 4,
                },
            ),
        };
        // A right history with one answer of another one.
        if round % 4 == 1 {
            let (from, to) = (random.random_range(0..7), random.random_range(0..7));
            operations[to].answer = operations[from].answer.clone();
        }
        let expected = has_an_order(&operations);
        assert_eq!(is_legal(&operations), expected, "round {round}: {operations:#?}");
        *(if expected { &mut legal } else { &mut illegal }) += 1;
    }
    assert!(
        legal > 2_000 && illegal > 2_000,
        "{legal} are right and {illegal} are wrong"
    );
}
