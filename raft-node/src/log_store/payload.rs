//! What an entry carries, in bytes: the same in the log and on the wire.
//!
//! ```text
//! id: u16 LE | version: u8 | body
//!   0x0311  blank        nothing
//!   0x0312  group        the group's bytes as they are
//!   0x0313  membership   the rest of an envelope of this id
//! ```
//!
//! There is no checksum here: the log's record and the network's frame around it carry one.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use bytes::Bytes;
use openraft::{EntryPayload, Membership};

use crate::codec::{self, CodecError, Record};
use crate::consensus::Member;
use crate::state_machine::Group;
use crate::types::MemberId;

type Payload = EntryPayload<Group, MemberId, Member>;

const BLANK_ID: u16 = 0x0311;
const GROUP_ID: u16 = 0x0312;
const PREFIX_VERSION: u8 = 1;

/// Bytes before the body.
pub(super) const PREFIX_BYTES: usize = 3;

/// A membership as it is stored.
#[derive(Encode, Decode)]
struct StoredConfiguration {
    /// One set of voters, or two while the membership changes.
    voters: Vec<Vec<MemberId>>,
    /// Every member, voters and learners, by id.
    members: Vec<(MemberId, Member)>,
}

impl Record for StoredConfiguration {
    const ID: u16 = 0x0313;
    const VERSION: u8 = 1;
}

/// The bytes of `payload`, for the log and for the wire.
pub fn encode_entry_payload(payload: &Payload) -> Result<Bytes, CodecError> {
    let mut out = Vec::with_capacity(payload_bytes(payload));
    encode_payload_into(payload, &mut out)?;
    Ok(Bytes::from(out))
}

pub(super) fn encode_payload_into(payload: &Payload, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match payload {
        EntryPayload::Blank => out.extend_from_slice(&prefix(BLANK_ID)),
        EntryPayload::Normal(group) => {
            out.extend_from_slice(&prefix(GROUP_ID));
            out.extend_from_slice(group.bytes());
        }
        EntryPayload::Membership(membership) => codec::encode_into(&stored(membership), out)?,
    }
    Ok(())
}

/// The payload in `bytes`. A group keeps a slice of them: nothing is copied.
pub fn decode_entry_payload(bytes: Bytes) -> Result<Payload, CodecError> {
    let Some(head) = bytes.first_chunk::<PREFIX_BYTES>() else {
        return Err(CodecError::Truncated {
            have: bytes.len(),
            need: PREFIX_BYTES,
        });
    };
    match (u16::from_le_bytes([head[0], head[1]]), head[2]) {
        (BLANK_ID, PREFIX_VERSION) if bytes.len() == PREFIX_BYTES => Ok(EntryPayload::Blank),
        (BLANK_ID, PREFIX_VERSION) => Err(CodecError::Payload {
            id: BLANK_ID,
            reason: format!("{} bytes left over", bytes.len() - PREFIX_BYTES),
        }),
        (GROUP_ID, PREFIX_VERSION) => Ok(EntryPayload::Normal(Group::from_bytes(bytes.slice(PREFIX_BYTES..)))),
        (StoredConfiguration::ID, StoredConfiguration::VERSION) => {
            membership(codec::decode(&bytes)?).map(EntryPayload::Membership)
        }
        (id, version) => Err(CodecError::Unknown { id, version }),
    }
}

/// About how many bytes `payload` takes; exact for groups, which are what there is much of.
pub(super) fn payload_bytes(payload: &Payload) -> usize {
    match payload {
        EntryPayload::Blank => PREFIX_BYTES,
        EntryPayload::Normal(group) => PREFIX_BYTES + group.bytes().len(),
        EntryPayload::Membership(membership) => codec::HEADER_BYTES + 128 * membership.nodes().count(),
    }
}

fn prefix(id: u16) -> [u8; PREFIX_BYTES] {
    let [low, high] = id.to_le_bytes();
    [low, high, PREFIX_VERSION]
}

fn stored(membership: &Membership<MemberId, Member>) -> StoredConfiguration {
    let voters = membership.get_joint_config().iter();
    StoredConfiguration {
        voters: voters.map(|voters| voters.iter().copied().collect()).collect(),
        members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
    }
}

fn membership(stored: StoredConfiguration) -> Result<Membership<MemberId, Member>, CodecError> {
    let voters: Vec<BTreeSet<MemberId>> = stored.voters.into_iter().map(BTreeSet::from_iter).collect();
    let members: BTreeMap<MemberId, Member> = stored.members.into_iter().collect();
    Membership::new(voters, members).map_err(|error| CodecError::Payload {
        id: StoredConfiguration::ID,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DirectoryId, LogTimeMs};

    fn member(name: &str) -> Member {
        Member {
            peer_address: format!("{name}:1"),
            client_address: format!("{name}:2"),
            directory: DirectoryId(7),
        }
    }

    fn joint() -> Membership<MemberId, Member> {
        let members = BTreeMap::from([(1, member("a")), (2, member("b"))]);
        Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], members).unwrap()
    }

    #[test]
    fn a_blank_payload_is_frozen() {
        let bytes = encode_entry_payload(&EntryPayload::Blank).unwrap();
        assert_eq!(&bytes[..], [0x11, 0x03, 1]);
        assert!(matches!(decode_entry_payload(bytes), Ok(EntryPayload::Blank)));
    }

    #[test]
    fn a_group_is_stored_as_it_is_and_read_without_a_copy() {
        let group = Group::builder(LogTimeMs(1), 2).finish();
        let bytes = encode_entry_payload(&EntryPayload::Normal(group.clone())).unwrap();
        assert_eq!(&bytes[..3], [0x12, 0x03, 1]);
        assert_eq!(&bytes[3..], &group.bytes()[..]);
        let Ok(EntryPayload::Normal(read)) = decode_entry_payload(bytes.clone()) else {
            panic!("not a group");
        };
        assert_eq!(read, group);
        assert_eq!(read.bytes().as_ptr(), bytes[3..].as_ptr());
    }

    #[test]
    fn a_membership_is_frozen() {
        let bytes = encode_entry_payload(&EntryPayload::Membership(joint())).unwrap();
        let payload = [
            2, 1, 1, 2, 1, 2, // voters: [[1], [1, 2]]
            2, 1, 3, b'a', b':', b'1', 3, b'a', b':', b'2', 7, // 1
            2, 3, b'b', b':', b'1', 3, b'b', b':', b'2', 7, // 2
        ];
        assert_eq!(&bytes[..7], [0x13, 0x03, 1, 27, 0, 0, 0]);
        assert_eq!(bytes[codec::HEADER_BYTES..], payload);
        let Ok(EntryPayload::Membership(read)) = decode_entry_payload(bytes) else {
            panic!("not a membership");
        };
        assert_eq!(read, joint());
    }

    #[test]
    fn an_unknown_payload_is_refused_by_id_and_version() {
        for bytes in [&[0x14, 0x03, 1][..], &[0x12, 0x03, 2], &[0x13, 0x03, 9]] {
            assert!(matches!(
                decode_entry_payload(Bytes::copy_from_slice(bytes)),
                Err(CodecError::Unknown { .. })
            ));
        }
        assert!(decode_entry_payload(Bytes::from_static(&[0x11])).is_err());
        assert!(decode_entry_payload(Bytes::from_static(&[0x11, 0x03, 1, 0])).is_err());
    }
}
