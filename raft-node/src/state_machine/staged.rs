//! The writes of the running entries, over the store as it was before them.
//!
//! Reads through this see the writes at once. Commands read the newest records, the index and queued items, so those
//! tables are kept ordered; the coordination table is [`Resident`] as a whole; rows of the other tables are written and
//! hardly ever read, so they are kept as a list, which costs nothing until somebody looks. A key's newest record is looked
//! for in [`Recent`] before the store is asked.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::hash::fold;
use super::recent::Recent;
use super::resident::Resident;
use crate::storage::{Batch, Stage, StorageError, Table, View, Visit};

/// What a row will be: `None` is a deletion.
type Value = Option<Vec<u8>>;
type Rows = BTreeMap<Vec<u8>, Value>;

/// Writes that are not in the store yet.
pub struct Staged<'e> {
    base: &'e dyn View,
    latest: Rows,
    index: Rows,
    items: Rows,
    resident: &'e mut Resident,
    recent: &'e Recent,
    appended: Vec<(Table, Vec<u8>, Value)>,
    hash: u64,
    writes: u64,
    savepoint: Savepoint,
}

/// What a transaction that is refused goes back to.
#[derive(Default)]
struct Savepoint {
    hash: u64,
    writes: u64,
    appended: usize,
    /// What the ordered rows were before each write since, in order; none is "not staged".
    replaced: Vec<(Table, Vec<u8>, Option<Value>)>,
    records: bool,
}

impl<'e> Staged<'e> {
    /// Nothing written yet, with the hash so far.
    pub fn new(base: &'e dyn View, resident: &'e mut Resident, recent: &'e Recent, hash: u64) -> Self {
        Self {
            base,
            latest: Rows::new(),
            index: Rows::new(),
            items: Rows::new(),
            resident,
            recent,
            appended: Vec::new(),
            hash,
            writes: 0,
            savepoint: Savepoint::default(),
        }
    }

    /// The hash with every write so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// From here on writes can be rolled back. Without `records` that costs nothing, but then only a transaction that
    /// has not written may be rolled back: one with a single operation, which refuses before it writes.
    pub fn savepoint(&mut self, records: bool) {
        self.savepoint.hash = self.hash;
        self.savepoint.writes = self.writes;
        self.savepoint.appended = self.appended.len();
        self.savepoint.replaced.clear();
        self.savepoint.records = records;
    }

    /// Something was written since the savepoint.
    pub fn wrote(&self) -> bool {
        self.writes != self.savepoint.writes
    }

    /// Undoes the writes since the savepoint.
    pub fn rollback(&mut self) {
        assert!(
            self.savepoint.records || !self.wrote(),
            "a transaction with one operation wrote before it was refused"
        );
        self.hash = self.savepoint.hash;
        self.writes = self.savepoint.writes;
        self.appended.truncate(self.savepoint.appended);
        while let Some((table, key, before)) = self.savepoint.replaced.pop() {
            let rows = match table {
                Table::Latest => &mut self.latest,
                Table::Index => &mut self.index,
                Table::Items => &mut self.items,
                _ => {
                    self.resident.write(&key, before.flatten());
                    continue;
                }
            };
            match before {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }

    /// Everything staged, as one batch, which is about to be written.
    pub fn into_batch(self) -> Batch {
        let mut batch = Batch::new();
        for (key, value) in &self.latest {
            self.recent.writes(key, value.as_deref());
        }
        let ordered = [
            (Table::Latest, self.latest),
            (Table::Index, self.index),
            (Table::Items, self.items),
        ];
        for (table, rows) in ordered {
            for (key, value) in rows {
                change(&mut batch, table, key, value);
            }
        }
        for (table, key, value) in self.appended {
            change(&mut batch, table, key, value);
        }
        self.resident.take_changed(&mut batch);
        batch
    }

    fn write(&mut self, table: Table, key: Vec<u8>, value: Value) {
        self.hash = fold(self.hash, table, &key, value.as_deref());
        self.writes += 1;
        let rows = match table {
            Table::Latest => &mut self.latest,
            Table::Index => &mut self.index,
            Table::Items => &mut self.items,
            Table::Coordination => {
                let before = self.resident.write(&key, value);
                if self.savepoint.records {
                    self.savepoint.replaced.push((table, key, Some(before)));
                }
                return;
            }
            _ => return self.appended.push((table, key, value)),
        };
        if self.savepoint.records {
            let before = rows.insert(key.clone(), value);
            self.savepoint.replaced.push((table, key, before));
        } else {
            rows.insert(key, value);
        }
    }

    /// The staged row: `None` if the store below has to be asked.
    fn staged(&self, table: Table, key: &[u8]) -> Option<&Value> {
        match table {
            Table::Latest => self.latest.get(key),
            Table::Index => self.index.get(key),
            Table::Items => self.items.get(key),
            _ => {
                let newest = self
                    .appended
                    .iter()
                    .rev()
                    .find(|(own, row, _)| *own == table && row == key);
                newest.map(|(_, _, value)| value)
            }
        }
    }
}

impl Stage for Staged<'_> {
    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.write(table, key, Some(value));
    }

    fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.write(table, key, None);
    }
}

impl View for Staged<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if table == Table::Coordination {
            return self.resident.get(table, key);
        }
        match self.staged(table, key) {
            Some(value) => Ok(value.clone()),
            None if table == Table::Latest => match self.recent.get(key) {
                Some(kept) => Ok(Some(kept.stored.to_vec())),
                None => self.base.get(table, key),
            },
            None => self.base.get(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        if is_empty(from, to) {
            return Ok(());
        }
        let gathered: Rows;
        let rows = match table {
            Table::Latest => &self.latest,
            Table::Index => &self.index,
            Table::Items => &self.items,
            Table::Coordination => {
                return self.resident.scan(table, from, to, reverse, visit);
            }
            _ => {
                let own = self.appended.iter().filter(|(own, _, _)| *own == table);
                gathered = own.map(|(_, key, value)| (key.clone(), value.clone())).collect();
                &gathered
            }
        };
        let range = rows.range::<[u8], _>((from, to));
        let staged: &mut dyn Iterator<Item = (&Vec<u8>, &Value)> =
            if reverse { &mut range.rev() } else { &mut { range } };
        merge(self.base, table, (from, to), reverse, staged, visit)
    }
}

/// Visits the rows of `base` and the staged ones together, in order; a staged row hides that of the base.
fn merge(
    base: &dyn View,
    table: Table,
    (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    reverse: bool,
    staged: &mut dyn Iterator<Item = (&Vec<u8>, &Value)>,
    visit: Visit<'_>,
) -> Result<(), StorageError> {
    let mut next = staged.next();
    let mut stopped = false;
    base.scan(table, from, to, reverse, &mut |key, value| {
        while let Some((own, own_value)) = next {
            let order = own.as_slice().cmp(key);
            let comes_first = if reverse { order.is_gt() } else { order.is_lt() };
            if !comes_first && order.is_ne() {
                break;
            }
            next = staged.next();
            if let Some(own_value) = own_value
                && visit(own, own_value).is_break()
            {
                stopped = true;
                return ControlFlow::Break(());
            }
            if order.is_eq() {
                return ControlFlow::Continue(());
            }
        }
        let flow = visit(key, value);
        stopped = flow.is_break();
        flow
    })?;
    while let Some((own, own_value)) = next {
        if stopped {
            break;
        }
        next = staged.next();
        if let Some(own_value) = own_value {
            stopped = visit(own, own_value).is_break();
        }
    }
    Ok(())
}

fn change(batch: &mut Batch, table: Table, key: Vec<u8>, value: Value) {
    match value {
        Some(value) => batch.put(table, key, value),
        None => batch.delete(table, key),
    }
}

/// A range that the standard map would panic on.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to))
        | (Bound::Excluded(from), Bound::Included(to)) => from >= to,
        _ => false,
    }
}
