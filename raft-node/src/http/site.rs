//! What the pages are made of: nothing but the process at first, then the parts of the member.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::config::NodeConfig;
use crate::consensus::network::Roster;
use crate::consensus::{LogClock, Outlook, Proposer, Raft, ReadGate};
use crate::eventual::Tier;
use crate::grpc::Api;
use crate::log_store::LogStore;
use crate::metrics::{BothTlsCounts, DoorCounts, Histogram, Open};
use crate::space::Space;
use crate::state_machine::StateStore;

/// What a member is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It opens its log and its state.
    Starting,
    /// It serves.
    Serving,
    /// It was told to stop.
    Stopping,
}

/// The parts of a member that are looked at.
pub struct Observed {
    /// Calls of clients.
    pub api: Arc<Api>,
    /// Consensus.
    pub raft: Raft,
    /// Proposals.
    pub proposer: Proposer,
    /// Log time.
    pub clock: Arc<LogClock>,
    /// Linearizable reads.
    pub reads: ReadGate,
    /// State.
    pub store: Arc<StateStore>,
    /// Log.
    pub log: LogStore,
    /// Members.
    pub roster: Arc<Roster>,
    /// What is seen of them.
    pub outlook: Arc<Outlook>,
    /// Disks.
    pub space: Arc<Space>,
    /// The eventual tier.
    pub tier: Arc<Tier>,
    /// Set when this member's state differs from the majority's.
    pub diverged: watch::Receiver<Option<String>>,
}

/// A member, as its pages see it.
pub struct Site {
    /// Settings.
    pub(super) config: Arc<NodeConfig>,
    phase: AtomicU8,
    observed: OnceLock<Observed>,
    /// Connections of clients.
    pub clients: Arc<DoorCounts>,
    /// Connections of other members.
    pub peers: Arc<DoorCounts>,
    /// Connections to this site.
    pub(super) visitors: Open,
    /// Certificates.
    pub tls: Arc<BothTlsCounts>,
    pub(super) scrapes: Histogram,
}

impl Site {
    /// Of a member that has just begun.
    pub fn new(config: Arc<NodeConfig>) -> Arc<Self> {
        Arc::new(Self {
            config,
            phase: AtomicU8::new(Phase::Starting as u8),
            observed: OnceLock::new(),
            clients: Arc::default(),
            peers: Arc::default(),
            visitors: Open::default(),
            tls: Arc::default(),
            scrapes: Histogram::default(),
        })
    }

    /// The parts are open. Only the first call counts.
    pub fn observe(&self, observed: Observed) {
        if self.observed.set(observed).is_ok() {
            self.phase.store(Phase::Serving as u8, Ordering::Release);
        }
    }

    /// The member was told to stop: it is not ready any more.
    pub fn stops(&self) {
        self.phase.store(Phase::Stopping as u8, Ordering::Release);
    }

    /// What the member is doing.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Stopping,
        }
    }

    /// The parts, once they are open.
    pub(super) fn observed(&self) -> Option<&Observed> {
        self.observed.get()
    }
}
