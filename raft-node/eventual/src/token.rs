//! What a client has seen: the opaque token that makes its reads monotonic at whatever member it asks.
//!
//! A token is a sequence of *marks*, each a key and a number; of two marks with one key the greater number says more. So a
//! client can join tokens without knowing what they mean, and hand a member only what it is not known to have.
//!
//! ```text
//! mark:  length of the key | key | number                                            numbers are varints
//! key:   1: u8 | cluster: u32 LE | shard: u16 LE | actor: u64 LE     the actor's operations in the shard, up to number
//!        2: u8 | cluster: u32 LE                                     detail was left out; the number is 1
//!        3: u8 | cluster: u32 LE                                     what every member had was left out; likewise
//! ```

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::actor::ActorId;
use crate::dot::NUMBER_MAX;
use crate::shard::ShardNumber;
use crate::wire::{self, Damaged, Reader};

const SHARD: u8 = 1;
const COARSE: u8 = 2;
const SETTLED: u8 = 3;
const SHARD_KEY_BYTES: usize = 15;

/// Bytes of a token that a member makes: room for three processes that write in every shard. While a member is down, nothing
/// can be left out because every member has it; then what does not fit makes the next read hear every other member.
pub const TOKEN_BYTES_MAX: usize = 32 << 10;
/// Bytes of a token that a member takes: a client may have joined those of several answers.
pub const TOKEN_BYTES_TAKEN_MAX: usize = 256 << 10;

/// What a client has seen of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Detail was left out: whoever is asked first catches up with every other member.
    pub coarse: bool,
    /// What every member had was left out: a member that has just started must not answer before it has that again.
    pub settled: bool,
    /// Hardly ever more than one process a shard.
    shards: BTreeMap<ShardNumber, SmallVec<[(ActorId, u64); 1]>>,
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
    /// It is longer than tokens are, however many were joined.
    #[error("the token has {bytes} bytes; the limit is {TOKEN_BYTES_TAKEN_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
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
        self.coarse |= other.coarse;
        self.settled |= other.settled;
        for (shard, clock) in &other.shards {
            self.saw(*shard, clock.iter().copied());
        }
    }

    /// What was seen of a shard.
    pub fn of(&self, shard: ShardNumber) -> &[(ActorId, u64)] {
        self.shards.get(&shard).map_or(&[], SmallVec::as_slice)
    }

    /// Every shard of which something was seen.
    pub fn shards(&self) -> impl Iterator<Item = (ShardNumber, &[(ActorId, u64)])> {
        self.shards.iter().map(|(shard, clock)| (*shard, clock.as_slice()))
    }

    /// Leaves out what `known` holds for: what every member has anyway.
    /// Notes that it did.
    pub fn forget(&mut self, mut known: impl FnMut(ShardNumber, ActorId, u64) -> bool) {
        self.shards.retain(|shard, clock| {
            let before = clock.len();
            clock.retain(|(actor, number)| !known(*shard, *actor, *number));
            self.settled |= clock.len() < before;
            !clock.is_empty()
        });
    }

    /// Nothing was seen.
    pub fn is_empty(&self) -> bool {
        !self.coarse && !self.settled && self.shards.is_empty()
    }

    /// For a client. If it would be longer than [`TOKEN_BYTES_MAX`], the shards are left out, and it says so.
    pub fn encode(&self, cluster: u64) -> Vec<u8> {
        let tag = tag(cluster);
        let mut out = Vec::new();
        if self.coarse {
            put_flag(&mut out, COARSE, tag);
        }
        if self.settled {
            put_flag(&mut out, SETTLED, tag);
        }
        for (shard, clock) in &self.shards {
            for (actor, number) in clock {
                let mut key = [0; SHARD_KEY_BYTES];
                key[0] = SHARD;
                key[1..5].copy_from_slice(&tag);
                key[5..7].copy_from_slice(&shard.get().to_le_bytes());
                key[7..].copy_from_slice(&actor.0.to_le_bytes());
                wire::put_bytes(&mut out, &key);
                wire::put_number(&mut out, *number);
            }
            if out.len() > TOKEN_BYTES_MAX {
                out.clear();
                put_flag(&mut out, COARSE, tag);
                break;
            }
        }
        out
    }

    /// What a client handed over: at most [`TOKEN_BYTES_TAKEN_MAX`].
    pub fn decode(bytes: &[u8], cluster: u64) -> Result<Self, ForeignToken> {
        if bytes.len() > TOKEN_BYTES_TAKEN_MAX {
            return Err(ForeignToken::TooLong { bytes: bytes.len() });
        }
        let tag = tag(cluster);
        let mut reader = Reader::new(bytes);
        let mut token = Token::default();
        // Looked up, not searched: a client can make up thousands of actors in one shard.
        let mut marks: BTreeMap<(ShardNumber, ActorId), u64> = BTreeMap::new();
        while !reader.is_empty() {
            let key = reader.bytes()?;
            let number = reader.number()?;
            let (kind, of, rest) = match key {
                [kind, of @ ..] if of.len() >= 4 => (*kind, &of[..4], &of[4..]),
                _ => return Err(Damaged("a mark has no key").into()),
            };
            if of != tag {
                return Err(ForeignToken::Cluster);
            }
            match (kind, rest) {
                (COARSE, []) => token.coarse = true,
                (SETTLED, []) => token.settled = true,
                (SHARD, rest) => {
                    let mut rest = Reader::new(rest);
                    let shard = u32::from(rest.byte()?) | u32::from(rest.byte()?) << 8;
                    let shard = ShardNumber::new(shard).ok_or(Damaged("there is no such shard"))?;
                    let actor = ActorId(rest.word()?);
                    if number > NUMBER_MAX || !rest.is_empty() {
                        return Err(Damaged("a mark is out of range").into());
                    }
                    let last = marks.entry((shard, actor)).or_default();
                    *last = number.max(*last);
                }
                _ => return Err(Damaged("a mark is of no known kind").into()),
            }
        }
        for ((shard, actor), number) in marks {
            token.shards.entry(shard).or_default().push((actor, number));
        }
        Ok(token)
    }
}

/// Enough of a cluster's id to notice another one's token.
fn tag(cluster: u64) -> [u8; 4] {
    let hash = xxhash_rust::xxh3::xxh3_64(&cluster.to_le_bytes());
    (hash as u32).to_le_bytes()
}

fn put_flag(out: &mut Vec<u8>, kind: u8, tag: [u8; 4]) {
    let mut key = vec![kind];
    key.extend_from_slice(&tag);
    wire::put_bytes(out, &key);
    wire::put_number(out, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: u32) -> ShardNumber {
        ShardNumber::new(number).unwrap()
    }

    fn token(shards: u32) -> Token {
        let mut token = Token::default();
        for number in 0..shards {
            let clock = [(ActorId(1), u64::from(number) + 1), (ActorId(u64::MAX), 1_000_000)];
            token.saw(shard(number), clock);
        }
        token
    }

    #[test]
    fn it_comes_back_as_it_went() {
        for token in [token(0), token(1), token(80)] {
            assert_eq!(Token::decode(&token.encode(7), 7), Ok(token));
        }
        assert_eq!(Token::decode(&[], 7), Ok(Token::default()));
        assert_eq!(Token::decode(&token(1).encode(7), 8), Err(ForeignToken::Cluster));
    }

    #[test]
    fn a_long_one_forgets_detail_and_says_so() {
        let mut long = token(512);
        (0..512).for_each(|number| long.saw(shard(number), [(ActorId(2), 1_000_000)]));
        let read = Token::decode(&long.encode(7), 7).unwrap();
        assert!(!read.coarse, "three processes in every shard");
        (0..512).for_each(|number| long.saw(shard(number), [(ActorId(3), 1_000_000)]));
        assert!(!long.coarse);
        let bytes = long.encode(7);
        assert!(bytes.len() <= TOKEN_BYTES_MAX);
        let read = Token::decode(&bytes, 7).unwrap();
        assert!(read.coarse);
    }

    #[test]
    fn one_that_is_longer_than_any_is_refused_and_made_up_actors_cost_nothing() {
        let mut made_up = Token::default();
        let actors = (0..TOKEN_BYTES_TAKEN_MAX as u64 / 20).map(|actor| (ActorId(actor), 1 << 20));
        made_up.shards.insert(shard(0), actors.collect());
        let mut bytes = Vec::new();
        for one in made_up.shards[&shard(0)].chunks(500) {
            let mut part = Token::default();
            part.saw(shard(0), one.iter().copied());
            bytes.extend(part.encode(7));
        }
        assert!(bytes.len() > TOKEN_BYTES_TAKEN_MAX * 9 / 10);
        assert_eq!(Token::decode(&bytes, 7), Ok(made_up));
        bytes.resize(TOKEN_BYTES_TAKEN_MAX + 1, 0);
        let bytes_of_it = bytes.len();
        assert_eq!(
            Token::decode(&bytes, 7),
            Err(ForeignToken::TooLong { bytes: bytes_of_it })
        );
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
        // The first mark ends behind its length, its key and a number of one byte.
        for end in 1..=SHARD_KEY_BYTES + 1 {
            assert!(Token::decode(&bytes[..end], 7).is_err(), "{end} of {}", bytes.len());
        }
        assert!(Token::decode(&[3, 9, 9, 9, 1], 7).is_err());
    }

    #[test]
    fn what_everybody_has_is_left_out() {
        let mut token = token(3);
        token.forget(|shard, actor, number| shard.get() == 1 || (actor == ActorId(1) && number <= 3));
        assert_eq!(token.of(shard(0)), [(ActorId(u64::MAX), 1_000_000)]);
        assert_eq!(token.of(shard(1)), []);
        assert_eq!(token.shards().count(), 2);
        assert!(Token::decode(&token.encode(7), 7).unwrap().settled);
    }
}
