//! Clocks of shards, as members tell each other.

use bytes::Bytes;
use quorate_eventual::{ActorId, Clock, Shard, ShardNumber, TooManyActors};
use quorate_proto::internal as proto;

use crate::eventual::Tier;

/// Bytes a shard takes in [`hashes`].
pub(super) const HASHES_BYTES: usize = 16;

/// A shard's clock, for a peer. Retired processes are in it: a peer that did not know that their operations are here would send
/// whole states.
pub(super) fn told(tier: &Tier, number: ShardNumber, shard: &Shard) -> proto::ShardClock {
    let mut clock = proto::ShardClock {
        shard: u32::from(number.get()),
        ..proto::ShardClock::default()
    };
    for (actor, last) in shard.clock().all() {
        clock.actors.push(tier.store.actors().id(actor).0);
        clock.numbers.push(last);
    }
    clock
}

/// The clocks of all shards.
pub(in crate::eventual) fn all(tier: &Tier) -> Vec<proto::ShardClock> {
    ShardNumber::all()
        .map(|number| told(tier, number, &tier.store.lock(number)))
        .collect()
}

/// A clock that a peer told, and of which shard. None if there is no such shard.
pub(super) fn heard(tier: &Tier, told: &proto::ShardClock) -> Result<Option<(ShardNumber, Clock)>, TooManyActors> {
    let Some(shard) = ShardNumber::new(told.shard) else {
        return Ok(None);
    };
    let mut clock = Clock::default();
    for (actor, number) in told.actors.iter().zip(&told.numbers) {
        clock.advance(tier.store.actors().index(ActorId(*actor))?, *number);
    }
    Ok(Some((shard, clock)))
}

/// For each shard the hash of its clock and the digest of its state: 8 bytes each, the lowest first.
pub(super) fn hashes(tier: &Tier) -> Bytes {
    let mut bytes = Vec::with_capacity(HASHES_BYTES * usize::from(quorate_eventual::SHARDS));
    for number in ShardNumber::all() {
        let shard = tier.store.lock(number);
        bytes.extend_from_slice(&shard.clock().hash(tier.store.actors()).to_le_bytes());
        bytes.extend_from_slice(&shard.digest().to_le_bytes());
    }
    Bytes::from(bytes)
}

/// What [`hashes`] says of each shard.
pub(super) fn each_hash(bytes: &[u8]) -> impl Iterator<Item = (ShardNumber, u64, u64)> + '_ {
    let (chunks, _) = bytes.as_chunks::<HASHES_BYTES>();
    ShardNumber::all().zip(chunks).map(|(shard, chunk)| {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&chunk[at..at + 8]);
            u64::from_le_bytes(word)
        };
        (shard, word(0), word(8))
    })
}
