//! The eventual tier's store: a write, and how it comes to a peer.

use quorate_eventual::frame::{Frame, split};
use quorate_eventual::{
    Action, ActorId, Address, Moment, Place, ShardLimits, ShardNumber, Space, Store, Strategy, Write,
};

use super::{Piece, value};

/// Any: it only has to be a time.
const NOW_MS: u64 = 1_790_000_000_000;
const DOMAIN: u32 = 1;
const EACH: usize = 64;
const KEYS: usize = 1_024;
/// A stride that visits every key, and neighbours never one after the other.
const STRIDE: usize = 619;
const VALUE_BYTES: usize = 256;

/// Writes to shards in turns; addresses are encoded and hashed each time, as those of requests are.
pub(super) fn write() -> Piece {
    let store = store(1);
    let names: Vec<String> = (0..KEYS).map(name).collect();
    let value = value(VALUE_BYTES, 1);
    let mut at = 0;
    let step = move || {
        for _ in 0..EACH {
            at = (at + STRIDE) % KEYS;
            let place = place(&names[at]);
            let shard = place.shard(false);
            write_one(&store, shard, &place, &value)?;
            acknowledge(&store, shard);
        }
        Ok(())
    };
    Piece {
        operations: EACH as u32,
        warm: 64,
        steps: 64,
        step: Box::new(step),
    }
}

/// Writes to one shard, and has a peer apply what its frame says.
pub(super) fn frame() -> Result<Piece, String> {
    let (here, there) = (store(1), store(2));
    let shard = place(&name(0)).shard(false);
    // One name in 256 is in the shard.
    let names = (0..1_000_000)
        .map(name)
        .filter(|name| place(name).shard(false) == shard);
    let places: Vec<Place> = names.take(EACH).map(|name| place(&name)).collect();
    if places.len() < EACH {
        return Err(format!("only {} of a million names are in one shard", places.len()));
    }
    let value = value(VALUE_BYTES, 2);
    let step = move || {
        let before = here.lock(shard).own_number();
        for place in &places {
            write_one(&here, shard, place, &value)?;
        }
        let mut bytes = Vec::new();
        let encoded = here.lock(shard).encode_own(shard, before, &mut bytes);
        encoded.map_err(|forgotten| format!("the frame cannot be made: {forgotten:?}"))?;
        let (body, _) = split(&bytes).map_err(|error| error.to_string())?;
        let frame = Frame::decode(body, there.actors()).map_err(|error| error.to_string())?;
        let applied = frame.apply(&mut there.lock(shard));
        applied.map_err(|gap| format!("the frame does not follow what the peer has: {gap:?}"))?;
        acknowledge(&here, shard);
        match there.lock(shard).len() {
            EACH => Ok(()),
            other => Err(format!("{other} entries at the peer, where {EACH} were written")),
        }
    };
    Ok(Piece {
        operations: 1,
        warm: 8,
        steps: 64,
        step: Box::new(step),
    })
}

fn store(actor: u64) -> Store {
    Store::new(ActorId(actor), ShardLimits::default())
}

fn name(number: usize) -> String {
    format!("worker/{number:08}/heartbeat")
}

fn place(name: &str) -> Place {
    Place::of(Address {
        domain: DOMAIN,
        space: Space::Register,
        name: name.as_bytes(),
        element: None,
    })
}

fn write_one(store: &Store, shard: ShardNumber, place: &Place, value: &[u8]) -> Result<(), String> {
    let write = Write {
        place,
        action: Action::Put {
            value,
            strategy: Strategy::LastWrite,
            written: None,
        },
        context: None,
        expires_at_ms: 0,
    };
    let moment = Moment {
        now_ms: NOW_MS,
        predecessors: &[],
    };
    let written = store.lock(shard).write(&write, moment);
    written.map_err(|refused| refused.to_string())?;
    store.wrote(shard);
    Ok(())
}

/// Peers have everything, so that nothing is kept for them.
fn acknowledge(store: &Store, shard: ShardNumber) {
    let mut shard = store.lock(shard);
    let number = shard.own_number();
    shard.acknowledged_by_all(number);
}
