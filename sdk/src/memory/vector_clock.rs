//! Who has seen how much of whom.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How two clocks stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockOrder {
    /// The other one has seen all of this one, and more.
    Before,
    /// This one has seen all of the other one, and more.
    After,
    /// Both have seen the same.
    Equal,
    /// Each has seen something that the other one has not.
    Concurrent,
}

/// A count for each participant: how many of its steps were seen. One that is not named has made none.
///
/// The store keeps clocks of its own for what it replicates. This one is for what a program stamps and compares itself; see
/// [`ConflictEntry::clock`](crate::ConflictEntry::clock). As JSON it is an object of names and counts.
///
/// ```
/// use quorate::{ClockOrder, VectorClock};
///
/// let (mut mine, mut theirs) = (VectorClock::new(), VectorClock::new());
/// mine.increment("worker-1");
/// theirs.increment("worker-2");
/// assert_eq!(mine.compare(&theirs), ClockOrder::Concurrent);
/// theirs.merge(&mine);
/// assert_eq!(mine.compare(&theirs), ClockOrder::Before);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VectorClock(BTreeMap<String, u64>);

impl VectorClock {
    /// A clock that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A step of this participant. Returns how many it has made now; at [`u64::MAX`] it stays there.
    pub fn increment(&mut self, participant: impl Into<String>) -> u64 {
        let count = self.0.entry(participant.into()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Sees everything that the other one has seen.
    pub fn merge(&mut self, other: &Self) {
        for (participant, count) in &other.0 {
            let known = self.0.entry(participant.clone()).or_default();
            *known = (*known).max(*count);
        }
    }

    /// How this one stands to the other one.
    pub fn compare(&self, other: &Self) -> ClockOrder {
        match (self.lacks_some_of(other), other.lacks_some_of(self)) {
            (false, false) => ClockOrder::Equal,
            (true, false) => ClockOrder::Before,
            (false, true) => ClockOrder::After,
            (true, true) => ClockOrder::Concurrent,
        }
    }

    fn lacks_some_of(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .any(|(participant, count)| self.get(participant) < *count)
    }

    /// How many steps of this participant were seen.
    pub fn get(&self, participant: &str) -> u64 {
        self.0.get(participant).copied().unwrap_or_default()
    }

    /// Those of whom something was seen, by name, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let seen = self.0.iter().filter(|(_, count)| **count > 0);
        seen.map(|(participant, count)| (participant.as_str(), *count))
    }
}

impl<P: Into<String>> FromIterator<(P, u64)> for VectorClock {
    fn from_iter<I: IntoIterator<Item = (P, u64)>>(counts: I) -> Self {
        Self(
            counts
                .into_iter()
                .map(|(participant, count)| (participant.into(), count))
                .collect(),
        )
    }
}

impl fmt::Display for VectorClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (participant, count)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{participant}: {count}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock(counts: &[(&str, u64)]) -> VectorClock {
        counts.iter().copied().collect()
    }

    #[test]
    fn a_clock_that_has_seen_the_other_comes_after_it() {
        let mut first = VectorClock::new();
        assert_eq!(first.increment("worker-1"), 1);
        let mut second = first.clone();
        assert_eq!(first.compare(&second), ClockOrder::Equal);
        second.increment("worker-2");
        assert_eq!(first.compare(&second), ClockOrder::Before);
        assert_eq!(second.compare(&first), ClockOrder::After);
        first.increment("worker-1");
        assert_eq!(first.compare(&second), ClockOrder::Concurrent);
        first.merge(&second);
        assert_eq!(first.compare(&second), ClockOrder::After);
        assert_eq!(first.to_string(), "{worker-1: 2, worker-2: 1}");
    }

    #[test]
    fn a_count_of_nothing_is_as_none() {
        assert_eq!(clock(&[("a", 0)]).compare(&VectorClock::new()), ClockOrder::Equal);
        assert_eq!(clock(&[("a", 0), ("b", 2)]).to_string(), "{b: 2}");
    }

    #[test]
    fn a_clock_that_is_full_stays_so() {
        let mut clock = clock(&[("a", u64::MAX)]);
        assert_eq!(clock.increment("a"), u64::MAX);
    }

    #[test]
    fn as_json_it_is_an_object_of_counts() {
        let json = serde_json::to_string(&clock(&[("a", 3)])).unwrap();
        assert_eq!(json, "{\"a\":3}");
        assert_eq!(serde_json::from_str::<VectorClock>(&json).unwrap(), clock(&[("a", 3)]));
    }

    fn clocks() -> impl Strategy<Value = VectorClock> {
        prop::collection::btree_map("[a-c]", 0..3u64, 0..4).prop_map(VectorClock)
    }

    proptest! {
        #[test]
        fn what_is_merged_is_after_both_or_equal(one in clocks(), other in clocks()) {
            let mut merged = one.clone();
            merged.merge(&other);
            for part in [&one, &other] {
                prop_assert!(matches!(part.compare(&merged), ClockOrder::Before | ClockOrder::Equal));
            }
            let mut back = other.clone();
            back.merge(&one);
            prop_assert_eq!(back.compare(&merged), ClockOrder::Equal);
        }

        #[test]
        fn the_order_is_the_same_from_both_sides(one in clocks(), other in clocks()) {
            let turned = match one.compare(&other) {
                ClockOrder::Before => ClockOrder::After,
                ClockOrder::After => ClockOrder::Before,
                same => same,
            };
            prop_assert_eq!(other.compare(&one), turned);
        }
    }
}
