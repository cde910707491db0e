//! Every table as an ordered map, copied when it is written to while shared.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::super::span::Span;
use super::super::{Batch, Change, Table, Visit};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A map for each [`Table`], at the table's place in [`Table::ALL`]. A clone shares the maps.
#[derive(Clone, Default)]
pub(super) struct Tables {
    maps: [Arc<Map>; Table::ALL.len()],
}

impl Tables {
    /// The map of a table.
    pub fn map(&self, table: Table) -> &Map {
        &self.maps[table as usize]
    }

    /// The map of a table, for writing.
    pub fn map_mut(&mut self, table: Table) -> &mut Map {
        Arc::make_mut(&mut self.maps[table as usize])
    }

    /// A copy that shares nothing.
    pub fn deep_copy(&self) -> Tables {
        Tables {
            maps: self.maps.each_ref().map(|map| Arc::new(Map::clone(map))),
        }
    }

    /// Makes the changes of a batch, in order.
    pub fn apply(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::Put { table, key, value } => {
                    self.map_mut(*table).insert(key.clone(), value.clone());
                }
                Change::Delete { table, key } => {
                    self.map_mut(*table).remove(key);
                }
                Change::DeleteRange { table, from, to } => self.delete_range(*table, from, to),
            }
        }
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        if from >= to {
            return;
        }
        let map = self.map_mut(table);
        let within = (Bound::Included(from), Bound::Excluded(to));
        let gone: Vec<Vec<u8>> = map.range::<[u8], _>(within).map(|(key, _)| key.clone()).collect();
        for key in gone {
            map.remove(&key);
        }
    }

    /// The value of a key.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.map(table).get(key).cloned()
    }

    /// Visits the keys between the bounds.
    pub fn scan(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool, visit: Visit<'_>) {
        let Some(span) = Span::new(from, to) else {
            return;
        };
        let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = self
            .map(table)
            .range::<[u8], _>((Bound::Included(span.from.as_slice()), to));
        loop {
            let next = if reverse { range.next_back() } else { range.next() };
            let Some((key, value)) = next else {
                return;
            };
            if visit(key, value).is_break() {
                return;
            }
        }
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> u64 {
        let entries = self.maps.iter().flat_map(|map| map.iter());
        entries.map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}
