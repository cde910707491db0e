//! What can be read of locks, and waited for.

use quorate_proto::v1::{self as proto, LockMode, lock_acquisition, lock_query};

use super::grants;
use crate::coordination::locks::{self, Acquisition, Holder, Lock, Share};
use crate::signals::Topic;
use crate::storage::{StorageError, View};
use crate::types::{LeaseId, LockKind, Revision};

/// Holders of one lock in an answer.
const HOLDERS_MAX: usize = 256;
/// Locks in one answer.
const LIST_MAX: u32 = 500;

/// Answers a query that was checked.
pub(in crate::grpc) fn query(view: &dyn View, query: &proto::LockQuery) -> Result<proto::LockAnswer, StorageError> {
    let mut answer = proto::LockAnswer::default();
    match &query.query {
        None => {}
        Some(lock_query::Query::Get(get)) => {
            let found = locks::lock(view, &get.name, HOLDERS_MAX)?;
            answer.locks.extend(found.map(described));
        }
        Some(lock_query::Query::Acquisition(get)) => {
            let found = locks::acquisition(view, LeaseId(get.lease), get.request)?;
            answer.acquisition = Some(acquisition(found));
        }
        Some(lock_query::Query::List(list)) => {
            let limit = match list.limit {
                0 => LIST_MAX,
                asked => asked.min(LIST_MAX),
            };
            let after = (!list.after.is_empty()).then_some(list.after.as_str());
            let (found, more) = locks::list(view, &list.prefix, after, limit as usize)?;
            answer.locks = found.into_iter().map(listed).collect();
            answer.more = more;
        }
    }
    Ok(answer)
}

/// What a query waits for.
pub(in crate::grpc) fn topic(query: &proto::LockQuery) -> Option<Topic> {
    match query.query.as_ref()? {
        lock_query::Query::Get(get) => get.known_revision.map(|_| Topic::Lock(get.name.clone())),
        lock_query::Query::Acquisition(get) => Some(Topic::Acquisition(LeaseId(get.lease), get.request)),
        lock_query::Query::List(_) => None,
    }
}

/// What a query waits for has come.
pub(in crate::grpc) fn settled(view: &dyn View, query: &proto::LockQuery) -> Result<bool, StorageError> {
    match &query.query {
        Some(lock_query::Query::Get(get)) => match get.known_revision {
            Some(known) => Ok(locks::changed(view, &get.name)? != Revision(known)),
            None => Ok(true),
        },
        Some(lock_query::Query::Acquisition(get)) => {
            let found = locks::acquisition(view, LeaseId(get.lease), get.request)?;
            Ok(!matches!(found, Acquisition::Queued { .. }))
        }
        None | Some(lock_query::Query::List(_)) => Ok(true),
    }
}

/// Values can be long, and a list has many locks.
fn listed(lock: Lock) -> proto::Lock {
    let mut listed = described(lock);
    for holder in &mut listed.holders {
        holder.value.clear();
    }
    listed
}

fn described(lock: Lock) -> proto::Lock {
    let row = lock.row;
    proto::Lock {
        name: lock.name,
        permits: match row.kind {
            LockKind::Mutex => 0,
            LockKind::Semaphore { permits } => permits,
        },
        taken: row.taken,
        holders: lock.holders.into_iter().map(holder).collect(),
        holders_count: row.holds,
        waiting: row.waiting,
        changed_revision: row.changed.0,
        acquisitions: row.acquisitions,
        contended: row.contended,
        expirations: row.expirations,
        forced: row.forced.map(|forced| proto::LockForced {
            reason: forced.reason,
            token: forced.token.0,
            wall_ms: forced.wall_ms,
        }),
    }
}

fn holder(holder: Holder) -> proto::LockHolder {
    let mode = match holder.share {
        Share::Exclusive => LockMode::Exclusive,
        Share::Shared => LockMode::Shared,
        Share::Permits { .. } => LockMode::Unspecified,
    };
    proto::LockHolder {
        lease: holder.lease.0,
        request: holder.request,
        token: holder.token.0,
        mode: mode.into(),
        count: u32::try_from(holder.share.count()).unwrap_or(u32::MAX),
        value: holder.value.into(),
    }
}

fn acquisition(found: Acquisition) -> proto::LockAcquisition {
    use lock_acquisition::State;
    let (state, queued, holds) = match found {
        Acquisition::Absent => (State::Absent, None, Vec::new()),
        Acquisition::Queued { lock, ahead_max } => {
            (State::Queued, Some(proto::LockQueued { lock, ahead_max }), Vec::new())
        }
        Acquisition::Granted { holds } => (State::Granted, None, grants(holds)),
    };
    proto::LockAcquisition {
        state: state.into(),
        queued,
        holds,
    }
}
