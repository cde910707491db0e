//! What a peer lacks, by its clocks.

use quorate_eventual::{Clock, ShardNumber};

use crate::eventual::Tier;

/// A frame that brings a shard of a peer to what this member has.
pub(super) struct Repair {
    /// The frame.
    pub(super) frame: Vec<u8>,
    /// It is the whole shard.
    pub(super) whole: bool,
}

/// The frame for a peer whose shard has this clock; none if it lacks nothing.
pub(super) fn repair(tier: &Tier, number: ShardNumber, have: &Clock) -> Option<Repair> {
    let shard = tier.store.lock(number);
    if have.includes(shard.clock()) {
        return None;
    }
    let mut frame = Vec::new();
    // Operations may be more than there is: each value that was written, not only the last.
    if shard.encode_missing(number, have, &mut frame).is_ok() && frame.len() <= tier.options.frame_bytes_max {
        return Some(Repair { frame, whole: false });
    }
    frame.clear();
    shard.encode_state(number, have, &mut frame);
    Some(Repair { frame, whole: true })
}
