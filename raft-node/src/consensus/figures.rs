//! How consensus is, for people.

use std::collections::BTreeMap;

use openraft::async_runtime::WatchReceiver;

use super::Raft;
use crate::types::MemberId;

/// What this member knows of its group at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftFigures {
    /// Who leads.
    pub leader: Option<MemberId>,
    /// The term of the newest vote.
    pub term: u64,
    /// Index of the newest entry in the log.
    pub last_index: u64,
    /// Index up to which entries are known to be committed.
    pub committed_index: u64,
    /// On the leader: up to which index each other member is known to have the log.
    pub matched: BTreeMap<MemberId, u64>,
    /// Consensus has ended by itself.
    pub stopped: bool,
}

/// How it is now.
pub fn figures(raft: &Raft) -> RaftFigures {
    let metrics = raft.metrics().borrow_watched().clone();
    let replication = metrics.replication.unwrap_or_default();
    let others = replication.into_iter().filter(|(id, _)| *id != metrics.id);
    RaftFigures {
        leader: metrics.current_leader,
        term: super::term(raft),
        last_index: metrics.last_log_index.unwrap_or(0),
        committed_index: metrics.local_committed.map_or(0, |id| id.index),
        matched: others
            .map(|(id, matched)| (id, matched.map_or(0, |id| id.index)))
            .collect(),
        stopped: metrics.running_state.is_err(),
    }
}
