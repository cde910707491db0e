//! What coherent caches ask of the leader, and what they cost a write.

use std::time::Duration;

use quorate_proto::v1::{Error, ErrorCode};

use crate::consensus::{self, ReadError};
use crate::grpc::api::Api;
use crate::grpc::error;
use crate::grpc::work::timed_out;
use crate::mvcc::{Changes, keys};
use crate::state_machine::{OperationReply, Reply};
use crate::storage::{StorageError, Table};
use crate::types::Revision;
use crate::watch::{Hold, Leading, TouchedKeys};

/// The newest revision, if this member leads: established by a round of its own, and applied by then. An index that
/// another leader gave proves nothing to a coherent cache, for that one does not know of it.
pub(super) async fn newest_as_leader(api: &Api, timeout: Duration) -> Result<Revision, Error> {
    let confirmed = async {
        let index = api.reads.leader_index().await?;
        let mut applied = api.store.watch_applied();
        let reached = applied.wait_for(|applied| applied.index >= index).await;
        reached.map(|applied| applied.revision).map_err(|_| ReadError::Stopped)
    };
    match tokio::time::timeout(timeout, confirmed).await {
        Ok(Ok(revision)) => Ok(revision),
        Ok(Err(_)) if !api.raft.is_leader() => Err(not_leader(api)),
        Ok(Err(failed)) => Err(error::read(&failed)),
        Err(_) => Err(timed_out(timeout)),
    }
}

/// Coherent caches are served by the leader alone.
pub(super) fn not_leader(api: &Api) -> Error {
    let leader = consensus::leader(&api.raft).filter(|leader| *leader != api.roster.me().member);
    Error {
        leader_hint: error::leader_hint(leader, &api.roster),
        ..error::refused(
            ErrorCode::NotLeader,
            "writes wait for a coherent cache at the leader alone, and this member does not lead",
        )
    }
}

/// Follows who leads, for as long as the member runs: where this member does not, its coherent caches end.
pub(in crate::grpc) async fn follow_leadership(api: std::sync::Weak<Api>) {
    let Some(mut changes) = api.upgrade().map(|api| consensus::leadership(&api.raft)) else {
        return;
    };
    loop {
        let term = *changes.borrow_and_update();
        let Some(api) = api.upgrade() else { return };
        api.watches.coherence().lead(term);
        if term.is_none() {
            api.watches.end_coherent(&not_leader(&api));
        }
        drop(api);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl Api {
    /// What the answer of a mutation waits for; none for nearly all. It was applied.
    pub(in crate::grpc) fn hold(&self, reply: &Reply) -> Option<Hold> {
        let (domains, coherence) = (self.store.domains().load(), self.watches.coherence());
        let transaction = match reply {
            Reply::Transaction(transaction) => transaction,
            // It was dropped. Caches may hold that its keys do not exist, and would answer that of one that is made in its place.
            Reply::Domain { domain, revision } if domain.settings.coherent && !domains.is_coherent(domain.id) => {
                return coherence.hold_for_all(*revision, self.leading());
            }
            _ => return None,
        };
        if coherence.is_idle() && !domains.any_coherent() {
            return None;
        }
        // One that only read has the revision of another.
        let reads = |result: &OperationReply| matches!(result, OperationReply::Range(_));
        if transaction.results.iter().all(reads) {
            return None;
        }
        let revision = transaction.revision;
        match touched(self, revision) {
            Ok(Some(keys)) => {
                let is_coherent = keys.iter().any(|(domain, _)| domains.is_coherent(*domain));
                let leading = if is_coherent { self.leading() } else { Leading::Any };
                coherence.hold(revision, keys, leading)
            }
            // An answer from long ago is given again: what it touched was compacted.
            Ok(None) => coherence.hold_for_all(revision, self.leading()),
            Err(error) => {
                tracing::error!(%error, revision = revision.0, "what a write touched could not be read: it waits for every cache");
                coherence.hold_for_all(revision, self.leading())
            }
        }
    }

    fn leading(&self) -> Leading {
        match self.raft.is_leader() {
            true => Leading::Term(consensus::term(&self.raft)),
            false => Leading::NoMore,
        }
    }
}

/// The keys that a revision touched; none if that is forgotten.
fn touched(api: &Api, revision: Revision) -> Result<Option<TouchedKeys>, StorageError> {
    let engine = api.store.engine();
    let Some(row) = engine.view().get(Table::Changes, &keys::changes(revision))? else {
        return Ok(None);
    };
    let touched = Changes::from_row(&row)?.keys.into_iter();
    Ok(Some(touched.map(|changed| (changed.domain, changed.key)).collect()))
}
