//! The actors as everybody but the one who applies sees them: immutable, replaced when one changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::row::{ActorState, Finals};
use super::table::Actors;
use crate::types::{ActorId, MemberId};

/// Every actor.
#[derive(Clone, Debug, Default)]
pub struct ActorTable {
    live: BTreeMap<MemberId, ActorId>,
    over: BTreeMap<ActorId, MemberId>,
    retired: BTreeMap<ActorId, (MemberId, Arc<Finals>)>,
}

impl ActorTable {
    /// The table as it is now. What `before` has of retired actors, which never changes, is shared with it.
    pub fn of(actors: &Actors, before: &ActorTable) -> Self {
        let mut table = Self::default();
        for (actor, row) in actors.iter() {
            match &row.state {
                ActorState::Live => {
                    table.live.insert(row.member, actor);
                }
                ActorState::Over => {
                    table.over.insert(actor, row.member);
                }
                ActorState::Retired(finals) => {
                    let known = before.retired.get(&actor).filter(|(_, known)| **known == *finals);
                    let finals = known.map_or_else(|| Arc::new(finals.clone()), |(_, known)| Arc::clone(known));
                    table.retired.insert(actor, (row.member, finals));
                }
            }
        }
        table
    }

    /// The actor whose process a member runs; none before it has registered one.
    pub fn live(&self, member: MemberId) -> Option<ActorId> {
        self.live.get(&member).copied()
    }

    /// Every member's live actor.
    pub fn all_live(&self) -> impl Iterator<Item = (MemberId, ActorId)> {
        self.live.iter().map(|(member, actor)| (*member, *actor))
    }

    /// Actors whose process is gone and that are not retired, with the member whose they were.
    pub fn over(&self) -> impl Iterator<Item = (ActorId, MemberId)> {
        self.over.iter().map(|(actor, member)| (*actor, *member))
    }

    /// Where a retired actor ended; none if it is not retired.
    pub fn finals(&self, actor: ActorId) -> Option<&Finals> {
        self.retired.get(&actor).map(|(_, finals)| finals.as_ref())
    }

    /// Every retired actor, and where it ended.
    pub fn retired(&self) -> impl Iterator<Item = (ActorId, &Finals)> {
        self.retired
            .iter()
            .map(|(actor, (_, finals))| (*actor, finals.as_ref()))
    }

    /// Actors that a member had before the one that it has now, retired or not.
    pub fn earlier(&self, member: MemberId) -> impl Iterator<Item = ActorId> {
        let over = self.over.iter().map(|(actor, of)| (*actor, *of));
        let retired = self.retired.iter().map(|(actor, (of, _))| (*actor, *of));
        over.chain(retired)
            .filter(move |(_, of)| *of == member)
            .map(|(actor, _)| actor)
    }
}
