//! The handle of one domain.

use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::eventual_write::Change;

use super::admin::EventualAdmin;
use super::batch::OpenBatch;
use super::get::{EventualGet, EventualGetMany};
use super::resolve::ResolveWith;
use super::scan::EventualScan;
use super::typed::{Counter, Flag, Map, Set};
use super::value::{EventualEntry, EventualType};
use super::watch::OpenEventualWatch;
use super::write::{Asked, EventualChange, EventualPut};
use crate::client::Client;
use crate::core::Core;
use crate::record::{IntoBytes, Keys};

/// A domain of the eventual tier: written at any member, kept in memory, sent to the others in the background. Cloning it
/// is cheap.
#[derive(Clone)]
pub struct Eventual {
    pub(super) core: Arc<Core>,
    pub(super) domain: String,
}

impl Client {
    /// The domain `default-eventual` of the eventual tier.
    pub fn eventual(&self) -> Eventual {
        self.eventual_in("")
    }

    /// A domain of the eventual tier, which must exist when it is used.
    pub fn eventual_in(&self, domain: impl Into<String>) -> Eventual {
        Eventual {
            core: Arc::clone(&self.core),
            domain: domain.into(),
        }
    }

    /// What the members' eventual tiers are doing.
    pub fn eventual_admin(&self) -> EventualAdmin {
        EventualAdmin::new(&self.core)
    }
}

impl Eventual {
    /// Writes a register. Await the builder; see [`EventualPut`].
    pub fn put(&self, key: impl IntoBytes, value: impl IntoBytes) -> EventualPut {
        let put = v1::EventualPut {
            value: value.into_bytes(),
            ..Default::default()
        };
        EventualPut(self.asked(key, Change::Put(put)))
    }

    /// Deletes a register. Await the builder; see [`EventualChange`].
    pub fn delete(&self, key: impl IntoBytes) -> EventualChange {
        let mut delete = v1::EventualDelete::default();
        delete.set_type(v1::EventualType::Register);
        EventualChange(self.asked(key, Change::Delete(delete)))
    }

    /// Reads one key. Await the builder; see [`EventualGet`].
    pub fn get(&self, key: impl IntoBytes) -> EventualGet {
        EventualGet::new(&self.core, &self.domain, EventualType::Register, key.into_bytes())
    }

    /// Reads 1 to 4,096 keys at one member. Await the builder; see [`EventualGetMany`].
    pub fn get_many<B: IntoBytes>(&self, keys: impl IntoIterator<Item = B>) -> EventualGetMany {
        let keys = keys.into_iter().map(IntoBytes::into_bytes).collect();
        EventualGetMany::new(&self.core, &self.domain, keys)
    }

    /// Reads the keys with a prefix or of a pattern, page by page. Await the builder; see [`EventualScan`].
    pub fn scan(&self, keys: impl Into<Keys>) -> EventualScan {
        EventualScan::new(&self.core, &self.domain, keys.into())
    }

    /// Tells the newest values of what changes under these keys, whatever they stand for. Await the builder; see
    /// [`OpenEventualWatch`].
    pub fn watch(&self, keys: impl Into<Keys>) -> OpenEventualWatch {
        OpenEventualWatch::new(&self.core, &self.domain, keys.into())
    }

    /// Reads the values of a register that stand beside each other, has `merge` make one of them, and writes it in their
    /// place. Await the builder; see [`ResolveWith`].
    pub fn resolve_with<'a>(
        &self,
        key: impl IntoBytes,
        merge: impl FnMut(&EventualEntry) -> Bytes + Send + 'a,
    ) -> ResolveWith<'a> {
        ResolveWith::new(self, key.into_bytes(), merge)
    }

    /// A counter.
    pub fn counter(&self, key: impl IntoBytes) -> Counter {
        Counter::new(self, key.into_bytes())
    }

    /// A set.
    pub fn set(&self, key: impl IntoBytes) -> Set {
        Set::new(self, key.into_bytes())
    }

    /// A map.
    pub fn map(&self, key: impl IntoBytes) -> Map {
        Map::new(self, key.into_bytes())
    }

    /// A flag.
    pub fn flag(&self, key: impl IntoBytes) -> Flag {
        Flag::new(self, key.into_bytes())
    }

    /// A writer that collects writes and sends them together. See [`OpenBatch`].
    pub fn batch(&self) -> OpenBatch {
        OpenBatch::new(self)
    }

    fn asked(&self, key: impl IntoBytes, change: Change) -> Asked {
        Asked::new(&self.core, &self.domain, key.into_bytes(), change)
    }
}
