//! The truth about the keys of a workload.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::watch_check::{Event, KeyKind, Truth};

/// The domain of the keys of all workloads.
const DOMAIN: &str = "default";

/// A key from some revision on, until the next that touches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub revision: u64,
    /// Nothing where the key went.
    pub value: Option<Bytes>,
    /// 1 after creation; counts writes since.
    pub version: u64,
}

/// Every key that begins with a prefix, at every revision.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    keys: BTreeMap<Bytes, Vec<Point>>,
}

impl Timeline {
    pub(super) fn of(truth: &Truth, prefix: &str) -> Timeline {
        let mut timeline = Timeline::default();
        for (revision, events) in truth.between(0, truth.last()) {
            for event in events {
                let Event::Key(event) = event else { continue };
                if event.domain != DOMAIN || !event.record.key.starts_with(prefix.as_bytes()) {
                    continue;
                }
                let point = Point {
                    revision,
                    value: (event.kind == KeyKind::Put).then(|| event.record.value.clone()),
                    version: event.record.version,
                };
                timeline.keys.entry(event.record.key.clone()).or_default().push(point);
            }
        }
        timeline
    }

    /// The key as it was after a revision; nothing if it did not exist.
    pub(super) fn at(&self, key: &[u8], revision: u64) -> Option<&Point> {
        let points = self.points(key);
        let after = points.partition_point(|point| point.revision <= revision);
        let point = &points[after.checked_sub(1)?];
        point.value.is_some().then_some(point)
    }

    /// All that happened to a key, in order.
    pub(super) fn points(&self, key: &[u8]) -> &[Point] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every key that ever existed, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Bytes, &[Point])> {
        self.keys.iter().map(|(key, points)| (key, points.as_slice()))
    }

    /// The keys with this prefix.
    pub(super) fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Bytes, &'a [Point])> {
        let from = Bytes::copy_from_slice(prefix.as_bytes());
        let keys = self
            .keys
            .range(from..)
            .take_while(|(key, _)| key.starts_with(prefix.as_bytes()));
        keys.map(|(key, points)| (key, points.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::fake::FakeStore;

    #[test]
    fn a_key_is_what_the_last_revision_made_of_it() {
        let mut store = FakeStore::default();
        store.write(&[("a/1", Some("x"))]);
        store.write(&[("b/1", Some("y"))]);
        store.write(&[("a/1", None), ("a/2", Some("z"))]);
        let timeline = Timeline::of(&store.truth, "a/");
        let value = |key: &str, revision| {
            timeline
                .at(key.as_bytes(), revision)
                .and_then(|point| point.value.clone())
        };
        assert_eq!(value("a/1", 1), None);
        assert_eq!(value("a/1", 3), Some(Bytes::from("x")));
        assert_eq!(value("a/1", 4), None);
        assert_eq!(value("b/1", 4), None, "another prefix");
        assert_eq!(timeline.beginning_with("a/2").count(), 1);
    }
}
