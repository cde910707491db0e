//! The state of a shard, as a frame.

use super::{Body, BodyReader, HAS_END, KIND_STATE, ReadError};
use crate::clock::Clock;
use crate::entry::Entry;
use crate::key::{KEY_BYTES_MIN, Key};
use crate::shard::{Cold, Fetched, RemoteState, Shard, ShardNumber};
use crate::wire::{self, Damaged};

impl Shard {
    /// Appends a frame of the state, without the values that a member with this clock has had. Those that are on the disk alone
    /// have to be among `fetched`; where some are not, nothing is appended, and they are what is returned.
    pub fn encode_state(
        &self,
        number: ShardNumber,
        have: &Clock,
        fetched: &Fetched,
        out: &mut Vec<u8>,
    ) -> Result<(), Vec<Cold>> {
        let cold = self.cold_of_state(have, fetched);
        if !cold.is_empty() {
            return Err(cold);
        }
        let actors = self.actors();
        let mut body = Body::new();
        body.numbers(self.clock().iter(), actors);
        body.numbers(self.clock().retired(), actors);
        body.numbers(self.pending().map(|dot| (dot.actor(), dot.number())), actors);
        let siblings = || {
            self.entries()
                .flat_map(|entry| entry.siblings().map(move |sibling| (entry, sibling)))
                .filter(|(_, sibling)| self.is_sent(sibling))
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
            match fetched.value_of(sibling) {
                Some(value) => body.value(sibling, value),
                None => return Err(vec![Cold::of(&entry.key, sibling.dot)]),
            }
        }
        body.finish(KIND_STATE, number, out);
        Ok(())
    }

    fn cold_of_state(&self, have: &Clock, fetched: &Fetched) -> Vec<Cold> {
        if !self.has_cold() {
            return Vec::new();
        }
        let lacking = |entry: &Entry| {
            let cold = entry
                .siblings()
                .filter(|sibling| self.is_sent(sibling) && !have.covers(sibling.dot));
            let cold = cold.filter(|sibling| fetched.value_of(sibling).is_none());
            cold.map(|sibling| Cold::of(&entry.key, sibling.dot))
                .collect::<Vec<_>>()
        };
        self.entries().flat_map(lacking).collect()
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
