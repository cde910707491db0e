//! How consensus is, for people.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::Instant;
use openraft::async_runtime::WatchReceiver;

use super::{Raft, TypeConfig};
use crate::types::MemberId;

/// A leader that no quorum has answered for so long may be one no more: heartbeats are answered many times a second.
const QUORUM_SILENCE_MAX: Duration = Duration::from_secs(2);

/// What this member knows of its group at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftFigures {
    /// Who leads; none also where it is this member, and no quorum has answered it for 2 s.
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
    // Alone it answers itself, and notes no time.
    let alone = metrics.membership_config.voter_ids().count() < 2;
    let silent = |acked: &openraft::alias::SerdeInstantOf<TypeConfig>| acked.elapsed() > QUORUM_SILENCE_MAX;
    let deserted = !alone && metrics.last_quorum_acked.as_ref().is_some_and(silent);
    let others = replication.into_iter().filter(|(id, _)| *id != metrics.id);
    RaftFigures {
        leader: metrics
            .current_leader
            .filter(|leader| *leader != metrics.id || !deserted),
        term: super::term(raft),
        last_index: metrics.last_log_index.unwrap_or(0),
        committed_index: metrics.local_committed.map_or(0, |id| id.index),
        matched: others
            .map(|(id, matched)| (id, matched.map_or(0, |id| id.index)))
            .collect(),
        stopped: metrics.running_state.is_err(),
    }
}
