//! What members send each other about a shard: operations, or its state.
//!
//! ```text
//! frame:  length of the body: u32 LE | crc32c of the body: u32 LE | body
//! body:   version: u8 | kind: u8 | shard | actors: count, then u64 LE each | rest       numbers are varints
//! ops:    ranges: count, then each: actor | number of the first | count | operations
//! op:     flags: u8 | key | [removed: count, then actor | number each] | [value]
//! value:  hlc: u64 LE | strategy: u8 | [end in ms] | bytes
//! state:  clock: count, then actor | number each | retired: likewise | pending: likewise | known: likewise
//!         | values: count, then key | actor | number | flags: u8 | value
//! ```
//! An actor is its place in the body's list, an address or a value a length and bytes.
//!
//! A frame is applied as a whole, under the shard's lock, or not at all. That is what makes it right to leave out a value
//! that is superseded within the frame, and only such a one.

mod ops;
mod receive;
mod state;

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::actor::{ActorId, ActorIndex, Actors, TooManyActors};
use crate::dot::{Dot, NUMBER_MAX};
use crate::entry::{Life, Sibling, Value};
use crate::hlc::Hlc;
use crate::kind::Strategy;
use crate::shard::ShardNumber;
use crate::wire::{self, Damaged, Reader};

pub use ops::{Forgotten, NotEncoded};
pub use receive::{Frame, Unusable, split};

const VERSION: u8 = 1;
const KIND_OPS: u8 = 1;
const KIND_STATE: u8 = 2;

/// Length and checksum.
pub const FRAME_HEAD_BYTES: usize = 8;

const HAS_VALUE: u8 = 1;
const HAS_REMOVED: u8 = 2;
const HAS_END: u8 = 4;

/// Actors of a frame that are looked for one by one: quicker than hashing, as long as they are few.
const ACTORS_SCANNED: usize = 8;
/// What a body has room for from the start; most frames under load take less.
const BODY_BYTES: usize = 4096;

/// Writes a body, giving its actors places as they come.
struct Body {
    rest: Vec<u8>,
    /// The first actors, in their places: nearly always all of them.
    first: SmallVec<[ActorIndex; ACTORS_SCANNED]>,
    /// The others.
    places: HashMap<ActorIndex, u64>,
    ids: Vec<ActorId>,
}

impl Body {
    fn new() -> Self {
        Body {
            rest: Vec::with_capacity(BODY_BYTES),
            first: SmallVec::new(),
            places: HashMap::new(),
            ids: Vec::new(),
        }
    }

    fn actor(&mut self, actor: ActorIndex, actors: &Actors) {
        let place = match self.first.iter().position(|other| *other == actor) {
            Some(place) => place as u64,
            None if self.first.len() < ACTORS_SCANNED => {
                self.first.push(actor);
                self.ids.push(actors.id(actor));
                self.ids.len() as u64 - 1
            }
            None => {
                let ids = &mut self.ids;
                *self.places.entry(actor).or_insert_with(|| {
                    ids.push(actors.id(actor));
                    ids.len() as u64 - 1
                })
            }
        };
        wire::put_number(&mut self.rest, place);
    }

    fn dot(&mut self, dot: Dot, actors: &Actors) {
        self.actor(dot.actor(), actors);
        wire::put_number(&mut self.rest, dot.number());
    }

    fn numbers(&mut self, list: impl Iterator<Item = (ActorIndex, u64)>, actors: &Actors) {
        let list: Vec<_> = list.collect();
        wire::put_number(&mut self.rest, list.len() as u64);
        for (actor, number) in list {
            self.actor(actor, actors);
            wire::put_number(&mut self.rest, number);
        }
    }

    fn value(&mut self, sibling: &Sibling, value: &Value) {
        self.rest.extend_from_slice(&sibling.hlc.0.to_le_bytes());
        self.rest.push(sibling.life.strategy() as u8);
        if sibling.life.ends() {
            wire::put_number(&mut self.rest, sibling.life.expires_at_ms());
        }
        wire::put_bytes(&mut self.rest, value.bytes());
    }

    /// Appends the frame.
    fn finish(self, kind: u8, shard: ShardNumber, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
        out.extend_from_slice(&[VERSION, kind]);
        wire::put_number(out, u64::from(shard.get()));
        wire::put_number(out, self.ids.len() as u64);
        for id in &self.ids {
            out.extend_from_slice(&id.0.to_le_bytes());
        }
        out.extend_from_slice(&self.rest);
        let body = &out[start + FRAME_HEAD_BYTES..];
        let (length, checksum) = (body.len() as u32, crc32c::crc32c(body));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + FRAME_HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Reads a body whose actors are known.
struct BodyReader<'a> {
    reader: Reader<'a>,
    actors: Vec<ActorIndex>,
}

impl<'a> BodyReader<'a> {
    fn new(mut reader: Reader<'a>, actors: &Actors) -> Result<Self, ReadError> {
        let count = reader.count(8)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(actors.index(ActorId(reader.word()?))?);
        }
        Ok(BodyReader { reader, actors: list })
    }

    fn actor(&mut self) -> Result<ActorIndex, Damaged> {
        let place = usize::try_from(self.reader.number()?).unwrap_or(usize::MAX);
        self.actors
            .get(place)
            .copied()
            .ok_or(Damaged("an actor is not in the list"))
    }

    /// A number of an operation; 0 where none is meant.
    fn number(&mut self) -> Result<u64, Damaged> {
        match self.reader.number()? {
            number if number <= NUMBER_MAX => Ok(number),
            _ => Err(Damaged("a number is out of range")),
        }
    }

    fn dot(&mut self) -> Result<Dot, Damaged> {
        let actor = self.actor()?;
        match self.number()? {
            0 => Err(Damaged("a dot has no number")),
            number => Ok(Dot::new(actor, number)),
        }
    }

    fn numbers(&mut self) -> Result<Vec<(ActorIndex, u64)>, Damaged> {
        let count = self.reader.count(2)?;
        (0..count).map(|_| Ok((self.actor()?, self.number()?))).collect()
    }

    fn dots(&mut self) -> Result<Vec<Dot>, Damaged> {
        let count = self.reader.count(2)?;
        (0..count).map(|_| self.dot()).collect()
    }

    fn flags(&mut self) -> Result<u8, Damaged> {
        match self.reader.byte()? {
            flags if flags & !(HAS_VALUE | HAS_REMOVED | HAS_END) == 0 => Ok(flags),
            _ => Err(Damaged("a flag is not known")),
        }
    }

    fn value(&mut self, dot: Dot, flags: u8) -> Result<Sibling, Damaged> {
        let hlc = Hlc(self.reader.word()?);
        let strategy = Strategy::from_number(self.reader.byte()?).ok_or(Damaged("a strategy is not known"))?;
        let expires_at_ms = if flags & HAS_END != 0 { self.reader.number()? } else { 0 };
        Ok(Sibling {
            dot,
            hlc,
            life: Life::new(expires_at_ms, strategy),
            value: Value::keep(self.reader.bytes()?),
        })
    }
}

/// A body cannot be read.
#[derive(Debug)]
enum ReadError {
    Damaged(Damaged),
    Actors(TooManyActors),
}

impl From<Damaged> for ReadError {
    fn from(damaged: Damaged) -> Self {
        ReadError::Damaged(damaged)
    }
}

impl From<TooManyActors> for ReadError {
    fn from(error: TooManyActors) -> Self {
        ReadError::Actors(error)
    }
}

#[cfg(test)]
mod tests;
