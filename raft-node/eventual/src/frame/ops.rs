//! Operations, as a frame.

use super::{Body, BodyReader, HAS_END, HAS_REMOVED, HAS_VALUE, KIND_OPS, ReadError};
use crate::actor::ActorIndex;
use crate::clock::Clock;
use crate::dot::Dot;
use crate::key::{KEY_BYTES_MIN, Key, KeyRef};
use crate::log::Removed;
use crate::shard::{Cold, Fetched, RemoteOp, Shard, ShardNumber};
use crate::wire::{self, Damaged};

/// What is needed is not remembered: send what [`Shard::encode_missing`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten;

/// Why a frame of missing operations was not made. Nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEncoded {
    /// What is needed is not remembered: send the state.
    Forgotten,
    /// These values are on the disk alone: bring them, and try again.
    Cold(Vec<Cold>),
}

impl From<Forgotten> for NotEncoded {
    fn from(_: Forgotten) -> Self {
        NotEncoded::Forgotten
    }
}

impl Shard {
    /// Appends a frame of this process's operations after number `after`, up to the newest. Nothing, if there are none.
    ///
    /// A value that another's operation superseded must come with it, since that operation is not in the frame. Where it
    /// is not kept any more, or is on the disk alone, this fails.
    pub fn encode_own(&self, number: ShardNumber, after: u64, out: &mut Vec<u8>) -> Result<(), Forgotten> {
        if after >= self.own_number() {
            return Ok(());
        }
        if !self.has_orphans_after(after) {
            return Err(Forgotten);
        }
        let encoded = self.encode_ranges(number, &[(self.me(), after)], &Fetched::default(), out);
        encoded.map_err(|_| Forgotten)
    }

    /// Appends a frame of all operations that a member with this clock lacks, whoever wrote them. Nothing, if there are none.
    ///
    /// `have` lists also the actors that are retired there, if it is made of [`Clock::all`]. Values that are on the disk alone
    /// have to be among `fetched`.
    pub fn encode_missing(
        &self,
        number: ShardNumber,
        have: &Clock,
        fetched: &Fetched,
        out: &mut Vec<u8>,
    ) -> Result<(), NotEncoded> {
        let ranges: Vec<(ActorIndex, u64)> = self
            .clock()
            .iter()
            .filter(|(actor, last)| have.get(*actor) < *last && !have.is_retired(*actor))
            .map(|(actor, _)| (actor, have.get(actor)))
            .collect();
        // An actor that is retired here and not there: its operations are not remembered.
        if self.clock().retired().any(|(actor, last)| have.get(actor) < last) {
            return Err(NotEncoded::Forgotten);
        }
        if ranges.is_empty() {
            return Ok(());
        }
        self.encode_ranges(number, &ranges, fetched, out)
    }

    fn encode_ranges(
        &self,
        number: ShardNumber,
        ranges: &[(ActorIndex, u64)],
        fetched: &Fetched,
        out: &mut Vec<u8>,
    ) -> Result<(), NotEncoded> {
        let log = self.log();
        if !ranges.iter().all(|(actor, after)| log.reaches(*actor, *after)) {
            return Err(NotEncoded::Forgotten);
        }
        let mut body = Body::new();
        let mut cold = Vec::new();
        wire::put_number(&mut body.rest, ranges.len() as u64);
        for (actor, after) in ranges {
            let Some(ops) = log.after(*actor, *after) else {
                return Err(NotEncoded::Forgotten);
            };
            let count = self.clock().get(*actor) - after;
            body.actor(*actor, self.actors());
            wire::put_number(&mut body.rest, after + 1);
            wire::put_number(&mut body.rest, count);
            for (number, op) in ops {
                let dot = Dot::new(*actor, number);
                if !self.encode_op(&mut body, dot, &op.key, op.removed.dots(), fetched) {
                    cold.push(Cold::of(&op.key, dot));
                }
            }
        }
        if !cold.is_empty() {
            return Err(NotEncoded::Cold(cold));
        }
        body.finish(KIND_OPS, number, out);
        Ok(())
    }

    /// False if its value is on the disk alone: then the body is of no use.
    fn encode_op(&self, body: &mut Body, dot: Dot, key: &Key, removed: &[Dot], fetched: &Fetched) -> bool {
        let sibling = self.value_of(key, dot);
        let mut flags = 0;
        if let Some(sibling) = sibling {
            flags |= HAS_VALUE | if sibling.life.ends() { HAS_END } else { 0 };
        }
        if !removed.is_empty() {
            flags |= HAS_REMOVED;
        }
        body.rest.push(flags);
        wire::put_bytes(&mut body.rest, key.bytes());
        if !removed.is_empty() {
            wire::put_number(&mut body.rest, removed.len() as u64);
            for superseded in removed {
                body.dot(*superseded, self.actors());
            }
        }
        let Some(sibling) = sibling else { return true };
        let value = fetched.value_of(sibling);
        if let Some(value) = value {
            body.value(sibling, value);
        }
        value.is_some()
    }
}

/// Flags, and a key with its length: nothing takes less.
const OP_BYTES_MIN: usize = 2 + KEY_BYTES_MIN;

/// The operations of a body, in order.
pub(super) fn decode<'a>(body: &mut BodyReader<'a>) -> Result<Vec<RemoteOp<'a>>, ReadError> {
    let mut ops = Vec::new();
    let ranges = body.reader.count(3)?;
    for _ in 0..ranges {
        let actor = body.actor()?;
        let first = body.number()?;
        let count = body.reader.count(OP_BYTES_MIN)?;
        if first == 0 || first.saturating_add(count as u64) > crate::dot::NUMBER_MAX {
            return Err(Damaged("a range is out of range").into());
        }
        ops.reserve(count);
        for number in first..first + count as u64 {
            ops.push(decode_op(body, Dot::new(actor, number))?);
        }
    }
    if !body.reader.is_empty() {
        return Err(Damaged("something follows the operations").into());
    }
    Ok(ops)
}

fn decode_op<'a>(body: &mut BodyReader<'a>, dot: Dot) -> Result<RemoteOp<'a>, ReadError> {
    let flags = body.flags()?;
    let key = KeyRef::decode(body.reader.bytes()?)?;
    let removed = if flags & HAS_REMOVED != 0 {
        body.dots()?.into_iter().collect()
    } else {
        Removed::new()
    };
    let sibling = if flags & HAS_VALUE != 0 {
        Some(body.value(dot, flags)?)
    } else {
        None
    };
    Ok(RemoteOp {
        dot,
        key,
        removed,
        sibling,
    })
}
