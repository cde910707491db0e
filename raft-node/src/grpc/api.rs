//! What every service of a member shares.

use std::sync::Arc;

use quorate_proto::v1::ResponseHeader;

use super::admission::Admission;
use crate::config::Limits;
use crate::consensus::network::Roster;
use crate::consensus::{LeaseKeeper, Membership, Proposer, Raft, ReadGate};
use crate::log_store::LogStore;
use crate::space::Space;
use crate::state_machine::StateStore;

/// The restores this store has been through; restoring is not part of this version.
const STORE_EPOCH: u64 = 1;

/// Reads that may wait at a member.
const WAITS_MAX: u64 = 65_536;

/// The parts of a member that answer clients.
pub struct Api {
    pub(super) limits: Limits,
    pub(super) proposer: Proposer,
    pub(super) reads: ReadGate,
    pub(super) store: Arc<StateStore>,
    pub(super) log: LogStore,
    pub(super) raft: Raft,
    pub(super) roster: Arc<Roster>,
    pub(super) membership: Membership,
    pub(super) admission: Admission,
    /// Reads that wait for something to happen; they are many and do nothing, so they count apart.
    pub(super) waits: Admission,
    pub(super) leases: LeaseKeeper,
    space: Arc<Space>,
}

impl Api {
    /// Joins the parts.
    #[allow(clippy::too_many_arguments, reason = "called once, where a member is wired together")]
    pub fn new(
        limits: Limits,
        proposer: Proposer,
        reads: ReadGate,
        store: Arc<StateStore>,
        log: LogStore,
        raft: Raft,
        roster: Arc<Roster>,
        membership: Membership,
        space: Arc<Space>,
        leases: LeaseKeeper,
    ) -> Arc<Self> {
        let admission = Admission::new(limits.calls_outstanding_max);
        Arc::new(Self {
            limits,
            proposer,
            reads,
            store,
            log,
            raft,
            roster,
            membership,
            admission,
            waits: Admission::new(WAITS_MAX),
            leases,
            space,
        })
    }

    /// Writes that grow the store are refused: the disk of too many voters is nearly full.
    pub(super) fn no_space(&self) -> bool {
        self.space.refuses_growth()
    }

    /// Free bytes on the disk of the data directory.
    pub(super) fn disk_free_bytes(&self) -> u64 {
        self.space.free_bytes()
    }

    /// The header of an answer that reflects `revision`.
    pub(super) fn header(&self, revision: u64) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.roster.cluster_id(),
            member_id: self.roster.me().member,
            revision,
            raft_term: crate::consensus::term(&self.raft),
            store_epoch: STORE_EPOCH,
            group_id: 0,
        }
    }

    /// The header of an answer about nothing in the store.
    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.store.applied().revision.0)
    }
}
