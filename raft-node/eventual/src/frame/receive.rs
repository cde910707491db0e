//! A frame that came from a peer.

use smallvec::SmallVec;

use super::{BodyReader, FRAME_HEAD_BYTES, KIND_OPS, KIND_STATE, ReadError, VERSION, ops, state};
use crate::actor::{ActorIndex, Actors, TooManyActors};
use crate::shard::{Applied, Gap, RemoteOp, RemoteState, Shard, ShardNumber};
use crate::wire::{Damaged, Reader};

/// Why a frame cannot be used. Nothing of it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its checksum is not that of its bytes, or they make no sense.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// It is of a version that this build does not know.
    #[error("a frame is of version {0}, which this build does not know: upgrade this member")]
    Version(u8),
    /// It names more processes than this one can tell apart.
    #[error(transparent)]
    Actors(#[from] TooManyActors),
}

impl From<ReadError> for Unusable {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(damaged) => Unusable::Damaged(damaged),
            ReadError::Actors(error) => Unusable::Actors(error),
        }
    }
}

/// A frame that was checked and decoded, so that only what has to be is done under the lock.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Of which shard.
    pub shard: ShardNumber,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Ops(Vec<RemoteOp<'a>>),
    State(Box<RemoteState>),
}

impl<'a> Frame<'a> {
    /// Checks and decodes the body of a frame.
    pub fn decode(body: &'a [u8], actors: &Actors) -> Result<Self, Unusable> {
        let mut reader = Reader::new(body);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(Unusable::Version(version));
        }
        let kind = reader.byte()?;
        let number = u32::try_from(reader.number()?).unwrap_or(u32::MAX);
        let shard = ShardNumber::new(number).ok_or(Damaged("there is no such shard"))?;
        let mut body = BodyReader::new(reader, actors)?;
        let content = match kind {
            KIND_OPS => Content::Ops(ops::decode(&mut body)?),
            KIND_STATE => Content::State(Box::new(state::decode(&mut body)?)),
            _ => return Err(Damaged("a frame is of no known kind").into()),
        };
        if !content.keys_are_of(shard) {
            return Err(Damaged("a key is not in the frame's shard").into());
        }
        Ok(Frame { shard, content })
    }

    /// It is a state, not operations.
    pub fn is_state(&self) -> bool {
        matches!(self.content, Content::State(_))
    }

    /// The number of the actor's last operation in it, or that its clock lists.
    pub fn last_of(&self, actor: crate::ActorIndex) -> u64 {
        match &self.content {
            Content::Ops(ops) => {
                let of_actor = ops.iter().map(|op| op.dot).filter(|dot| dot.actor() == actor);
                of_actor.map(crate::Dot::number).max().unwrap_or(0)
            }
            Content::State(state) => state.clock.get(actor),
        }
    }

    /// Applies it to its shard, as a whole. A gap refuses all of it: something that it builds on is missing here.
    pub fn apply(self, shard: &mut Shard) -> Result<Applied, Gap> {
        match self.content {
            Content::Ops(ops) => {
                check_gaps(shard, &ops)?;
                let mut applied = Applied::default();
                for op in ops {
                    shard.apply(op, &mut applied)?;
                }
                Ok(applied)
            }
            Content::State(state) => shard.join(*state),
        }
    }
}

/// What tests break.
#[cfg(test)]
impl Frame<'_> {
    pub(crate) fn state_mut(&mut self) -> Option<&mut RemoteState> {
        match &mut self.content {
            Content::State(state) => Some(state),
            Content::Ops(_) => None,
        }
    }

    pub(crate) fn cut(&mut self, operations: usize) {
        if let Content::Ops(ops) = &mut self.content {
            ops.truncate(operations);
        }
    }

    pub(crate) fn change_values(&mut self, mut change: impl FnMut(&mut crate::Sibling)) {
        match &mut self.content {
            Content::Ops(ops) => ops.iter_mut().filter_map(|op| op.sibling.as_mut()).for_each(change),
            Content::State(state) => state.values.iter_mut().for_each(|(_, sibling)| change(sibling)),
        }
    }

    /// The clock that a receiver has afterwards, as far as the frame says.
    pub(crate) fn numbers(&self) -> Box<dyn Iterator<Item = (crate::ActorIndex, u64)> + '_> {
        match &self.content {
            Content::Ops(ops) => Box::new(ops.iter().rev().map(|op| (op.dot.actor(), op.dot.number()))),
            Content::State(state) => Box::new(state.clock.iter()),
        }
    }
}

/// A range that does not follow what is here must not be applied even in part.
fn check_gaps(shard: &Shard, ops: &[RemoteOp<'_>]) -> Result<(), Gap> {
    // As far as each actor is when the operations so far are applied. A frame is of few actors, each in one range.
    let mut reached: SmallVec<[(ActorIndex, u64); 4]> = SmallVec::new();
    for op in ops {
        let (actor, number) = (op.dot.actor(), op.dot.number());
        let have = match reached.iter_mut().rev().find(|(other, _)| *other == actor) {
            Some((_, have)) => have,
            None => {
                reached.push((actor, shard.clock().get(actor)));
                let last = reached.len() - 1;
                &mut reached[last].1
            }
        };
        // Nor can anybody have more of this process than it has done.
        if number > *have + u64::from(actor != shard.me()) {
            return Err(Gap { actor, have: *have });
        }
        *have = number.max(*have);
    }
    Ok(())
}

impl Content<'_> {
    fn keys_are_of(&self, shard: ShardNumber) -> bool {
        let volatile = shard.is_volatile();
        match self {
            Content::Ops(ops) => ops.iter().all(|op| op.key.shard(volatile) == shard),
            Content::State(state) => state.values.iter().all(|(key, _)| key.shard(volatile) == shard),
        }
    }
}

/// Takes the first frame of some bytes: its body, whose checksum is right, and what follows.
pub fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Damaged> {
    let (head, rest) = bytes
        .split_first_chunk::<FRAME_HEAD_BYTES>()
        .ok_or(Damaged("it ends too early"))?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let checksum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if rest.len() < length {
        return Err(Damaged("it ends too early"));
    }
    let (body, rest) = rest.split_at(length);
    if crc32c::crc32c(body) != checksum {
        return Err(Damaged("its checksum is wrong"));
    }
    Ok((body, rest))
}
