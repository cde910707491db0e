//! One atomic set of changes.

use super::Table;

/// One change of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put {
        /// Where.
        table: Table,
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
    },
    /// Removes a key; nothing if it does not exist.
    Delete {
        /// Where.
        table: Table,
        /// Key.
        key: Vec<u8>,
    },
    /// Removes `from <= key < to`.
    DeleteRange {
        /// Where.
        table: Table,
        /// First key that goes.
        from: Vec<u8>,
        /// First key that stays.
        to: Vec<u8>,
    },
}

/// Changes that are written together, in this order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) changes: Vec<Change>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push(Change::Put {
            table,
            key: key.into(),
            value: value.into(),
        });
    }

    /// Removes a key.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.changes.push(Change::Delete { table, key: key.into() });
    }

    /// Removes `from <= key < to`.
    pub fn delete_range(&mut self, table: Table, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        self.changes.push(Change::DeleteRange {
            table,
            from: from.into(),
            to: to.into(),
        });
    }

    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
