//! Intervals, asked by key.

use std::collections::BTreeMap;

/// The end of an interval; none is no bound.
type End = Option<Vec<u8>>;

/// Finds the intervals that hold a key without looking at the others.
///
/// The intervals stand in the order of their starts. Over them lies a tree whose nodes know the greatest end below them,
/// so that a search leaves out what ends too early. It is built when it is asked for the first time after a change:
/// intervals are rare and long-lived.
#[derive(Debug)]
pub struct Intervals<T> {
    values: BTreeMap<(Vec<u8>, End), T>,
    tree: Option<Tree>,
}

#[derive(Debug)]
struct Tree {
    intervals: Vec<(Vec<u8>, End)>,
    /// For each node the interval below it that ends last; the children of node n are 2n and 2n + 1, leaves come last.
    last_ending: Vec<usize>,
    leaves: usize,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            tree: None,
        }
    }
}

impl<T> Intervals<T> {
    /// Nobody wants anything.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What stands under exactly this interval, made if need be. An empty end is no bound.
    pub fn entry(&mut self, start: &[u8], end: &[u8]) -> &mut T
    where
        T: Default,
    {
        let interval = interval(start, end);
        if !self.values.contains_key(&interval) {
            self.tree = None;
        }
        self.values.entry(interval).or_default()
    }

    /// Changes what stands under exactly this interval, and forgets it if `change` says that it is empty now.
    pub fn shrink(&mut self, start: &[u8], end: &[u8], change: impl FnOnce(&mut T) -> bool) {
        let interval = interval(start, end);
        if self.values.get_mut(&interval).is_some_and(change) {
            self.values.remove(&interval);
            self.tree = None;
        }
    }

    /// Visits what stands under each interval that holds the key.
    pub fn visit(&mut self, key: &[u8], mut visit: impl FnMut(&T)) {
        if self.values.is_empty() {
            return;
        }
        let values = &self.values;
        let tree = self
            .tree
            .get_or_insert_with(|| Tree::new(values.keys().cloned().collect()));
        tree.visit(key, |interval| {
            if let Some(value) = values.get(interval) {
                visit(value);
            }
        });
    }
}

fn interval(start: &[u8], end: &[u8]) -> (Vec<u8>, End) {
    (start.to_vec(), (!end.is_empty()).then(|| end.to_vec()))
}

impl Tree {
    fn new(intervals: Vec<(Vec<u8>, End)>) -> Self {
        let leaves = intervals.len().next_power_of_two();
        let mut last_ending = vec![usize::MAX; 2 * leaves];
        for (number, place) in last_ending[leaves..].iter_mut().enumerate().take(intervals.len()) {
            *place = number;
        }
        for node in (1..leaves).rev() {
            let (left, right) = (last_ending[2 * node], last_ending[2 * node + 1]);
            last_ending[node] = match (intervals.get(left), intervals.get(right)) {
                (Some(a), Some(b)) if !ends_after(&a.1, &b.1) => right,
                (None, _) => right,
                _ => left,
            };
        }
        Self {
            intervals,
            last_ending,
            leaves,
        }
    }

    fn visit(&self, key: &[u8], mut visit: impl FnMut(&(Vec<u8>, End))) {
        let started = self.intervals.partition_point(|(start, _)| start.as_slice() <= key);
        // Nodes that are still to be looked at, with the first leaf below each and how many there are.
        let mut open = vec![(1, 0, self.leaves)];
        while let Some((node, first, count)) = open.pop() {
            let Some(interval) = self.intervals.get(self.last_ending[node]) else {
                continue;
            };
            if first >= started || interval.1.as_ref().is_some_and(|end| end.as_slice() <= key) {
                continue;
            }
            if count == 1 {
                visit(interval);
            } else {
                let half = count / 2;
                open.push((2 * node + 1, first + half, half));
                open.push((2 * node, first, half));
            }
        }
    }
}

fn ends_after(a: &End, b: &End) -> bool {
    match (a, b) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => a >= b,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0_u8..4, 0..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_interval_that_holds_a_key_is_found_and_nothing_else(
            intervals in prop::collection::btree_set((key(), key()), 0..20),
            removed in 0_usize..4,
            key in key(),
        ) {
            let mut map = Intervals::<Vec<(Vec<u8>, Vec<u8>)>>::default();
            for (start, end) in &intervals {
                map.entry(start, end).push((start.clone(), end.clone()));
            }
            map.visit(&key, |_| {});
            for (start, end) in intervals.iter().take(removed) {
                map.shrink(start, end, |_| true);
            }
            let mut found = Vec::new();
            map.visit(&key, |value| found.extend(value.iter().cloned()));
            found.sort();
            let holds = |interval: &&(Vec<u8>, Vec<u8>)| {
                let (start, end) = interval;
                key >= *start && (end.is_empty() || key < *end)
            };
            let expected: Vec<_> = intervals.iter().skip(removed).filter(holds).cloned().collect();
            prop_assert_eq!(found, expected);
        }
    }
}
