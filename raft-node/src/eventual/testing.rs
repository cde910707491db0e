//! Members of a tier without a network: what one wrote is brought to another by hand.

use std::sync::Arc;

use quorate_eventual::frame::{Frame, split};
use quorate_eventual::{Action, ActorId, Address, Clock, Moment, Place, ShardNumber, Space, Strategy, Write};

use super::replication::repair;
use super::{EventualOptions, Tier};
use crate::environment::SystemClock;

/// A member's tier, of the process `id`.
pub fn tier(id: u64) -> Arc<Tier> {
    Tier::new(ActorId(id), EventualOptions::default(), Arc::new(SystemClock))
}

/// The place of a name.
pub fn place(domain: u32, space: Space, name: &str) -> Place {
    Place::of(Address {
        domain,
        space,
        name: name.as_bytes(),
        element: None,
    })
}

/// A value in place of what is there.
pub fn value(value: &str) -> Action<'_> {
    Action::Put {
        value: value.as_bytes(),
        strategy: Strategy::LastWrite,
        written: None,
    }
}

/// Does a write in one of the shards of volatile domains, or of durable ones.
pub fn write(tier: &Tier, place: &Place, volatile: bool, action: Action<'_>, expires_at_ms: u64) {
    let write = Write {
        place,
        action,
        context: None,
        expires_at_ms,
    };
    let predecessors = tier.store.predecessors();
    let moment = Moment {
        now_ms: tier.wall_ms(),
        predecessors: &predecessors,
    };
    tier.store.lock(place.shard(volatile)).write(&write, moment).unwrap();
}

/// What each shard has: the hash of its clock, the digest of its values, and how many there are.
pub fn states(tier: &Tier) -> Vec<(u64, u64, usize)> {
    let state = |number| {
        let shard = tier.store.lock(number);
        (shard.clock().hash(tier.store.actors()), shard.digest(), shard.len())
    };
    ShardNumber::all().map(state).collect()
}

/// Brings each what the other has.
pub fn exchange(one: &Tier, other: &Tier) {
    send(one, other);
    send(other, one);
    assert_eq!(states(one), states(other));
}

/// Brings `to` everything that `from` has.
pub fn send(from: &Tier, to: &Tier) {
    for number in ShardNumber::all() {
        let have = clock_of(to, number, from);
        let Some(repair) = repair(from, number, &have).unwrap() else {
            continue;
        };
        let (body, _) = split(&repair.frame).unwrap();
        let frame = Frame::decode(body, to.store.actors()).unwrap();
        frame.apply(&mut to.store.lock(number)).unwrap();
    }
}

/// The clock of a shard of `at`, as it is told to `reader`: by ids, into the places of the other.
fn clock_of(at: &Tier, number: ShardNumber, reader: &Tier) -> Clock {
    let shard = at.store.lock(number);
    let mut clock = Clock::default();
    for (actor, last) in shard.clock().iter() {
        let id = at.store.actors().id(actor);
        clock.advance(reader.store.actors().index(id).unwrap(), last);
    }
    clock
}
