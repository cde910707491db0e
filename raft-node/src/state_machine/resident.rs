//! The coordination table, whole and in order, in memory.
//!
//! The head of a queue is deleted all the time, and a search for the next one on disk would pass everything that was
//! deleted before it. Here the next one is simply the first. Memory is a function of the rows on disk: it is loaded when
//! the store is opened and changes with every write, so a member that restarts finds what one that did not has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use crate::storage::{Batch, StorageError, Table, View, Visit, corrupt};

/// How many kinds of rows are counted: those whose first byte is below it.
pub const ROW_KINDS: usize = 64;

/// How many rows there are, by their first byte, which says what they are.
pub type RowCounts = [u64; ROW_KINDS];

/// The rows, and which of them differ from the store's.
#[derive(Debug)]
pub struct Resident {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    changed: BTreeSet<Vec<u8>>,
    counts: RowCounts,
}

impl Default for Resident {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            changed: BTreeSet::new(),
            counts: [0; ROW_KINDS],
        }
    }
}

impl Resident {
    /// Reads every row of the store.
    pub fn load(view: &dyn View) -> Result<Self, StorageError> {
        let mut resident = Self::default();
        let all = (Bound::Unbounded, Bound::Unbounded);
        view.scan(Table::Coordination, all.0, all.1, false, &mut |key, row| {
            resident.count(key, true);
            resident.rows.insert(key.to_vec(), row.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(resident)
    }

    /// How many rows there are of each kind.
    pub fn counts(&self) -> &RowCounts {
        &self.counts
    }

    fn count(&mut self, key: &[u8], one_more: bool) {
        let kind = key.first().map(|kind| usize::from(*kind));
        if let Some(count) = kind.and_then(|kind| self.counts.get_mut(kind)) {
            *count = if one_more { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    /// Sets or removes a row; returns what was there.
    pub fn write(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        if !self.changed.contains(key) {
            self.changed.insert(key.to_vec());
        }
        let is_there = value.is_some();
        let before = match value {
            Some(value) => self.rows.insert(key.to_vec(), value),
            None => self.rows.remove(key),
        };
        if is_there != before.is_some() {
            self.count(key, is_there);
        }
        before
    }

    /// Adds to a batch what changed since the last call: each row once, as it is now.
    pub fn take_changed(&mut self, batch: &mut Batch) {
        for key in std::mem::take(&mut self.changed) {
            match self.rows.get(&key) {
                Some(row) => batch.put(Table::Coordination, key, row.clone()),
                None => batch.delete(Table::Coordination, key),
            }
        }
    }
}

/// The coordination table alone; a range must not run backwards.
impl View for Resident {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        resident(table)?;
        Ok(self.rows.get(key).cloned())
    }

    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        resident(table)?;
        let range = self.rows.range::<[u8], _>((from, to));
        let rows: &mut dyn Iterator<Item = (&Vec<u8>, &Vec<u8>)> =
            if reverse { &mut range.rev() } else { &mut { range } };
        for (key, row) in rows {
            if visit(key, row).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn resident(table: Table) -> Result<(), StorageError> {
    if table == Table::Coordination {
        return Ok(());
    }
    Err(corrupt(
        "reading memory",
        &format!("table {} is on disk only", table.name()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_kind_as_they_come_and_go() {
        let mut resident = Resident::default();
        resident.write(&[11, 1], Some(vec![1]));
        resident.write(&[11, 2], Some(vec![1]));
        resident.write(&[11, 2], Some(vec![2]));
        resident.write(&[13, 1], Some(vec![1]));
        resident.write(&[13, 9], None);
        resident.write(&[200, 1], Some(vec![1]));
        assert_eq!((resident.counts()[11], resident.counts()[13]), (2, 1));
        resident.write(&[11, 1], None);
        resident.write(&[11, 1], None);
        assert_eq!((resident.counts()[11], resident.counts()[13]), (1, 1));
    }
}
