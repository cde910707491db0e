//! A view of the store for those who read single keys.

use std::cell::OnceCell;
use std::ops::Bound;
use std::sync::Arc;

use super::head::Head;
use super::recent::Recent;
use crate::codec;
use crate::mvcc::corrupt;
use crate::storage::{Engine, StorageError, Table, View, Visit};
use crate::types::Revision;

/// The live engine, and what is known of the newest records in it. Hold it only as long as one read takes.
pub struct Live {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) recent: Arc<Recent>,
}

/// A view that finds a record in memory where what was written last is what the view has.
pub struct Moment<'l> {
    view: Box<dyn View + 'l>,
    recent: &'l Recent,
    head_key: Vec<u8>,
    /// The row of the head, which every answer names, and its revision; read when it is needed first.
    head: OnceCell<(Vec<u8>, Revision)>,
}

impl Live {
    /// What the store has now.
    pub fn moment(&self) -> Moment<'_> {
        Moment {
            view: self.engine.view(),
            recent: &self.recent,
            head_key: Head::key(),
            head: OnceCell::new(),
        }
    }
}

impl Moment<'_> {
    fn head(&self) -> Result<&(Vec<u8>, Revision), StorageError> {
        if let Some(head) = self.head.get() {
            return Ok(head);
        }
        let Some(row) = self.view.get(Table::Meta, &self.head_key)? else {
            return Err(corrupt("reading the head", &"the store has none"));
        };
        let head: Head = codec::decode(&row).map_err(|error| corrupt("reading the head", &error))?;
        Ok(self.head.get_or_init(|| (row, head.revision)))
    }
}

impl View for Moment<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match table {
            // Nothing is older there than here. What is newer says so, and then the view has what it replaced.
            Table::Latest => match self.recent.get(key) {
                Some(kept) if kept.revision <= self.head()?.1 => Ok(Some(kept.stored.to_vec())),
                Some(_) | None => self.view.get(table, key),
            },
            Table::Meta if key == self.head_key => Ok(Some(self.head()?.0.clone())),
            _ => self.view.get(table, key),
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
        self.view.scan(table, from, to, reverse, visit)
    }
}
