//! What every service of a member shares.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1::ResponseHeader;

use super::admission::Admission;
use super::arriving::CutCounts;
use super::eventual::Repeats;
use super::followed::Books;
use super::unread::UnreadAnswers;
use super::watch::follow_leadership;
use crate::config::Limits;
use crate::consensus::network::{PeerNetwork, Roster};
use crate::consensus::{LeaseKeeper, Membership, Proposer, Raft, ReadGate};
use crate::environment::Clock;
use crate::eventual::{AskPeers, Tier};
use crate::log_store::LogStore;
use crate::metrics::{Histogram, RpcCounts};
use crate::request::Requests;
use crate::space::Space;
use crate::state_machine::StateStore;
use crate::types::Revision;
use crate::watch::{Hub, HubLimits, Subscriptions};

/// The restores this store has been through; restoring is not part of this version.
const STORE_EPOCH: u64 = 1;

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
    pub(super) watches: Arc<Hub>,
    /// Watches of the eventual tier.
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) tier: Arc<Tier>,
    /// Questions to other members about the eventual tier.
    pub(super) tier_network: AskPeers,
    /// What requests of the eventual tier did that clients may repeat.
    pub(super) repeats: Repeats,
    /// Connections to the other members.
    pub(super) peers: PeerNetwork,
    /// Answers that wait do so here.
    pub(super) runtime: tokio::runtime::Handle,
    space: Arc<Space>,
    /// Answers that clients have not read yet.
    pub(super) unread: Arc<UnreadAnswers>,
    /// Requests that were given up before they were there.
    pub(super) cut: Arc<CutCounts>,
    /// What is kept of calls.
    pub(super) books: Arc<Books>,
    /// How long acquisitions waited that did.
    pub(super) lock_waits: Histogram,
}

impl Api {
    /// Joins the parts, and begins to serve watches on the runtime of the caller.
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
        clock: Arc<dyn Clock>,
        tier: Arc<Tier>,
        tier_network: AskPeers,
        peers: PeerNetwork,
        cache_lease: Duration,
        requests: Arc<Requests>,
    ) -> Arc<Self> {
        let admission = Admission::new(
            limits.calls_outstanding_max,
            "calls are being worked on, which is limits.calls_outstanding_max",
            limits.requests_bytes_max,
        );
        let unread = UnreadAnswers::new(limits.answers_unread_bytes_max);
        // Their bytes are counted where they were admitted first.
        let waits = Admission::new(
            limits.calls_waiting_max,
            "calls wait for something to happen, which is limits.calls_waiting_max",
            u64::MAX,
        );
        let watches = watches(&limits, cache_lease, &store, &raft, &roster, clock);
        let api = Arc::new(Self {
            limits,
            proposer,
            reads,
            store,
            log,
            raft,
            roster,
            membership,
            admission,
            waits,
            leases,
            watches,
            subscriptions: Subscriptions::start(Arc::clone(&tier)),
            tier,
            tier_network,
            repeats: Repeats::default(),
            peers,
            runtime: tokio::runtime::Handle::current(),
            space,
            unread,
            cut: Arc::default(),
            books: Arc::new(Books::new(requests)),
            lock_waits: Histogram::default(),
        });
        tokio::spawn(follow_leadership(Arc::downgrade(&api)));
        api
    }

    /// How calls of clients ended.
    pub fn rpc(&self) -> &RpcCounts {
        &self.books.rpc
    }

    /// What is known of single requests.
    pub fn requests(&self) -> &Requests {
        &self.books.requests
    }

    /// Bytes of answers that clients have not read yet.
    pub fn unread_bytes(&self) -> u64 {
        self.unread.bytes()
    }

    /// Requests that were given up before they were there.
    pub fn cut(&self) -> &CutCounts {
        &self.cut
    }

    /// How long acquisitions waited that did.
    pub fn lock_waits(&self) -> &Histogram {
        &self.lock_waits
    }

    /// Calls that are worked on, and calls that wait for something to happen.
    pub fn outstanding(&self) -> (u64, u64) {
        (self.admission.outstanding(), self.waits.outstanding())
    }

    /// Bytes of the requests that are worked on, wait, or have to be looked at.
    pub fn requests_bytes(&self) -> u64 {
        self.admission.bytes()
    }

    /// The watches of this member.
    pub fn watches(&self) -> &Hub {
        &self.watches
    }

    /// Writes that grow the store are refused: the disk of too many voters is nearly full.
    pub(super) fn no_space(&self) -> bool {
        self.space.refuses_growth()
    }

    /// Free bytes on the disk of the data directory.
    pub(super) fn disk_free_bytes(&self) -> u64 {
        self.space.free_bytes()
    }

    /// This member leads, as far as it knows.
    pub(super) fn leads(&self) -> bool {
        self.raft.is_leader()
    }

    /// The header of an answer that reflects `revision`.
    pub(super) fn header(&self, revision: u64) -> ResponseHeader {
        header(&self.roster, &self.raft, revision)
    }

    /// The header of an answer about nothing in the store.
    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.store.applied().revision.0)
    }
}

fn header(roster: &Roster, raft: &Raft, revision: u64) -> ResponseHeader {
    ResponseHeader {
        cluster_id: roster.cluster_id(),
        member_id: roster.me().member,
        revision,
        raft_term: crate::consensus::term(raft),
        store_epoch: STORE_EPOCH,
        group_id: 0,
    }
}

fn watches(
    limits: &Limits,
    cache_lease: Duration,
    store: &Arc<StateStore>,
    raft: &Raft,
    roster: &Arc<Roster>,
    clock: Arc<dyn Clock>,
) -> Arc<Hub> {
    let (raft, roster) = (raft.clone(), Arc::clone(roster));
    let limits = HubLimits {
        watches_max: limits.watches_max,
        stall_max: Duration::from_millis(limits.watch_stall_ms_max),
        cache_lease,
    };
    let header = move |revision: Revision| header(&roster, &raft, revision.0);
    Hub::start(Arc::clone(store), clock, Box::new(header), limits)
}
