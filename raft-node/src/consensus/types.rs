//! The concrete types with which openraft is used.

use std::fmt;

use bincode::{Decode, Encode};

use crate::state_machine::{Group, GroupReply};
use crate::types::{DirectoryId, MemberId};

openraft::declare_raft_types!(
    /// One leader a term (standard Raft), commands packed in groups.
    pub TypeConfig:
        D = Group,
        R = GroupReply,
        NodeId = MemberId,
        Node = Member,
        LeaderId = openraft::vote::leader_id_std::LeaderId<u64, MemberId>,
);

/// What the membership records of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    /// `host:port` for its peers.
    pub peer_address: String,
    /// `host:port` for clients.
    pub client_address: String,
    /// Identity of its data directory: peers refuse any other under this member's id.
    pub directory: DirectoryId,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (directory {})", self.peer_address, self.directory)
    }
}

/// Position of an entry in the log.
pub type LogId = openraft::alias::LogIdOf<TypeConfig>;
/// A vote.
pub type Vote = openraft::alias::VoteOf<TypeConfig>;
/// An entry of the log.
pub type Entry = openraft::alias::EntryOf<TypeConfig>;
/// A membership with the log id that set it.
pub type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
