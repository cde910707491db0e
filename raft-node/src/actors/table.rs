//! Registers and retires actors.

use std::collections::BTreeMap;

use super::row::{self, ActorRow, ActorState, Finals};
use crate::codec;
use crate::mvcc::corrupt;
use crate::storage::{Stage, StorageError, Table, View};
use crate::types::{ActorId, ActorRefusal, MemberId};

/// Actors that may be registered, the retired ones included: starts of members' processes in the life of a store.
pub const ACTORS_MAX: u64 = 65_536;

/// Every actor. Rows are staged once a group.
#[derive(Clone, Debug)]
pub struct Actors {
    rows: BTreeMap<ActorId, ActorRow>,
    live: BTreeMap<MemberId, ActorId>,
    /// Those whose rows changed since they were staged.
    changed: Vec<ActorId>,
    unpublished: bool,
}

impl Actors {
    /// Those of a store.
    pub fn load(view: &dyn View) -> Result<Self, StorageError> {
        let rows: BTreeMap<_, _> = row::load(view)?.into_iter().collect();
        let live = rows.iter().filter(|(_, row)| row.state == ActorState::Live);
        Ok(Self {
            live: live.map(|(actor, row)| (row.member, *actor)).collect(),
            rows,
            changed: Vec::new(),
            unpublished: false,
        })
    }

    /// Every actor.
    pub fn iter(&self) -> impl Iterator<Item = (ActorId, &ActorRow)> {
        self.rows.iter().map(|(actor, row)| (*actor, row))
    }

    /// Makes an actor the live one of its member; the one before it is over. To register it again changes nothing.
    /// Returns how many actors are over because of it.
    pub fn register(&mut self, member: MemberId, actor: ActorId) -> Result<u64, ActorRefusal> {
        if let Some(row) = self.rows.get(&actor) {
            if row.member == member && row.state == ActorState::Live {
                return Ok(0);
            }
            return Err(ActorRefusal::Used { actor });
        }
        if self.rows.len() as u64 >= ACTORS_MAX {
            return Err(ActorRefusal::TooMany { actors_max: ACTORS_MAX });
        }
        let before = self.live.insert(member, actor);
        if let Some(before) = before {
            self.set(
                before,
                ActorRow {
                    member,
                    state: ActorState::Over,
                },
            );
        }
        self.set(
            actor,
            ActorRow {
                member,
                state: ActorState::Live,
            },
        );
        Ok(u64::from(before.is_some()))
    }

    /// Retires an actor. A live one may be retired as well, if its member was removed: whoever proposes it makes sure
    /// that its process is gone. To retire it again with the same numbers changes nothing. Returns how many were
    /// retired.
    pub fn retire(&mut self, actor: ActorId, finals: Finals) -> Result<u64, ActorRefusal> {
        finals.check()?;
        let Some(row) = self.rows.get(&actor) else {
            return Err(ActorRefusal::Unknown { actor });
        };
        let member = row.member;
        if let ActorState::Retired(known) = &row.state {
            return if *known == finals {
                Ok(0)
            } else {
                Err(ActorRefusal::Retired { actor })
            };
        }
        if self.live.get(&member) == Some(&actor) {
            self.live.remove(&member);
        }
        self.set(
            actor,
            ActorRow {
                member,
                state: ActorState::Retired(finals),
            },
        );
        Ok(1)
    }

    /// Stages the rows that changed since the last call. Called once a group.
    pub fn stage_changed(&mut self, stage: &mut dyn Stage) -> Result<(), StorageError> {
        self.changed.sort_unstable();
        self.changed.dedup();
        for actor in self.changed.drain(..) {
            if let Some(actor_row) = self.rows.get(&actor) {
                let encoded = codec::encode(actor_row).map_err(|error| corrupt("writing an actor", &error))?;
                stage.put(Table::Meta, row::key(actor), encoded);
            }
        }
        Ok(())
    }

    /// Something changed since the last call.
    pub fn take_unpublished(&mut self) -> bool {
        std::mem::take(&mut self.unpublished)
    }

    fn set(&mut self, actor: ActorId, row: ActorRow) {
        self.rows.insert(actor, row);
        self.changed.push(actor);
        self.unpublished = true;
    }
}
