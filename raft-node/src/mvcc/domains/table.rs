//! The table of domains as commands see and change it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::row::{Domain, NextDomain, stored};
use super::settings::DomainSettings;
use crate::codec;
use crate::mvcc::keys;
use crate::mvcc::record::corrupt;
use crate::storage::{Stage, StorageError, Table, View};
use crate::types::{DomainId, DomainRefusal, LeaseId, Rejection, Tier};

/// Place of a domain in [`Domains`], until one is created or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainIndex(usize);

/// Every domain.
#[derive(Clone, Debug)]
pub struct Domains {
    /// By id.
    rows: Vec<Domain>,
    by_name: BTreeMap<String, usize>,
    changed: Vec<bool>,
    next: NextDomain,
    /// Ids dropped since the rows were staged.
    dropped: Vec<DomainId>,
    /// The next id was raised since then.
    next_changed: bool,
    /// The table differs, in more than bytes, from the one that was published last.
    unpublished: bool,
    /// Which domain, its bytes before, and whether they were changed already.
    undo: Vec<(usize, u64, bool)>,
}

impl Domains {
    /// Those of a store.
    pub fn load(view: &dyn View) -> Result<Self, StorageError> {
        let mut rows = Vec::new();
        let mut failed = None;
        let from = keys::meta(b"domain/");
        let to = keys::successor(&from);
        view.scan(
            Table::Meta,
            Bound::Included(&from),
            keys::up_to(to.as_ref()),
            false,
            &mut |_, row| match Domain::from_row(row) {
                Ok(domain) => {
                    rows.push(domain);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        match failed {
            Some(error) => Err(corrupt("reading a domain", &error)),
            None => Ok(Self::from_rows(rows, NextDomain::load(view)?)),
        }
    }

    fn from_rows(rows: Vec<Domain>, next: NextDomain) -> Self {
        let mut domains = Self {
            changed: vec![false; rows.len()],
            by_name: BTreeMap::new(),
            rows,
            next,
            dropped: Vec::new(),
            next_changed: false,
            unpublished: false,
            undo: Vec::new(),
        };
        domains.index_names();
        domains
    }

    /// Every domain, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Domain> {
        self.rows.iter()
    }

    /// The domain of this name.
    pub fn find(&self, name: &str) -> Option<DomainIndex> {
        self.by_name.get(name).copied().map(DomainIndex)
    }

    /// The strong domain of this name.
    pub fn strong(&self, name: &str) -> Result<DomainIndex, Rejection> {
        let index = self.named(name)?;
        strong_or_reject(name, self.at(index).tier)?;
        Ok(index)
    }

    /// The id of a domain.
    pub fn id(&self, index: DomainIndex) -> DomainId {
        self.rows[index.0].id
    }

    /// The name of the domain with this id.
    pub fn name(&self, id: DomainId) -> Option<&str> {
        self.by_id(id).map(|index| self.rows[index.0].name.as_str())
    }

    /// Where the domain with this id is.
    pub fn by_id(&self, id: DomainId) -> Option<DomainIndex> {
        self.rows
            .binary_search_by_key(&id, |domain| domain.id)
            .ok()
            .map(DomainIndex)
    }

    /// How long a key lives that is written with this time to live, in milliseconds, and under this lease; none: for
    /// ever, or as long as its lease.
    pub fn ttl_ms(
        &self,
        index: DomainIndex,
        ttl_ms: Option<u64>,
        lease: Option<LeaseId>,
    ) -> Result<Option<u64>, Rejection> {
        if ttl_ms.is_some() || lease.is_some() {
            return Ok(ttl_ms);
        }
        let domain = &self.rows[index.0];
        match domain.settings.ttl_ms_default {
            0 if domain.settings.ttl_required => Err(Rejection::of_domain(&domain.name, DomainRefusal::TtlRequired)),
            0 => Ok(None),
            default => Ok(Some(default)),
        }
    }

    /// Counts that something in the domain went from `before` to `after` bytes. Growth past the limit is refused;
    /// shrinking never is, even when the domain is over its limit.
    pub fn resize(&mut self, index: DomainIndex, before: u64, after: u64) -> Result<(), Rejection> {
        let domain = &mut self.rows[index.0];
        let bytes_max = domain.settings.bytes_max;
        let bytes = domain.bytes.saturating_sub(before).saturating_add(after);
        if after > before && bytes_max != 0 && bytes > bytes_max {
            return Err(Rejection::DomainFull {
                domain: domain.name.clone(),
                bytes,
                bytes_max,
            });
        }
        if bytes != domain.bytes {
            self.undo.push((index.0, domain.bytes, self.changed[index.0]));
            self.changed[index.0] = true;
            domain.bytes = bytes;
        }
        Ok(())
    }

    /// From here on what is counted can be rolled back. Nothing is created, changed or dropped until then.
    pub fn savepoint(&mut self) {
        self.undo.clear();
    }

    /// Undoes what was counted since the savepoint.
    pub fn rollback(&mut self) {
        while let Some((index, bytes, changed)) = self.undo.pop() {
            self.rows[index].bytes = bytes;
            self.changed[index] = changed;
        }
    }

    /// Stages the rows that changed since the last call. Called once a group.
    pub fn stage_changed(&mut self, stage: &mut dyn Stage) -> Result<(), StorageError> {
        for id in self.dropped.drain(..) {
            stage.delete(Table::Meta, keys::domain(id));
        }
        if std::mem::take(&mut self.next_changed) {
            let row = codec::encode(&self.next).map_err(|error| corrupt("writing the next id of a domain", &error))?;
            stage.put(Table::Meta, NextDomain::key(), row);
        }
        for (domain, changed) in self.rows.iter().zip(&mut self.changed) {
            if std::mem::take(changed) {
                stage.put(Table::Meta, keys::domain(domain.id), stored(domain)?);
            }
        }
        Ok(())
    }

    /// The table changed, in more than bytes, since the last call.
    pub fn take_unpublished(&mut self) -> bool {
        std::mem::take(&mut self.unpublished)
    }

    pub(super) fn named(&self, name: &str) -> Result<DomainIndex, Rejection> {
        self.find(name).ok_or_else(|| Rejection::UnknownDomain {
            domain: name.to_owned(),
        })
    }

    pub(super) fn at(&self, index: DomainIndex) -> &Domain {
        &self.rows[index.0]
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn next_id(&self) -> DomainId {
        self.next.id
    }

    /// Adds a domain under the next id.
    pub(super) fn add(&mut self, domain: Domain, next: DomainId) {
        self.rows.push(domain);
        self.changed.push(true);
        self.next.id = next;
        self.next_changed = true;
        self.reshaped();
    }

    pub(super) fn set(&mut self, index: DomainIndex, settings: DomainSettings) {
        if self.rows[index.0].settings != settings {
            self.rows[index.0].settings = settings;
            self.changed[index.0] = true;
            self.unpublished = true;
        }
    }

    pub(super) fn remove(&mut self, index: DomainIndex) -> Domain {
        let domain = self.rows.remove(index.0);
        self.changed.remove(index.0);
        self.dropped.push(domain.id);
        self.reshaped();
        domain
    }

    fn reshaped(&mut self) {
        self.undo.clear();
        self.unpublished = true;
        self.index_names();
    }

    fn index_names(&mut self) {
        let names = self.rows.iter().map(|domain| domain.name.clone());
        self.by_name = names.zip(0..).collect();
    }
}

/// The id of a strong domain, for readers that have nothing but a view: all rows are read.
pub fn resolve_strong(view: &dyn View, name: &str) -> Result<Result<DomainId, Rejection>, StorageError> {
    let domains = Domains::load(view)?;
    Ok(domains.strong(name).map(|index| domains.id(index)))
}

fn strong_or_reject(name: &str, tier: Tier) -> Result<(), Rejection> {
    match tier {
        Tier::Strong => Ok(()),
        Tier::Eventual => Err(Rejection::TierMismatch {
            domain: name.to_owned(),
            tier,
        }),
    }
}
