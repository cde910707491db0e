//! Domains: keyspaces with a tier and a limit of bytes.
//!
//! The table is small and stays in memory whole; each domain has a row in the meta table. Ids are never reused.

use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use super::keys;
use super::record::corrupt;
use crate::codec;
use crate::storage::{Stage, StorageError, Table, View};
use crate::types::{DomainId, Rejection, Tier};

/// A keyspace. What is stored of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Domain {
    /// Part of every stored key.
    pub id: DomainId,
    /// How calls name it.
    pub name: String,
    /// Where its keys live.
    pub tier: Tier,
    /// What its keys, values and tags may take together; 0: no limit.
    pub bytes_max: u64,
    /// What they take.
    pub bytes: u64,
}

impl codec::Record for Domain {
    const ID: u16 = 0x0203;
    const VERSION: u8 = 1;
}

/// The domains that every store has: id, name, tier, limit in bytes.
const BUILT_IN: [(u32, &str, Tier, u64); 7] = [
    (1, "default", Tier::Strong, 0),
    (2, "default-eventual", Tier::Eventual, 0),
    (3, "session", Tier::Strong, 100_000_000),
    (4, "shared", Tier::Strong, 200_000_000),
    (5, "registry", Tier::Strong, 50_000_000),
    (6, "cache", Tier::Eventual, 300_000_000),
    (7, "ephemeral", Tier::Eventual, 50_000_000),
];

/// Place of a domain in [`Domains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainIndex(usize);

/// Every domain.
#[derive(Clone, Debug)]
pub struct Domains {
    rows: Vec<Domain>,
    changed: Vec<bool>,
    /// Which domain, its bytes before, and whether they were changed already.
    undo: Vec<(usize, u64, bool)>,
}

impl Domains {
    /// Those of the empty store.
    pub fn built_in() -> Self {
        Self::from_rows(
            BUILT_IN
                .iter()
                .map(|(id, name, tier, bytes_max)| Domain {
                    id: DomainId(*id),
                    name: (*name).to_owned(),
                    tier: *tier,
                    bytes_max: *bytes_max,
                    bytes: 0,
                })
                .collect(),
        )
    }

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
            &mut |_, row| {
                match codec::decode::<Domain>(row) {
                    Ok(domain) => rows.push(domain),
                    Err(error) => failed = Some(error),
                }
                if failed.is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )?;
        match failed {
            Some(error) => Err(corrupt("reading a domain", &error)),
            None => Ok(Self::from_rows(rows)),
        }
    }

    fn from_rows(rows: Vec<Domain>) -> Self {
        let changed = vec![false; rows.len()];
        Self {
            rows,
            changed,
            undo: Vec::new(),
        }
    }

    /// Every domain, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Domain> {
        self.rows.iter()
    }

    /// The strong domain of this name.
    pub fn strong(&self, name: &str) -> Result<DomainIndex, Rejection> {
        let Some(index) = self.rows.iter().position(|domain| domain.name == name) else {
            return Err(Rejection::UnknownDomain {
                domain: name.to_owned(),
            });
        };
        strong_or_reject(name, self.rows[index].tier)?;
        Ok(DomainIndex(index))
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
        self.rows.iter().position(|domain| domain.id == id).map(DomainIndex)
    }

    /// Counts that something in the domain went from `before` to `after` bytes. Growth past the limit is refused;
    /// shrinking never is, even when the domain is over its limit.
    pub fn resize(&mut self, index: DomainIndex, before: u64, after: u64) -> Result<(), Rejection> {
        let domain = &mut self.rows[index.0];
        let bytes = domain.bytes.saturating_sub(before).saturating_add(after);
        if after > before && domain.bytes_max != 0 && bytes > domain.bytes_max {
            return Err(Rejection::DomainFull {
                domain: domain.name.clone(),
                bytes,
                bytes_max: domain.bytes_max,
            });
        }
        if bytes != domain.bytes {
            self.undo.push((index.0, domain.bytes, self.changed[index.0]));
            self.changed[index.0] = true;
            domain.bytes = bytes;
        }
        Ok(())
    }

    /// From here on changes can be rolled back.
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
        for (domain, changed) in self.rows.iter().zip(&mut self.changed) {
            if std::mem::take(changed) {
                stage.put(Table::Meta, keys::domain(domain.id), stored(domain)?);
            }
        }
        Ok(())
    }
}

/// A domain's row.
pub fn stored(domain: &Domain) -> Result<Vec<u8>, StorageError> {
    codec::encode(domain).map_err(|error| corrupt("writing a domain", &error))
}

/// The id of a strong domain, for readers. The built-in ones are the same in every store and need no look-up.
pub fn resolve_strong(view: &dyn View, name: &str) -> Result<Result<DomainId, Rejection>, StorageError> {
    if let Some((id, _, tier, _)) = BUILT_IN.iter().find(|built_in| built_in.1 == name) {
        return Ok(strong_or_reject(name, *tier).map(|()| DomainId(*id)));
    }
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
