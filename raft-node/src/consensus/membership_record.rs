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
    /// Every id that was ever a member: none is used twice.
    used: BTreeSet<MemberId>,
}

impl Record for MembershipRecord {
    const ID: u16 = 0x0402;
    const VERSION: u8 = 1;
}

/// A log id from its parts.
pub fn log_id_of((term, index): (u64, u64)) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

/// The bytes of a membership that follows `before` (its bytes), whose used ids it keeps.
pub fn encode_membership(stored: &StoredMembership, before: Option<&[u8]>) -> Result<Vec<u8>, CodecError> {
    let membership = stored.membership();
    let mut used = before.map(used_member_ids).transpose()?.unwrap_or_default();
    used.extend(membership.nodes().map(|(id, _)| *id));
    codec::encode(&MembershipRecord {
        log_id: stored
            .log_id()
            .as_ref()
            .map(|id| (**id.committed_leader_id(), id.index)),
        voters: membership.get_joint_config().clone(),
        members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
        used,
    })
}

/// Every id that was ever a member, up to the membership of these bytes.
pub fn used_member_ids(bytes: &[u8]) -> Result<BTreeSet<MemberId>, CodecError> {
    Ok(codec::decode::<MembershipRecord>(bytes)?.used)
}

/// The membership of these bytes.
pub fn decode_membership(bytes: &[u8]) -> Result<StoredMembership, CodecError> {
    let record: MembershipRecord = codec::decode(bytes)?;
    let membership = Membership::new(record.voters, record.members).map_err(|error| CodecError::Payload {
        id: MembershipRecord::ID,
        reason: error.to_string(),
    })?;
    Ok(StoredMembership::new(record.log_id.map(log_id_of), membership))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DirectoryId;

    fn stored(ids: &[MemberId]) -> StoredMembership {
        let member = Member {
            peer_address: String::from("p"),
            client_address: String::from("c"),
            directory: DirectoryId(5),
        };
        let nodes: BTreeMap<_, _> = ids.iter().map(|id| (*id, member.clone())).collect();
        let voters = vec![ids.iter().copied().collect()];
        StoredMembership::new(Some(log_id_of((2, 9))), Membership::new(voters, nodes).unwrap())
    }

    #[test]
    fn membership_bytes_are_frozen() {
        let bytes = encode_membership(&stored(&[1]), None).unwrap();
        assert_eq!(
            bytes[codec::HEADER_BYTES..],
            [1, 2, 9, 1, 1, 1, 1, 1, 1, b'p', 1, b'c', 5, 1, 1]
        );
        assert_eq!(bytes[..3], [0x02, 0x04, 1]);
        assert_eq!(decode_membership(&bytes).unwrap(), stored(&[1]));
    }

    #[test]
    fn an_id_that_was_removed_stays_used() {
        let before = encode_membership(&stored(&[1, 2, 3]), None).unwrap();
        let after = encode_membership(&stored(&[1, 2]), Some(&before)).unwrap();
        assert_eq!(used_member_ids(&after).unwrap(), BTreeSet::from([1, 2, 3]));
    }
}
