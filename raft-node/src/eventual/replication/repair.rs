//! What a peer lacks, by its clocks.

use quorate_eventual::frame::NotEncoded;
use quorate_eventual::{Clock, Cold, Fetched, Shard, ShardNumber};

use crate::eventual::Tier;
use crate::eventual::cold::{LostValue, UNLOCKED_TRIES};

/// A frame that brings a shard of a peer to what this member has.
#[derive(Debug)]
pub(in crate::eventual) struct Repair {
    /// The frame.
    pub(in crate::eventual) frame: Vec<u8>,
    /// It is the whole shard.
    pub(super) whole: bool,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(in crate::eventual) enum NotRepaired {
    /// What has to be sent is on this member's disk alone, and cannot be read there.
    #[error(transparent)]
    Lost(#[from] LostValue),
    /// It would have more bytes than a frame may have.
    #[error("a frame of {bytes} bytes or more is too large to be sent")]
    TooLarge {
        /// How many, as far as they were counted.
        bytes: u64,
    },
}

/// The frame for a peer whose shard has this clock; none if it lacks nothing. Values that are on the disk alone are brought
/// first: it may block.
pub(in crate::eventual) fn repair(
    tier: &Tier,
    number: ShardNumber,
    have: &Clock,
) -> Result<Option<Repair>, NotRepaired> {
    let mut fetched = Fetched::default();
    let mut tries = 0;
    let bytes_max = tier.options.frame_bytes_max;
    loop {
        let shard = tier.store.lock(number);
        if have.includes(shard.clock()) {
            return Ok(None);
        }
        let cold = match encode(tier, &shard, number, have, &fetched) {
            Ok(repair) if repair.frame.len() <= bytes_max => return Ok(Some(repair)),
            Ok(Repair { frame, .. }) => {
                let bytes = frame.len() as u64;
                return Err(NotRepaired::TooLarge { bytes });
            }
            Err(cold) => cold,
        };
        // Nothing is brought that cannot go.
        let bytes = cold.iter().map(|cold| u64::from(shard.cold_bytes(cold))).sum();
        if bytes > bytes_max as u64 {
            return Err(NotRepaired::TooLarge { bytes });
        }
        tries += 1;
        if tries > UNLOCKED_TRIES {
            tier.fetch_locked(number, &shard, &cold, &mut fetched)?;
        } else {
            drop(shard);
            tier.fetch(number, &cold, &mut fetched)?;
        }
    }
}

/// Fails with the values that have to be brought first.
fn encode(
    tier: &Tier,
    shard: &Shard,
    number: ShardNumber,
    have: &Clock,
    fetched: &Fetched,
) -> Result<Repair, Vec<Cold>> {
    let mut frame = Vec::new();
    // Operations may be more than there is: each value that was written, not only the last.
    match shard.encode_missing(number, have, fetched, &mut frame) {
        Ok(()) if frame.len() <= tier.options.frame_bytes_max => return Ok(Repair { frame, whole: false }),
        Err(NotEncoded::Cold(cold)) => return Err(cold),
        Ok(()) | Err(NotEncoded::Forgotten) => {}
    }
    frame.clear();
    shard.encode_state(number, have, fetched, &mut frame)?;
    Ok(Repair { frame, whole: true })
}
