//! Turns a command into a committed log entry, and makes reads linearizable.
//!
//! Consensus is openraft's. What is ours: packing commands into groups ([`Proposer`]), sharing read-index rounds
//! ([`ReadGate`]), the connections between members ([`network`]), and the rules of membership ([`Membership`]).
//!
//! Invariants
//! * Nothing is acknowledged that is not on the disks of a quorum.
//! * `enable_leader_restore` is off: with it, a leader that restarts after losing an unsynced tail hands out the same
//!   log ids twice, and replicas fork for ever.
//! * No lease reads: a follower that restarts quickly has forgotten the lease it granted.

mod backlog;
mod figures;
mod leadership;
mod lease_keeper;
mod log_clock;
mod membership;
mod membership_record;
pub mod network;
mod outlook;
mod propose;
mod purge_point;
mod read;
mod settings;
mod types;

pub use backlog::Backlog;
pub use figures::{RaftFigures, figures};
pub use leadership::leadership;
pub use lease_keeper::{KeepAliveError, LeaseKeeper};
pub use log_clock::LogClock;
pub use membership::{Membership, MembershipError};
pub use membership_record::{decode_membership, encode_membership, log_id_of, used_member_ids};
pub use outlook::Outlook;
pub use propose::{Completion, ProposeCounts, ProposeError, Proposer};
pub use purge_point::PurgePoint;
pub use read::{ReadCounts, ReadError, ReadGate};
pub use settings::raft_config;
#[cfg(test)]
pub(crate) mod tests;

pub use types::{Entry, LogId, Member, StoredMembership, TypeConfig, Vote};

use openraft::async_runtime::WatchReceiver;
use openraft::vote::RaftLeaderId;

/// The running consensus of this member.
pub type Raft = openraft::Raft<TypeConfig, crate::state_machine::StateMachine>;

/// Who leads, as far as this member knows.
pub fn leader(raft: &Raft) -> Option<u64> {
    raft.server_metrics().borrow_watched().current_leader
}

/// The term this member is in.
pub fn term(raft: &Raft) -> u64 {
    raft.server_metrics().borrow_watched().vote.leader_id().term()
}
