//! What a client has read of a key: the opaque token that it hands back with a write.

use crate::actor::ActorId;
use crate::shard::ShardNumber;
use crate::wire::{self, Damaged, Reader};

const VERSION: u8 = 1;
/// Values that a context names when writes were added to it. One that a read made may name more.
const DOTS_MAX: usize = 128;

/// What a client has read of a key: the values, and the clock of the shard at that moment. Values that the clock covers and
/// that were not among those read are known to be superseded, even where the operation that did it has not come yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    dots: Vec<(ActorId, u64)>,
    clock: Vec<(ActorId, u64)>,
}

/// Why a context cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignContext {
    /// It is not one.
    #[error("the context is damaged, or is none: {0}")]
    Damaged(#[from] Damaged),
    /// It was made by another cluster.
    #[error("the context is of another cluster")]
    Cluster,
    /// It is of another key.
    #[error("the context is of another key: it is of shard {is}, and the key is in shard {wanted}")]
    Shard {
        /// Its shard.
        is: u64,
        /// That of the key.
        wanted: u64,
    },
}

impl Context {
    /// What was read: dots, and the clock.
    pub fn new(dots: Vec<(ActorId, u64)>, clock: Vec<(ActorId, u64)>) -> Self {
        Context { dots, clock }
    }

    /// As it is after a write with it: its author knows what he wrote, and nothing else that has been written since.
    ///
    /// A client may go on like this for ever, so the oldest are left out beyond 128. The write superseded them: where they
    /// still are, they go when it comes.
    #[must_use]
    pub fn with(mut self, actor: ActorId, number: u64) -> Self {
        self.dots.push((actor, number));
        let beyond = self.dots.len().saturating_sub(DOTS_MAX);
        self.dots.drain(..beyond);
        self
    }

    /// The values that were read.
    pub fn dots(&self) -> impl Iterator<Item = (ActorId, u64)> {
        self.dots.iter().copied()
    }

    /// The clock of the shard when it was read.
    pub fn clock(&self) -> &[(ActorId, u64)] {
        &self.clock
    }

    /// It read the value, or something that superseded it.
    pub fn has_seen(&self, actor: ActorId, number: u64) -> bool {
        self.dots.contains(&(actor, number))
            || self
                .clock
                .iter()
                .any(|(other, last)| *other == actor && *last >= number)
    }

    /// For a client, bound to a cluster and a shard.
    pub fn encode(&self, cluster: u64, shard: ShardNumber) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 12 * (self.dots.len() + self.clock.len()));
        out.push(VERSION);
        out.extend_from_slice(&cluster.to_le_bytes());
        wire::put_number(&mut out, u64::from(shard.get()));
        for list in [&self.dots, &self.clock] {
            wire::put_number(&mut out, list.len() as u64);
            for (actor, number) in list {
                out.extend_from_slice(&actor.0.to_le_bytes());
                wire::put_number(&mut out, *number);
            }
        }
        out
    }

    /// What a client handed back.
    pub fn decode(bytes: &[u8], cluster: u64, shard: ShardNumber) -> Result<Self, ForeignContext> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Damaged("its version is not known").into());
        }
        if reader.word()? != cluster {
            return Err(ForeignContext::Cluster);
        }
        let is = reader.number()?;
        if is != u64::from(shard.get()) {
            return Err(ForeignContext::Shard {
                is,
                wanted: u64::from(shard.get()),
            });
        }
        let context = Context {
            dots: list(&mut reader)?,
            clock: list(&mut reader)?,
        };
        if !reader.is_empty() {
            return Err(Damaged("something follows it").into());
        }
        Ok(context)
    }
}

fn list(reader: &mut Reader<'_>) -> Result<Vec<(ActorId, u64)>, Damaged> {
    let count = reader.count(9)?;
    (0..count)
        .map(|_| {
            let actor = ActorId(reader.word()?);
            let number = reader.number()?;
            if number == 0 || number > crate::dot::NUMBER_MAX {
                return Err(Damaged("a number is out of range"));
            }
            Ok((actor, number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: u32) -> ShardNumber {
        ShardNumber::new(number).unwrap()
    }

    #[test]
    fn it_comes_back_as_it_went() {
        let context = Context::new(vec![(ActorId(7), 300)], vec![(ActorId(7), 301), (ActorId(9), 1)]);
        let bytes = context.encode(42, shard(511));
        assert_eq!(Context::decode(&bytes, 42, shard(511)), Ok(context.clone()));
        assert!(context.has_seen(ActorId(7), 301) && !context.has_seen(ActorId(7), 302));
    }

    #[test]
    fn a_write_adds_itself_and_the_oldest_go() {
        let mut context = Context::new(vec![(ActorId(7), 300)], vec![(ActorId(9), 4)]);
        context = context.with(ActorId(7), 302);
        assert!(context.has_seen(ActorId(7), 300) && context.has_seen(ActorId(7), 302));
        assert!(!context.has_seen(ActorId(7), 301), "somebody else's");
        for number in 0..1_000 {
            context = context.with(ActorId(7), 400 + number);
        }
        assert_eq!(context.dots().count(), DOTS_MAX);
        assert!(context.has_seen(ActorId(7), 1_399) && context.has_seen(ActorId(9), 4));
    }

    #[test]
    fn one_of_another_cluster_or_key_is_refused() {
        let bytes = Context::default().encode(42, shard(1));
        assert_eq!(Context::decode(&bytes, 43, shard(1)), Err(ForeignContext::Cluster));
        let other = Context::decode(&bytes, 42, shard(2));
        assert_eq!(other, Err(ForeignContext::Shard { is: 1, wanted: 2 }));
        for end in 0..bytes.len() {
            assert!(Context::decode(&bytes[..end], 42, shard(1)).is_err());
        }
    }
}
