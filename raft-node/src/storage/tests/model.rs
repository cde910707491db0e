//! The plainest store that could be right, and random changes to it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, RangeBounds};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::storage::{Batch, Change, Table, View};

pub type Entry = (Vec<u8>, Vec<u8>);
/// Both bounds of a scan.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// One map, filtered for every question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl Model {
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes.iter().cloned() {
            match change {
                Change::Put { table, key, value } => {
                    self.0.insert((table, key), value);
                }
                Change::Delete { table, key } => {
                    self.0.remove(&(table, key));
                }
                Change::DeleteRange { table, from, to } => {
                    self.0.retain(|(of, key), _| *of != table || *key < from || *key >= to);
                }
            }
        }
    }

    /// What is left after the first `count` batches.
    pub fn after(batches: &[Vec<Change>], count: usize) -> Model {
        let mut model = Model::default();
        for changes in &batches[..count] {
            model.apply(changes);
        }
        model
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(&(table, key.to_vec())).cloned()
    }

    pub fn scan(&self, table: Table, bounds: &Bounds, reverse: bool) -> Vec<Entry> {
        let within = self
            .0
            .iter()
            .filter(|((of, key), _)| *of == table && bounds.contains(key));
        let mut entries: Vec<Entry> = within.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        if reverse {
            entries.reverse();
        }
        entries
    }

    /// Everything that `view` holds.
    pub fn of(view: &dyn View) -> Model {
        let mut model = Model::default();
        for table in Table::ALL {
            let all = (Bound::Unbounded, Bound::Unbounded);
            for (key, value) in scan(view, table, &all, false, usize::MAX) {
                model.0.insert((table, key), value);
            }
        }
        model
    }
}

/// The first `limit` entries that a view visits; it must not visit more once it was told to stop.
pub fn scan(view: &dyn View, table: Table, bounds: &Bounds, reverse: bool, limit: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut stopped = false;
    let from = bounds.0.as_ref().map(Vec::as_slice);
    let to = bounds.1.as_ref().map(Vec::as_slice);
    view.scan(table, from, to, reverse, &mut |key, value| {
        assert!(!stopped, "visited {key:?} after it was told to stop");
        entries.push((key.to_vec(), value.to_vec()));
        stopped = entries.len() >= limit;
        if stopped {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    entries
}

pub fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for change in changes.iter().cloned() {
        match change {
            Change::Put { table, key, value } => batch.put(table, key, value),
            Change::Delete { table, key } => batch.delete(table, key),
            Change::DeleteRange { table, from, to } => batch.delete_range(table, from, to),
        }
    }
    batch
}

/// Two tables, so that each sees much; keys few and short, so that they meet, with the bytes where bounds go wrong.
pub fn table() -> impl Strategy<Value = Table> {
    prop_oneof![4 => Just(Table::Latest), 2 => Just(Table::History), 1 => proptest::sample::select(Table::ALL.to_vec())]
}

pub fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(proptest::sample::select(vec![0, 1, b'a', 0xFF]), 0..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..12),
        // A few of these fill the smallest write buffer there is.
        1 => (any::<u8>(), 1_000..30_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

pub fn bounds() -> impl Strategy<Value = Bounds> {
    (bound(), bound())
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        2 => key().prop_map(Bound::Included),
        2 => key().prop_map(Bound::Excluded),
    ]
}

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        6 => (table(), key(), value()).prop_map(|(table, key, value)| Change::Put { table, key, value }),
        2 => (table(), key()).prop_map(|(table, key)| Change::Delete { table, key }),
        1 => (table(), key(), key()).prop_map(|(table, from, to)| Change::DeleteRange { table, from, to }),
    ];
    vec(change, 0..8)
}
