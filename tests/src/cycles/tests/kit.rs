//! Histories, written short.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use crate::cycles::{Anomaly, Outcome, Step, Transaction, Verdict, check};

/// Appends.
pub(super) fn a(key: &str, element: u64) -> Step {
    Step::Append {
        key: key.to_owned(),
        element,
    }
}

/// Reads.
pub(super) fn r(key: &str, list: &[u64]) -> Step {
    Step::Read {
        key: key.to_owned(),
        list: Some(list.to_vec()),
    }
}

/// Of a client, from one millisecond to another.
pub(super) fn t(client: u64, invoked: u64, returned: u64, steps: Vec<Step>) -> Transaction {
    Transaction {
        client,
        invoked: Duration::from_millis(invoked),
        returned: Duration::from_millis(returned),
        outcome: Outcome::Committed,
        steps,
    }
}

pub(super) fn aborted(transaction: Transaction) -> Transaction {
    Transaction {
        outcome: Outcome::Aborted,
        ..transaction
    }
}

pub(super) fn unknown(transaction: Transaction) -> Transaction {
    Transaction {
        outcome: Outcome::Unknown,
        ..transaction
    }
}

/// All at once, each of a client of its own.
pub(super) fn at_once(transactions: Vec<Vec<Step>>) -> Vec<Transaction> {
    let transactions = transactions.into_iter().zip(0..);
    transactions.map(|(steps, client)| t(client, 0, 100, steps)).collect()
}

/// One after the other, of clients of their own.
pub(super) fn in_turn(transactions: Vec<Vec<Step>>) -> Vec<Transaction> {
    let transactions = transactions.into_iter().zip(0..);
    transactions
        .map(|(steps, turn)| t(turn, 10 * turn, 10 * turn + 5, steps))
        .collect()
}

#[track_caller]
pub(super) fn passes(transactions: &[Transaction]) {
    check(transactions).into_result().unwrap_or_else(|why| panic!("{why}"));
}

#[track_caller]
pub(super) fn anomalies(transactions: &[Transaction]) -> Vec<Anomaly> {
    match check(transactions) {
        Verdict::Illegal(anomalies) => anomalies,
        other => panic!("should be illegal: {other:?}"),
    }
}

/// The names of what is wrong, each once.
#[track_caller]
pub(super) fn names(transactions: &[Transaction]) -> Vec<String> {
    let mut names: Vec<String> = anomalies(transactions)
        .iter()
        .map(|found| found.kind.to_string())
        .collect();
    names.dedup();
    names
}

/// Serial by construction: each transaction happens at a moment of its own within its call. Some outcomes are unknown,
/// and some are refused. Clients call one thing after the other.
pub(super) fn serial(random: &mut SmallRng, transactions: u64, keys: u64) -> Vec<Transaction> {
    const CLIENTS: u64 = 5;
    let mut lists: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut history = Vec::new();
    for number in 0..transactions {
        let outcome = match random.random_range(0..20) {
            0 => Outcome::Aborted,
            1 => Outcome::Unknown,
            _ => Outcome::Committed,
        };
        let happens = outcome == Outcome::Committed || (outcome == Outcome::Unknown && random.random_bool(0.5));
        let mut after = lists.clone();
        let mut steps = Vec::new();
        for step in 0..random.random_range(1..=4) {
            let key = format!("k{}", random.random_range(0..keys));
            let list = after.entry(key.clone()).or_default();
            if random.random_bool(0.5) {
                let element = 10 * number + step;
                list.push(element);
                steps.push(a(&key, element));
            } else {
                let list = (outcome == Outcome::Committed).then(|| list.clone());
                steps.push(Step::Read { key, list });
            }
        }
        if happens {
            lists = after;
        }
        // It happens at 100 * number; a client's calls are 500 apart, so they do not overlap.
        let middle = 100 * number + 1_000;
        let (before, behind) = (random.random_range(0..250), random.random_range(0..250));
        history.push(Transaction {
            outcome,
            ..t(number % CLIENTS, middle - before, middle + behind, steps)
        });
    }
    history.shuffle(random);
    history
}
