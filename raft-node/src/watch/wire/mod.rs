//! Events as they travel.

mod coordination;
mod key;

pub use coordination::coordination;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use prost::Message;
use quorate_proto::v1::{WatchEvent, watch_event};

use super::spec::Shape;
use crate::mvcc::AppliedRevision;
use crate::storage::StorageError;
use crate::types::DomainId;

/// The names of the domains that somebody has watched. A domain's id is never reused, and its name never changes.
#[derive(Default)]
pub(super) struct DomainNames(RwLock<HashMap<DomainId, Arc<str>>>);

impl DomainNames {
    pub(super) fn learn(&self, domains: &[(DomainId, String)]) {
        let unknown = |names: &HashMap<_, _>| domains.iter().any(|(id, _)| !names.contains_key(id));
        if unknown(&self.0.read()) {
            let mut names = self.0.write();
            names.extend(domains.iter().map(|(id, name)| (*id, Arc::from(name.as_str()))));
        }
    }

    fn of(&self, id: DomainId) -> Arc<str> {
        self.0.read().get(&id).cloned().unwrap_or_default()
    }
}

/// The event with this number: those of keys come first.
pub(super) fn encode(
    applied: &AppliedRevision,
    number: usize,
    shape: Shape,
    names: &DomainNames,
) -> Result<Bytes, StorageError> {
    let changes = &applied.changes;
    let event = match changes.keys.get(number) {
        Some(changed) => {
            let records = applied.records.get(number);
            let name = names.of(changed.domain);
            Some(watch_event::Event::Key(key::event(
                applied.revision,
                changed,
                records,
                shape,
                &name,
            )?))
        }
        None => changes.events.get(number - changes.keys.len()).map(coordination),
    };
    Ok(WatchEvent { event }.encode_to_vec().into())
}
