//! Making one value of several that were written without having seen each other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::vector_clock::{ClockOrder, VectorClock};
use crate::error::{Error, ErrorKind, Outcome, Result};

/// A function that makes one value of several. It gets at least one entry, oldest first.
pub(super) type ConflictResolver = Arc<dyn Fn(&[ConflictEntry]) -> Resolution + Send + Sync>;

/// One of the values that stand beside each other.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConflictEntry {
    /// The value.
    pub value: Value,
    /// When it was written, in milliseconds since 1970; 0: not known.
    pub written_at_ms: u64,
    /// Who wrote it; empty: not known.
    pub worker: String,
    /// What its writer had seen. An entry whose clock comes before that of another one was seen by that one's writer: it is
    /// discarded before a resolver is asked. Default: nothing, which is concurrent to everything.
    pub clock: VectorClock,
}

impl ConflictEntry {
    /// An entry with this value, of which nothing else is known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Json`] if the value cannot be written as JSON.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let value = serde_json::to_value(value).map_err(|error| {
            let message = format!("a value in conflict cannot be written as JSON: {error}");
            Error::new(ErrorKind::Json, Outcome::NotAMutation, message)
        })?;
        Ok(Self {
            value,
            ..Self::default()
        })
    }

    /// When it was written, in milliseconds since 1970.
    pub fn written_at(mut self, written_at_ms: u64) -> Self {
        self.written_at_ms = written_at_ms;
        self
    }

    /// Who wrote it.
    pub fn worker(mut self, worker: impl Into<String>) -> Self {
        self.worker = worker.into();
        self
    }

    /// What its writer had seen, itself included.
    pub fn clock(mut self, clock: VectorClock) -> Self {
        self.clock = clock;
        self
    }

    fn is_superseded_by(&self, other: &Self) -> bool {
        let unknown = self.clock.iter().next().is_none();
        !unknown && self.clock.compare(&other.clock) == ClockOrder::Before
    }
}

/// What became of values in conflict.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Resolution {
    /// The one value.
    pub resolved: Value,
    /// How it was made.
    pub strategy: String,
    /// Values of which nothing is in it.
    pub discarded: Vec<Value>,
}

impl Resolution {
    /// A resolution of a resolver of your own, that discards nothing.
    pub fn new(resolved: impl Into<Value>, strategy: impl Into<String>) -> Self {
        Self {
            resolved: resolved.into(),
            strategy: strategy.into(),
            discarded: Vec::new(),
        }
    }

    /// Values of which nothing is in it.
    pub fn discarding(mut self, discarded: impl IntoIterator<Item = Value>) -> Self {
        self.discarded.extend(discarded);
        self
    }
}

/// Sorts out what was superseded, and asks the resolver for the rest. What a resolver does wrong stays with the resolver.
pub(super) fn resolve(resolver: &ConflictResolver, entries: Vec<ConflictEntry>) -> Result<Resolution> {
    if entries.is_empty() {
        let error = Error::invalid("entries", "there is nothing to resolve: no entries were given");
        return Err(error.with_outcome(Outcome::NotAMutation));
    }
    let superseded = |entry: &ConflictEntry| entries.iter().any(|other| entry.is_superseded_by(other));
    let (old, mut rest): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(superseded);
    // Whoever resolves them comes to the same value.
    rest.sort_by_cached_key(|entry| (entry.written_at_ms, entry.worker.clone(), entry.value.to_string()));
    let resolution = catch_unwind(AssertUnwindSafe(|| resolver(&rest))).map_err(|panic| {
        let message = format!("the conflict resolver panicked: {}", panic_message(panic.as_ref()));
        Error::invalid("conflict_resolver", message).with_outcome(Outcome::NotAMutation)
    })?;
    Ok(resolution.discarding(old.into_iter().map(|entry| entry.value)))
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned())
}

/// The built-in resolvers, for [`MemoryBuilder::conflict_resolver`](crate::MemoryBuilder::conflict_resolver). Each takes the
/// entries in any order.
pub mod resolvers {
    use std::cmp::Ordering;

    use serde_json::{Number, Value};

    use super::{ConflictEntry, Resolution};

    /// The entry that was written last, by `written_at_ms`; of several the one whose JSON text is greatest. The others are
    /// discarded. The default.
    pub fn last_write_wins(entries: &[ConflictEntry]) -> Resolution {
        let last = entries.iter().max_by(|one, other| by_age(one, other));
        let resolved = last.map(|entry| entry.value.clone()).unwrap_or_default();
        resolved_to(resolved, "last_write_wins", entries)
    }

    /// Arrays: every element of each, once, those written first before the others. If one of the values is no array, the
    /// last write wins.
    pub fn merge_arrays(entries: &[ConflictEntry]) -> Resolution {
        let arrays: Option<Vec<&Vec<Value>>> = by_time(entries)
            .into_iter()
            .map(|entry| entry.value.as_array())
            .collect();
        let Some(arrays) = arrays else {
            return last_write_wins(entries);
        };
        let mut merged: Vec<Value> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for element in arrays.into_iter().flatten() {
            if seen.insert(element.to_string()) {
                merged.push(element.clone());
            }
        }
        Resolution::new(merged, "merge_arrays")
    }

    /// Objects: the fields of each; of a field that several have, those of nested objects too, and of anything else the value
    /// that was written last. If one of the values is no object, the last write wins.
    pub fn merge_objects(entries: &[ConflictEntry]) -> Resolution {
        if !entries.iter().all(|entry| entry.value.is_object()) {
            return last_write_wins(entries);
        }
        let mut merged = Value::Object(serde_json::Map::new());
        for entry in by_time(entries) {
            merge_into(&mut merged, &entry.value);
        }
        Resolution::new(merged, "merge_objects")
    }

    /// Numbers: the greatest. The others are discarded. If one of the values is no number, the last write wins.
    pub fn max_value(entries: &[ConflictEntry]) -> Resolution {
        let numbers: Option<Vec<&Number>> = entries.iter().map(|entry| entry.value.as_number()).collect();
        let greatest = numbers.and_then(|numbers| numbers.into_iter().max_by(|one, other| compare(one, other)));
        match greatest {
            Some(greatest) => resolved_to(Value::Number(greatest.clone()), "max_value", entries),
            None => last_write_wins(entries),
        }
    }

    fn resolved_to(resolved: Value, strategy: &str, entries: &[ConflictEntry]) -> Resolution {
        let values = entries.iter().map(|entry| &entry.value);
        let discarded: Vec<Value> = values.filter(|value| **value != resolved).cloned().collect();
        Resolution::new(resolved, strategy).discarding(discarded)
    }

    fn by_time(entries: &[ConflictEntry]) -> Vec<&ConflictEntry> {
        let mut entries: Vec<&ConflictEntry> = entries.iter().collect();
        entries.sort_by(|one, other| by_age(one, other));
        entries
    }

    fn by_age(one: &ConflictEntry, other: &ConflictEntry) -> Ordering {
        let by_time = one.written_at_ms.cmp(&other.written_at_ms);
        by_time.then_with(|| one.value.to_string().cmp(&other.value.to_string()))
    }

    fn merge_into(into: &mut Value, newer: &Value) {
        match (into, newer) {
            (Value::Object(into), Value::Object(newer)) => {
                for (name, value) in newer {
                    merge_into(into.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
            (into, newer) => *into = newer.clone(),
        }
    }

    /// Whole numbers exactly, others as floating point, which JSON has no NaN of.
    fn compare(one: &Number, other: &Number) -> Ordering {
        match (one.as_i128(), other.as_i128()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => {
                let float = |number: &Number| number.as_f64().unwrap_or(f64::NEG_INFINITY);
                float(one).total_cmp(&float(other))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::resolvers::{last_write_wins, max_value, merge_arrays, merge_objects};
    use super::*;

    fn entry(value: Value, written_at_ms: u64) -> ConflictEntry {
        ConflictEntry::new(&value).unwrap().written_at(written_at_ms)
    }

    fn by(resolver: fn(&[ConflictEntry]) -> Resolution, entries: Vec<ConflictEntry>) -> Resolution {
        let resolver: ConflictResolver = Arc::new(resolver);
        resolve(&resolver, entries).unwrap()
    }

    #[test]
    fn the_last_write_wins_and_the_others_are_discarded() {
        let resolution = by(
            last_write_wins,
            vec![entry(json!("old"), 1), entry(json!("new"), 9), entry(json!("older"), 0)],
        );
        assert_eq!(resolution.resolved, "new");
        assert_eq!(resolution.strategy, "last_write_wins");
        assert_eq!(resolution.discarded, ["older", "old"]);
    }

    #[test]
    fn arrays_are_united_each_element_once() {
        let resolution = by(
            merge_arrays,
            vec![entry(json!(["b", "c"]), 2), entry(json!(["a", "b"]), 1)],
        );
        assert_eq!(
            (resolution.resolved, resolution.discarded),
            (json!(["a", "b", "c"]), vec![])
        );
    }

    #[test]
    fn objects_are_merged_deeply_and_the_newer_field_wins() {
        let older = entry(json!({"a": {"x": 1, "y": 1}, "b": [1]}), 1);
        let newer = entry(json!({"a": {"y": 2, "z": 2}, "b": [2]}), 2);
        let resolution = by(merge_objects, vec![newer, older]);
        assert_eq!(resolution.resolved, json!({"a": {"x": 1, "y": 2, "z": 2}, "b": [2]}));
    }

    #[test]
    fn of_numbers_the_greatest_stays_even_beyond_what_a_float_can_tell_apart() {
        let resolution = by(
            max_value,
            vec![
                entry(json!(i64::MAX - 1), 2),
                entry(json!(i64::MAX), 1),
                entry(json!(1.5), 3),
            ],
        );
        assert_eq!(resolution.resolved, json!(i64::MAX));
        assert_eq!(resolution.discarded.len(), 2);
    }

    #[test]
    fn what_does_not_fit_the_strategy_is_decided_by_the_last_write() {
        for resolver in [merge_arrays, merge_objects, max_value] {
            let resolution = by(resolver, vec![entry(json!("text"), 2), entry(json!(["a"]), 1)]);
            assert_eq!(
                (resolution.resolved, resolution.strategy.as_str()),
                (json!("text"), "last_write_wins")
            );
        }
    }

    #[test]
    fn an_entry_that_the_writer_of_another_had_seen_is_discarded_whatever_its_time() {
        let clock = |count: u64| VectorClock::from_iter([("w", count)]);
        let seen = entry(json!(["gone"]), 9).clock(clock(1));
        let newer = entry(json!(["kept"]), 1).clock(clock(2));
        let resolution = by(merge_arrays, vec![seen, newer]);
        assert_eq!(
            (resolution.resolved, resolution.discarded),
            (json!(["kept"]), vec![json!(["gone"])])
        );
    }

    #[test]
    fn a_resolver_that_panics_is_named() {
        let resolver: ConflictResolver = Arc::new(|entries| panic!("{} is too many", entries.len()));
        let error = resolve(&resolver, vec![entry(json!(1), 1)]).unwrap_err();
        assert_eq!(error.message(), "the conflict resolver panicked: 1 is too many");
    }

    #[test]
    fn nothing_is_not_resolved() {
        let resolver: ConflictResolver = Arc::new(last_write_wins);
        let error = resolve(&resolver, Vec::new()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "entries"));
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            (0..4i64).prop_map(Value::from),
            prop::collection::vec(0..4i64, 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", 0..4i64, 0..3).prop_map(|map| json!(map)),
        ]
    }

    proptest! {
        #[test]
        fn the_order_in_which_entries_are_given_does_not_matter(
            entries in prop::collection::vec((values(), 0..3u64), 1..5),
        ) {
            let entries: Vec<ConflictEntry> = entries.into_iter().map(|(value, at)| entry(value, at)).collect();
            let mut turned = entries.clone();
            turned.reverse();
            for resolver in [last_write_wins, merge_arrays, merge_objects, max_value] {
                prop_assert_eq!(by(resolver, entries.clone()).resolved, by(resolver, turned.clone()).resolved);
            }
        }
    }
}
