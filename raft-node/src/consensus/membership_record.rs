//! The membership as bytes: in log entries, in the state and in snapshots.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use openraft::Membership;
use openraft::vote::leader_id_std::CommittedLeaderId;

use super::{LogId, Member, StoredMembership};
use crate::codec::{self, CodecError, Record};
use crate::types::MemberId;

#[derive(Debug, PartialEq, Encode, Decode)]
struct MembershipRecord {
    /// Term and index of the entry that set it.
    log_id: Option<(u64, u64)>,
    /// One set of voters; two while a change is under way.
    voters: Vec<BTreeSet<MemberId>>,
    /// Voters and learners.
    members: BTreeMap<MemberId, Member>,
}

impl Record for MembershipRecord {
    const ID: u16 = 0x0402;
    const VERSION: u8 = 1;
}

/// A log id from its parts.
pub fn log_id_of((term, index): (u64, u64)) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

/// The bytes of a membership.
pub fn encode_membership(stored: &StoredMembership) -> Result<Vec<u8>, CodecError> {
    let membership = stored.membership();
    codec::encode(&MembershipRecord {
        log_id: stored.log_id().as_ref().map(|id| (*id.committed_leader_id(), id.index)),
        voters: membership.get_joint_config().clone(),
        members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
    })
}

/// The membership of these bytes.
pub fn decode_membership(bytes: &[u8]) -> Result<StoredMembership, CodecError> {
    let record: MembershipRecord = codec::decode(bytes)?;
    let membership = Membership::new(record.voters, record.members)
        .map_err(|error| CodecError::Payload { id: MembershipRecord::ID, reason: error.to_string() })?;
    Ok(StoredMembership::new(record.log_id.map(log_id_of), membership))
}
