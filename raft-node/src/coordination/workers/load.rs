//! Finds the least loaded worker: rows that sort as loads do.
//!
//! The load of a worker is the share of its capacity that is in use. It is stored as the whole part of that fraction times
//! 2^64. Two different fractions whose denominators are below 2^32 are at least 2^-64 apart, so they differ here, too, and
//! sort as they should; no float is needed. A worker that is full has no place; its load is the greatest number there is.

use std::ops::ControlFlow;

use super::rows::{self, BY_LOAD, Labels, WorkerRow, decoded, find_worker};
use crate::rows::{Key, Parts};
use crate::storage::{StorageError, View};

const ANY: u8 = 0;
const LABEL: u8 = 1;

/// A load that sorts as the fraction does.
pub fn load(assigned: u32, capacity: u32) -> u64 {
    let scaled = (u128::from(assigned) << 64) / u128::from(capacity.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Keys of a worker's places by load: one among all, and one for each label. None if it can take nothing.
pub fn keys(worker: &str, row: &WorkerRow) -> Vec<Vec<u8>> {
    if !row.has_room() {
        return Vec::new();
    }
    let load = load(row.assigned, row.capacity);
    let labels = row.labels.iter().map(|label| of_label(Some(label)));
    std::iter::once(of_label(None))
        .chain(labels)
        .map(|prefix| prefix.number(load).text(worker).done())
        .collect()
}

/// The least loaded worker that has room and carries these labels, the first by name among equals. Looks at no more
/// workers than there are `steps`, and takes off as many as it looked at.
pub fn least_loaded(view: &dyn View, labels: &Labels, steps: &mut u32) -> Result<Option<String>, StorageError> {
    let prefix = of_label(labels.iter().next()).done();
    let mut found = None;
    rows::scan(view, &prefix, None, &mut |key, _| {
        if *steps == 0 {
            return Ok(ControlFlow::Break(()));
        }
        *steps -= 1;
        let worker = decoded(worker_in(key))?;
        if labels.len() > 1 && !find_worker(view, &worker)?.is_some_and(|row| row.carries(labels)) {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some(worker);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

fn of_label(label: Option<(&String, &String)>) -> Key {
    match label {
        None => Key::of(BY_LOAD).byte(ANY),
        Some((label, value)) => Key::of(BY_LOAD).byte(LABEL).text(label).text(value),
    }
}

fn worker_in(key: &[u8]) -> Option<String> {
    let mut parts = Parts::of(BY_LOAD, key)?;
    if parts.byte()? == LABEL {
        parts.text()?;
        parts.text()?;
    }
    parts.number()?;
    parts.text()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::load;

    proptest! {
        #[test]
        fn loads_sort_as_fractions_do(
            (a, b) in (1..u32::MAX, 1..u32::MAX),
            (of_a, of_b) in (0..u32::MAX, 0..u32::MAX),
            same in any::<bool>(),
        ) {
            let (of_a, of_b) = (of_a % a, if same { of_a % b } else { of_b % b });
            let exact = (u64::from(of_a) * u64::from(b)).cmp(&(u64::from(of_b) * u64::from(a)));
            prop_assert_eq!(load(of_a, a).cmp(&load(of_b, b)), exact);
        }
    }

    #[test]
    fn neighbouring_fractions_differ() {
        let most = u32::MAX;
        assert!(load(most - 2, most - 1) < load(most - 1, most));
        assert!(load(1, most) < load(1, most - 1));
        assert_eq!(load(1, 3), load(2, 6));
    }
}
