//! What a client has seen: the opaque token that makes its reads monotonic at whatever member it asks.
//!
//! ```text
//! version: u8 | cluster: u64 LE | revision | flags: u8 | actors: count, then u64 LE each
//! | shards: count, then each: shard | count, then actor | number each                    numbers are varints
//! ```
//! Several tokens may stand one behind the other: together they say what each of them says.

use std::collections::BTreeMap;

use crate::actor::ActorId;
use crate::dot::NUMBER_MAX;
use crate::shard::ShardNumber;
use crate::wire::{self, Damaged, Reader};

const VERSION: u8 = 1;
const COARSE: u8 = 1;

/// Bytes of an encoded token.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// What a client has seen of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// The highest revision of the strong tier.
    pub revision: u64,
    /// Detail was left out: whoever is asked first catches up with every other member.
    pub coarse: bool,
    shards: BTreeMap<ShardNumber, Vec<(ActorId, u64)>>,
}

/// Why a token cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignToken {
    /// It is not one.
    #[error("the token is damaged, or is none: {0}")]
    Damaged(#[from] Damaged),
    /// It was made by another cluster.
    #[error("the token is of another cluster")]
    Cluster,
}

impl Token {
    /// The client has seen this of a shard.
    pub fn saw(&mut self, shard: ShardNumber, clock: impl IntoIterator<Item = (ActorId, u64)>) {
        let seen = self.shards.entry(shard).or_default();
        for (actor, number) in clock {
            match seen.iter_mut().find(|(other, _)| *other == actor) {
                Some((_, last)) => *last = number.max(*last),
                None => seen.push((actor, number)),
            }
        }
        if seen.is_empty() {
            self.shards.remove(&shard);
        }
    }

    /// What both have seen.
    pub fn merge(&mut self, other: &Token) {
        self.revision = self.revision.max(other.revision);
        self.coarse |= other.coarse;
        for (shard, clock) in &other.shards {
            self.saw(*shard, clock.iter().copied());
        }
    }

    /// What was seen of a shard.
    pub fn of(&self, shard: ShardNumber) -> &[(ActorId, u64)] {
        self.shards.get(&shard).map_or(&[], Vec::as_slice)
    }

    /// Every shard of which something was seen.
    pub fn shards(&self) -> impl Iterator<Item = (ShardNumber, &[(ActorId, u64)])> {
        self.shards.iter().map(|(shard, clock)| (*shard, clock.as_slice()))
    }

    /// Leaves out what `known` holds for: what every member has anyway.
    pub fn forget(&mut self, mut known: impl FnMut(ShardNumber, ActorId, u64) -> bool) {
        self.shards.retain(|shard, clock| {
            clock.retain(|(actor, number)| !known(*shard, *actor, *number));
            !clock.is_empty()
        });
    }

    /// For a client. If it would be longer than [`TOKEN_BYTES_MAX`], the shards are left out, and it says so.
    pub fn encode(&self, cluster: u64) -> Vec<u8> {
        let bytes = self.encode_whole(cluster);
        if bytes.len() <= TOKEN_BYTES_MAX {
            return bytes;
        }
        let coarse = Token {
            revision: self.revision,
            coarse: true,
            shards: BTreeMap::new(),
        };
        coarse.encode_whole(cluster)
    }

    fn encode_whole(&self, cluster: u64) -> Vec<u8> {
        let mut actors: Vec<ActorId> = self.shards.values().flatten().map(|(actor, _)| *actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let mut out = vec![VERSION];
        out.extend_from_slice(&cluster.to_le_bytes());
        wire::put_number(&mut out, self.revision);
        out.push(if self.coarse { COARSE } else { 0 });
        wire::put_number(&mut out, actors.len() as u64);
        for actor in &actors {
            out.extend_from_slice(&actor.0.to_le_bytes());
        }
        wire::put_number(&mut out, self.shards.len() as u64);
        for (shard, clock) in &self.shards {
            wire::put_number(&mut out, u64::from(shard.get()));
            wire::put_number(&mut out, clock.len() as u64);
            for (actor, number) in clock {
                let place = actors.partition_point(|other| other < actor);
                wire::put_number(&mut out, place as u64);
                wire::put_number(&mut out, *number);
            }
        }
        out
    }

    /// What a client handed over: nothing, a token, or several.
    pub fn decode(bytes: &[u8], cluster: u64) -> Result<Self, ForeignToken> {
        let mut reader = Reader::new(bytes);
        let mut token = Token::default();
        while !reader.is_empty() {
            token.merge(&Self::decode_one(&mut reader, cluster)?);
        }
        Ok(token)
    }

    fn decode_one(reader: &mut Reader<'_>, cluster: u64) -> Result<Self, ForeignToken> {
        if reader.byte()? != VERSION {
            return Err(Damaged("its version is not known").into());
        }
        if reader.word()? != cluster {
            return Err(ForeignToken::Cluster);
        }
        let revision = reader.number()?;
        let coarse = reader.byte()? & COARSE != 0;
        let count = reader.count(8)?;
        let actors = (0..count)
            .map(|_| reader.word().map(ActorId))
            .collect::<Result<Vec<_>, _>>()?;
        let mut shards = BTreeMap::new();
        for _ in 0..reader.count(2)? {
            let number = u32::try_from(reader.number()?).unwrap_or(u32::MAX);
            let shard = ShardNumber::new(number).ok_or(Damaged("there is no such shard"))?;
            let mut clock = Vec::new();
            for _ in 0..reader.count(2)? {
                let place = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
                let actor = *actors.get(place).ok_or(Damaged("an actor is not in the list"))?;
                let number = reader.number()?;
                if number > NUMBER_MAX {
                    return Err(Damaged("a number is out of range").into());
                }
                clock.push((actor, number));
            }
            shards.insert(shard, clock);
        }
        Ok(Token {
            revision,
            coarse,
            shards,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: u32) -> ShardNumber {
        ShardNumber::new(number).unwrap()
    }

    fn token(shards: u32) -> Token {
        let mut token = Token {
            revision: 9,
            ..Token::default()
        };
        for number in 0..shards {
            let clock = [(ActorId(1), u64::from(number) + 1), (ActorId(u64::MAX), 1_000_000)];
            token.saw(shard(number), clock);
        }
        token
    }

    #[test]
    fn it_comes_back_as_it_went() {
        for token in [token(0), token(1), token(200)] {
            assert_eq!(Token::decode(&token.encode(7), 7), Ok(token));
        }
        assert_eq!(Token::decode(&[], 7), Ok(Token::default()));
        assert_eq!(Token::decode(&token(1).encode(7), 8), Err(ForeignToken::Cluster));
    }

    #[test]
    fn a_long_one_forgets_detail_and_says_so() {
        let long = token(512);
        assert!(!long.coarse);
        let bytes = long.encode(7);
        assert!(bytes.len() <= TOKEN_BYTES_MAX);
        let read = Token::decode(&bytes, 7).unwrap();
        assert!(read.coarse);
        assert_eq!(read.revision, 9);
    }

    #[test]
    fn several_are_one() {
        let (mut one, other) = (token(2), token(3));
        let both = [one.encode(7), other.encode(7)].concat();
        one.merge(&other);
        assert_eq!(Token::decode(&both, 7), Ok(one));
    }

    #[test]
    fn damaged_ones_are_refused() {
        let bytes = token(3).encode(7);
        for end in 1..bytes.len() {
            assert!(Token::decode(&bytes[..end], 7).is_err());
        }
    }

    #[test]
    fn what_everybody_has_is_left_out() {
        let mut token = token(3);
        token.forget(|shard, actor, number| shard.get() == 1 || (actor == ActorId(1) && number <= 3));
        assert_eq!(token.of(shard(0)), [(ActorId(u64::MAX), 1_000_000)]);
        assert_eq!(token.of(shard(1)), []);
        assert_eq!(token.shards().count(), 2);
    }
}
