//! The row of an actor.

use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use crate::codec::{self, Record};
use crate::mvcc::{corrupt, keys};
use crate::storage::{StorageError, Table, View};
use crate::types::{ActorId, ActorRefusal, MemberId};

/// Shards of the eventual tier, those of volatile domains included.
pub const SHARDS: u16 = quorate_eventual::SHARDS;

const PREFIX: &[u8] = b"actor/";

/// The last number of an actor in each shard in which it wrote: by shard, each at least 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Finals(pub Vec<(u16, u64)>);

/// What is stored of an actor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ActorRow {
    /// Whose process it is, or was.
    pub member: MemberId,
    /// What is known of it.
    pub state: ActorState,
}

/// What is known of an actor.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ActorState {
    /// Its process may write.
    Live,
    /// Its member has another one now.
    Over,
    /// Everybody has everything that it wrote.
    Retired(Finals),
}

impl Record for ActorRow {
    const ID: u16 = 0x020C;
    const VERSION: u8 = 1;
}

impl Finals {
    /// Refuses what is not one number for each shard at most, in the order of the shards.
    pub fn check(&self) -> Result<(), ActorRefusal> {
        let in_order = self.0.is_sorted_by(|one, next| one.0 < next.0);
        let in_range = self.0.iter().all(|(shard, last)| *shard < SHARDS && *last > 0);
        if in_order && in_range {
            return Ok(());
        }
        Err(ActorRefusal::Finals { shards: SHARDS })
    }

    /// The last number in a shard; 0 if the actor wrote nothing there.
    pub fn last(&self, shard: u16) -> u64 {
        let found = self.0.binary_search_by_key(&shard, |(shard, _)| *shard);
        found.map_or(0, |index| self.0[index].1)
    }
}

/// Key of an actor's row in the meta table.
pub fn key(actor: ActorId) -> Vec<u8> {
    let mut key = keys::meta(PREFIX);
    key.extend_from_slice(&actor.0.to_be_bytes());
    key
}

/// Every actor of a store.
pub fn load(view: &dyn View) -> Result<Vec<(ActorId, ActorRow)>, StorageError> {
    let mut found = Vec::new();
    let mut failed = None;
    let from = keys::meta(PREFIX);
    let to = keys::successor(&from);
    let span = (Bound::Included(from.as_slice()), keys::up_to(to.as_ref()));
    view.scan(
        Table::Meta,
        span.0,
        span.1,
        false,
        &mut |stored_key, row| match decode(&from, stored_key, row) {
            Ok(actor) => {
                found.push(actor);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(found), Err)
}

fn decode(prefix: &[u8], stored_key: &[u8], row: &[u8]) -> Result<(ActorId, ActorRow), StorageError> {
    let number = stored_key.strip_prefix(prefix).and_then(|rest| rest.try_into().ok());
    let Some(number) = number else {
        return Err(corrupt("reading an actor", &"its key has another length"));
    };
    let row = codec::decode(row).map_err(|error| corrupt("reading an actor", &error))?;
    Ok((ActorId(u64::from_be_bytes(number)), row))
}
