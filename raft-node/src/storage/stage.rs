//! Writes that are not in the store yet.

use super::{Table, View};

/// Writes that are seen at once by reads through the same value, and become durable together later.
pub trait Stage: View {
    /// Sets a key.
    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>);

    /// Removes a key.
    fn delete(&mut self, table: Table, key: Vec<u8>);
}
