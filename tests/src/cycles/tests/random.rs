//! Serial histories pass; each kind of damage to one is found.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use super::kit::{names, passes, serial};
use crate::cycles::{Outcome, Step, Transaction};

#[test]
fn serial_histories_pass() {
    let mut random = SmallRng::seed_from_u64(1);
    for round in 0..300 {
        let history = serial(&mut random, 20 + round, 1 + round % 5);
        passes(&history);
    }
}

/// A read that shows at least so many elements: the transaction and the step.
fn some_read(random: &mut SmallRng, history: &[Transaction], elements: usize) -> Option<(usize, usize)> {
    let mut reads = Vec::new();
    for (index, transaction) in history.iter().enumerate() {
        for (step, what) in transaction.steps.iter().enumerate() {
            // Alone on its key, so that the transaction itself says nothing more of it.
            let alone = |key: &str| {
                let same = |step: &&Step| matches!(step, Step::Append { key: other, .. } | Step::Read { key: other, .. } if other == key);
                transaction.steps.iter().filter(same).count() == 1
            };
            if matches!(what, Step::Read { key, list: Some(list) } if list.len() >= elements && alone(key)) {
                reads.push((index, step));
            }
        }
    }
    reads.choose(random).copied()
}

fn list_of(history: &mut [Transaction], (transaction, step): (usize, usize)) -> &mut Vec<u64> {
    match &mut history[transaction].steps[step] {
        Step::Read { list: Some(list), .. } => list,
        other => panic!("not a read with an answer: {other:?}"),
    }
}

/// Damages some hundred serial histories, and demands that one of these names is among what is found each time.
fn found_as(expected: &[&str], mut damage: impl FnMut(&mut SmallRng, &mut Vec<Transaction>) -> Option<()>) {
    let mut random = SmallRng::seed_from_u64(2);
    let mut damaged = 0;
    for _ in 0..200 {
        let mut history = serial(&mut random, 80, 3);
        if damage(&mut random, &mut history).is_none() {
            continue;
        }
        damaged += 1;
        let names = names(&history);
        let is_found = names.iter().any(|name| expected.contains(&name.as_str()));
        assert!(is_found, "{names:?}: {history:#?}");
    }
    assert!(damaged > 100, "{damaged}");
}

#[test]
fn a_list_without_its_first_element_is_found() {
    found_as(&["incompatible order"], |random, history| {
        let read = some_read(random, history, 2)?;
        list_of(history, read).remove(0);
        Some(())
    });
}

#[test]
fn a_list_with_two_elements_exchanged_is_found() {
    found_as(&["incompatible order"], |random, history| {
        let read = some_read(random, history, 2)?;
        let list = list_of(history, read);
        let last = list.len() - 1;
        list.swap(0, last);
        Some(())
    });
}

#[test]
fn a_list_with_an_element_twice_is_found() {
    found_as(&["duplicate"], |random, history| {
        let read = some_read(random, history, 1)?;
        let list = list_of(history, read);
        list.push(list[0]);
        Some(())
    });
}

#[test]
fn a_list_with_an_element_of_nobody_is_found() {
    found_as(&["unwritten"], |random, history| {
        let read = some_read(random, history, 0)?;
        list_of(history, read).push(1_000_000);
        Some(())
    });
}

#[test]
fn an_element_that_was_read_and_is_said_to_be_refused_is_found() {
    found_as(&["G1a"], |random, history| {
        let read = some_read(random, history, 1)?;
        let element = *list_of(history, read).choose(random)?;
        let Step::Read { key, .. } = history[read.0].steps[read.1].clone() else {
            return None;
        };
        let writer = history
            .iter_mut()
            .find(|one| one.appends().any(|append| append == (key.as_str(), element)))?;
        writer.outcome = Outcome::Aborted;
        Some(())
    });
}

#[test]
fn a_list_as_it_was_much_earlier_is_found() {
    found_as(
        &["G-single-realtime", "G-single-process", "G-single"],
        |random, history| {
            let read = some_read(random, history, 12)?;
            list_of(history, read).truncate(1);
            Some(())
        },
    );
}

#[test]
fn an_acknowledged_append_that_vanished_from_every_list_is_found() {
    found_as(&["lost"], |random, history| {
        // One that returned early enough for readers to come.
        let candidates: Vec<(String, u64)> = history
            .iter()
            .filter(|one| one.outcome == Outcome::Committed && one.returned.as_millis() < 4_000)
            .flat_map(|one| {
                one.appends()
                    .map(|(key, element)| (key.to_owned(), element))
                    .collect::<Vec<_>>()
            })
            .collect();
        let (key, element) = candidates.choose(random)?.clone();
        for step in history.iter_mut().flat_map(|one| &mut one.steps) {
            if let Step::Read {
                key: read,
                list: Some(list),
            } = step
                && *read == key
            {
                list.retain(|other| *other != element);
            }
        }
        let read_later = history
            .iter()
            .any(|one| one.invoked.as_millis() > 4_000 && one.reads().any(|(read, _)| read == key));
        read_later.then_some(())
    });
}

#[test]
fn a_transaction_that_moves_in_time_is_found() {
    let circles = [
        "G0-realtime",
        "G1c-realtime",
        "G-single-realtime",
        "G0-process",
        "G1c-process",
        "G-single-process",
    ];
    found_as(&circles, |random, history| {
        // To the end, although others have read what it appended.
        let read = some_read(random, history, 6)?;
        let element = list_of(history, read)[0];
        let writer = history
            .iter_mut()
            .find(|one| one.outcome == Outcome::Committed && one.appends().any(|(_, appended)| appended == element))?;
        let late = std::time::Duration::from_secs(100);
        (writer.invoked, writer.returned) = (writer.invoked + late, writer.returned + late);
        Some(())
    });
}

#[test]
fn a_long_history_is_checked_in_reasonable_time() {
    let mut random = SmallRng::seed_from_u64(3);
    let mut history = Vec::new();
    for part in 0..20 {
        // Lists that are retired, as a workload does.
        let mut next = serial(&mut random, 300, 4);
        for transaction in &mut next {
            let shift = std::time::Duration::from_millis(100_000 * part);
            (transaction.invoked, transaction.returned) = (transaction.invoked + shift, transaction.returned + shift);
            for step in &mut transaction.steps {
                let (Step::Append { key, .. } | Step::Read { key, .. }) = step;
                *key = format!("{part}/{key}");
            }
        }
        history.extend(next);
    }
    let began = std::time::Instant::now();
    passes(&history);
    let took = began.elapsed();
    assert!(took.as_secs() < 20, "{} transactions took {took:?}", history.len());
}
