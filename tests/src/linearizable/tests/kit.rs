//! Histories, written short.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;

use crate::linearizable::{Answer, Budget, Call, Expected, KeyOperation, Outcome, Verdict, check, search};

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn put(value: &str) -> Call {
    Call::Put(bytes(value))
}

/// An empty `expected` is an absent key.
pub(super) fn swap(expected: &str, value: &str) -> Call {
    let expected = match expected {
        "" => Expected::Absent,
        some => Expected::Value(bytes(some)),
    };
    Call::CompareAndSwap(expected, bytes(value))
}

fn shown(value: &str) -> Option<Bytes> {
    (!value.is_empty()).then(|| bytes(value))
}

/// An empty value is an absent key.
pub(super) fn read(value: &str) -> Answer {
    Answer::Read(shown(value))
}

/// An empty value is an absent key.
pub(super) fn unchanged(value: &str) -> Answer {
    Answer::Unchanged(shown(value))
}

/// From one millisecond to another.
pub(super) fn at(invoked: u64, returned: u64, call: Call, answer: Answer) -> KeyOperation {
    KeyOperation {
        client: 0,
        invoked: Duration::from_millis(invoked),
        returned: Duration::from_millis(returned),
        call,
        answer,
    }
}

/// One after the other.
pub(super) fn sequence(calls: Vec<(Call, Answer)>) -> Vec<KeyOperation> {
    let calls = calls.into_iter().zip(0..);
    calls
        .map(|((call, answer), number)| at(10 * number, 10 * number + 5, call, answer))
        .collect()
}

pub(super) fn is_legal(operations: &[KeyOperation]) -> bool {
    match search(operations, Budget::default()) {
        Outcome::Ok(_) => true,
        Outcome::Illegal(_) => false,
        Outcome::Unknown => panic!("the budget was spent on {} operations", operations.len()),
    }
}

pub(super) fn verdict(operations: &[KeyOperation]) -> Verdict {
    let histories = BTreeMap::from([(bytes("k"), operations.to_vec())]);
    check(&histories, Budget::default())
}

/// How a right history looks.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub operations: usize,
    /// How far a call reaches to either side, in steps of its neighbours.
    pub overlap: u64,
    /// One in so many writes is of unknown outcome; 0: none.
    pub unknown: u32,
}

/// Right by construction: each call takes effect at a moment of its own, and reaches beyond it to both sides. One of
/// unknown outcome takes effect much later, or never.
pub(super) fn right(random: &mut SmallRng, shape: Shape) -> Vec<KeyOperation> {
    const STEP: u64 = 100;
    let mut moments: Vec<(u64, u64, bool)> = Vec::new();
    for number in 0..shape.operations as u64 {
        let invoked = STEP * (number + shape.overlap);
        let is_unknown = shape.unknown > 0 && random.random_ratio(1, shape.unknown);
        let late = if is_unknown {
            random.random_range(0..STEP * 20)
        } else {
            0
        };
        moments.push((invoked + late, invoked, is_unknown));
    }
    moments.sort_unstable();
    let mut value: Option<Bytes> = None;
    let mut operations = Vec::new();
    for (number, (moment, invoked, is_unknown)) in moments.into_iter().enumerate() {
        let (call, answer) = right_step(random, &mut value, number, is_unknown);
        let reach = STEP * shape.overlap;
        let mut slack = || random.random_range(0..=reach);
        operations.push(at(invoked - slack(), moment + slack() + 1, call, answer));
    }
    operations.sort_by_key(|operation| operation.invoked);
    operations
}

fn right_step(random: &mut SmallRng, value: &mut Option<Bytes>, number: usize, is_unknown: bool) -> (Call, Answer) {
    let next = Bytes::from(format!("v{number}"));
    let expected = |value: &Option<Bytes>| value.clone().map_or(Expected::Absent, Expected::Value);
    let before = value.clone();
    let (call, answer) = match random.random_range(0..10) {
        0..3 => (Call::Put(next.clone()), Answer::Done),
        3..5 => (Call::CompareAndSwap(expected(&before), next.clone()), Answer::Done),
        5 => (
            Call::CompareAndSwap(Expected::Value(bytes("other")), next.clone()),
            Answer::Unchanged(before.clone()),
        ),
        6 if before.is_some() => (Call::Delete, Answer::Done),
        6 => (Call::Delete, Answer::Unchanged(None)),
        _ => return (Call::Get, Answer::Read(before)),
    };
    if is_unknown && random.random_bool(0.3) {
        return (call, Answer::Unknown);
    }
    match (&call, &answer) {
        (Call::Delete, Answer::Done) => *value = None,
        (_, Answer::Done) => *value = Some(next),
        _ => {}
    }
    (call, if is_unknown { Answer::Unknown } else { answer })
}
