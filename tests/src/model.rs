//! The sequential model: what the store must answer if it did one thing after the other.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A key as the model and the answers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Its value.
    pub value: Bytes,
    /// The revision that wrote it.
    pub mod_revision: u64,
    /// 1 after creation; counts writes since.
    pub version: u64,
}

/// The state after some revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    keys: BTreeMap<Bytes, Versioned>,
}

impl Model {
    /// The key, if it exists.
    pub fn get(&self, key: &Bytes) -> Option<&Versioned> {
        self.keys.get(key)
    }

    /// The key's modification revision; 0 when it does not exist.
    pub fn mod_revision(&self, key: &Bytes) -> u64 {
        self.get(key).map_or(0, |record| record.mod_revision)
    }

    /// Writes a key at a revision.
    pub fn put(&mut self, key: &Bytes, value: &Bytes, revision: u64) {
        let version = self.get(key).map_or(1, |record| record.version + 1);
        let record = Versioned {
            value: value.clone(),
            mod_revision: revision,
            version,
        };
        self.keys.insert(key.clone(), record);
    }

    /// Deletes a key; whether it existed.
    pub fn delete(&mut self, key: &Bytes) -> bool {
        self.keys.remove(key).is_some()
    }

    /// Every key.
    pub fn all(&self) -> &BTreeMap<Bytes, Versioned> {
        &self.keys
    }
}
