//! The state of a shard, as a frame.

use super::{Body, BodyReader, HAS_END, KIND_STATE, ReadError};
use crate::clock::Clock;
use crate::key::{KEY_BYTES_MIN, Key};
use crate::shard::{RemoteState, Shard, ShardNumber};
use crate::wire::{self, Damaged};

impl Shard {
    /// Appends a frame of the state, without the values that a member with this clock has had.
    pub fn encode_state(&self, number: ShardNumber, have: &Clock, out: &mut Vec<u8>) {
        let actors = self.actors();
        let mut body = Body::new();
        body.numbers(self.clock().iter(), actors);
        body.numbers(self.clock().retired(), actors);
        body.numbers(self.pending().map(|dot| (dot.actor(), dot.number())), actors);
        let siblings = || {
            self.entries()
                .flat_map(|entry| entry.siblings().map(move |sibling| (entry, sibling)))
        };
        let known = siblings()
            .map(|(_, sibling)| sibling.dot)
            .filter(|dot| have.covers(*dot));
        body.numbers(known.map(|dot| (dot.actor(), dot.number())), actors);
        let new = || siblings().filter(|(_, sibling)| !have.covers(sibling.dot));
        wire::put_number(&mut body.rest, new().count() as u64);
        for (entry, sibling) in new() {
            wire::put_bytes(&mut body.rest, entry.key.bytes());
            body.dot(sibling.dot, actors);
            body.rest.push(if sibling.life.ends() { HAS_END } else { 0 });
            body.value(sibling);
        }
        body.finish(KIND_STATE, number, out);
    }
}

/// A key with its length, a dot, flags, a moment, a strategy, the length of a value.
const VALUE_BYTES_MIN: usize = 1 + KEY_BYTES_MIN + 2 + 1 + 8 + 1 + 1;

/// The state of a body.
pub(super) fn decode(body: &mut BodyReader<'_>) -> Result<RemoteState, ReadError> {
    let mut clock = Clock::default();
    for (actor, number) in body.numbers()? {
        clock.advance(actor, number);
    }
    for (actor, last) in body.numbers()? {
        clock.advance(actor, last);
        clock.retire(actor, last);
    }
    let pending = body.dots()?;
    let known = body.dots()?;
    let count = body.reader.count(VALUE_BYTES_MIN)?;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let key = Key::decode(body.reader.bytes()?)?;
        let dot = body.dot()?;
        if !clock.covers(dot) {
            return Err(Damaged("a value is not among what the state covers").into());
        }
        let flags = body.flags()?;
        values.push((key, body.value(dot, flags)?));
    }
    if !body.reader.is_empty() {
        return Err(Damaged("something follows the state").into());
    }
    Ok(RemoteState {
        clock,
        pending,
        known,
        values,
    })
}
