//! Frames: their bytes, and bytes that are none.

mod bytes;
mod damage;
mod refusal;

use crate::shard::Shard;
use crate::{ActorId, Actors, AllCounts, ShardLimits, counts::Counts};
use std::sync::Arc;

use super::*;
use crate::shard::{Action, Moment, Write};
use crate::{Address, Clock, Place, Space};

const NOW_MS: u64 = 1_790_000_000_000;

/// An empty shard of the process `actor`, and what it knows of others.
fn shard(actor: u64) -> Shard {
    let actors = Arc::new(Actors::default());
    let me = actors.index(ActorId(actor)).unwrap();
    let counts = Counts::new(Arc::new(AllCounts::default()));
    Shard::new(me, actors, counts, ShardLimits::default())
}

/// A register; which shard it is in depends on its name.
fn place(name: &str) -> Place {
    Place::of(Address {
        domain: 1,
        space: Space::Register,
        name: name.as_bytes(),
        element: None,
    })
}

/// Another name for something in the shard of `place`.
fn neighbour(of: &Place) -> Place {
    let mut names = (0_u32..).map(|number| place(&format!("neighbour {number}")));
    names.find(|place| place.shard(false) == of.shard(false)).unwrap()
}

fn put(shard: &mut Shard, place: &Place, strategy: Strategy, value: &str, expires_at_ms: u64) {
    let action = Action::Put {
        value: value.as_bytes(),
        strategy,
        written: None,
    };
    write(shard, place, action, expires_at_ms);
}

fn write(shard: &mut Shard, place: &Place, action: Action<'_>, expires_at_ms: u64) {
    let write = Write {
        place,
        action,
        context: None,
        expires_at_ms,
    };
    let moment = Moment {
        now_ms: NOW_MS,
        predecessors: &[],
    };
    shard.write(&write, moment).unwrap();
}

/// A shard with a bit of everything: a value that replaced one, siblings, one that ends, a delete, one of another process.
fn furnished() -> (Shard, ShardNumber) {
    let one = place("k");
    let other = neighbour(&one);
    let number = one.shard(false);
    let mut there = shard(0xbeef);
    put(&mut there, &one, Strategy::LastWrite, "there", 0);
    let mut here = shard(0xcafe);
    apply(&mut here, &state(&there, number)).unwrap();
    put(&mut here, &one, Strategy::LastWrite, "here", 0);
    put(&mut here, &other, Strategy::Max, "1", 0);
    write(&mut here, &other, Action::Delete, 0);
    put(&mut here, &other, Strategy::Siblings, "a", NOW_MS + 60_000);
    put(&mut here, &other, Strategy::Siblings, "b", 0);
    (here, number)
}

fn own(shard: &Shard, number: ShardNumber) -> Vec<u8> {
    let mut bytes = Vec::new();
    shard.encode_own(number, 0, &mut bytes).unwrap();
    bytes
}

fn state(shard: &Shard, number: ShardNumber) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoded = shard.encode_state(number, &Clock::default(), &crate::Fetched::default(), &mut bytes);
    encoded.unwrap();
    bytes
}

/// Why something was not applied.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Unusable(Unusable),
    Gap,
}

fn apply(shard: &mut Shard, bytes: &[u8]) -> Result<crate::Applied, Refusal> {
    let (body, _) = split(bytes).map_err(|damaged| Refusal::Unusable(damaged.into()))?;
    apply_body(shard, body)
}

fn apply_body(shard: &mut Shard, body: &[u8]) -> Result<crate::Applied, Refusal> {
    let frame = Frame::decode(body, shard.actors()).map_err(Refusal::Unusable)?;
    frame.apply(shard).map_err(|_| Refusal::Gap)
}
