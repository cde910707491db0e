//! The calls and operations of leases.

use std::ops::ControlFlow;

use quorate_proto::v1::{self as proto, Error, ErrorCode, lease_operation, lease_query, lease_result, reply};

use super::api::Api;
use super::error::{self, invalid, refused, too_large};
use crate::coordination::sessions::{LeaseOperation, LeaseReply, TTL_MS_MAX, TTL_MS_MIN};
use crate::leases::{self, LeaseRow};
use crate::storage::{StorageError, View};
use crate::types::{LeaseId, LeaseRefusal};

/// Bytes of a lease's name.
const NAME_BYTES_MAX: usize = 128;
/// Leases in one call that renews.
const KEEP_ALIVE_MAX: usize = 10_000;
/// Attached keys in one answer; the count says how many there are.
const KEYS_MAX: usize = 1000;
/// Leases in one answer.
const LIST_MAX: u32 = 1000;

/// Checks an operation of a transaction.
pub(super) fn operation(operation: &proto::LeaseOperation) -> Result<LeaseOperation, Error> {
    use lease_operation::Operation;
    match &operation.operation {
        None => Err(invalid("operation", "an operation is empty")),
        Some(Operation::Grant(grant)) => {
            ttl("ttl_ms", grant.ttl_ms)?;
            if grant.name.len() > NAME_BYTES_MAX {
                let limit = NAME_BYTES_MAX as u64;
                return Err(too_large("name", "fixed", limit, grant.name.len() as u64, "bytes"));
            }
            Ok(LeaseOperation::Grant {
                lease: (grant.lease != 0).then_some(LeaseId(grant.lease)),
                ttl_ms: grant.ttl_ms,
                name: grant.name.clone(),
            })
        }
        Some(Operation::Revoke(revoke)) => Ok(LeaseOperation::Revoke {
            lease: id("lease", revoke.lease)?,
        }),
    }
}

/// The result of an operation.
pub(super) fn result(reply: LeaseReply) -> proto::LeaseResult {
    let result = match reply {
        LeaseReply::Granted { lease, ttl_ms } => {
            lease_result::Result::Granted(proto::LeaseGranted { lease: lease.0, ttl_ms })
        }
        LeaseReply::Revoked { attached } => lease_result::Result::Revoked(proto::LeaseRevoked { attached }),
    };
    proto::LeaseResult { result: Some(result) }
}

/// A lease that must be named.
pub(super) fn id(field: &str, lease: u64) -> Result<LeaseId, Error> {
    if lease == 0 {
        return Err(invalid(field, "no lease is named; leases have ids from 1"));
    }
    Ok(LeaseId(lease))
}

fn ttl(field: &str, ttl_ms: u64) -> Result<(), Error> {
    if (TTL_MS_MIN..=TTL_MS_MAX).contains(&ttl_ms) {
        return Ok(());
    }
    let limit = if ttl_ms < TTL_MS_MIN { TTL_MS_MIN } else { TTL_MS_MAX };
    Err(Error {
        limit,
        value: ttl_ms,
        ..invalid(
            field,
            format!("a lease lives {TTL_MS_MIN} to {TTL_MS_MAX} ms without a renewal, not {ttl_ms} ms"),
        )
    })
}

/// Checks what a query asks, before it waits for anything.
pub(super) fn check(query: &proto::LeaseQuery) -> Result<(), Error> {
    match &query.query {
        None => Err(invalid("query", "the query is empty")),
        Some(lease_query::Query::Get(get)) => id("query.lease.get.lease", get.lease).map(|_| ()),
        Some(lease_query::Query::List(_)) => Ok(()),
    }
}

/// Answers a query that was checked.
pub(super) fn query(api: &Api, view: &dyn View, query: &proto::LeaseQuery) -> Result<proto::LeaseAnswer, StorageError> {
    match &query.query {
        None => Ok(proto::LeaseAnswer::default()),
        Some(lease_query::Query::Get(get)) => {
            let lease = LeaseId(get.lease);
            let Some(row) = leases::find(view, lease)? else {
                return Ok(proto::LeaseAnswer::default());
            };
            let mut answer = described(api, lease, &row);
            if get.keys {
                let domains = api.store.domains().load();
                for (domain, key) in leases::attached_keys(view, lease)?.into_iter().take(KEYS_MAX) {
                    let name = domains.name(domain).unwrap_or_default().to_owned();
                    answer.keys.push(proto::AttachedKey {
                        domain: name,
                        key: key.into(),
                    });
                }
            }
            Ok(proto::LeaseAnswer {
                leases: vec![answer],
                more: false,
            })
        }
        Some(lease_query::Query::List(list)) => {
            let limit = match list.limit {
                0 => LIST_MAX,
                asked => asked.min(LIST_MAX),
            } as usize;
            let mut answer = proto::LeaseAnswer::default();
            leases::scan(view, LeaseId(list.after), &mut |lease, row| {
                if answer.leases.len() == limit {
                    answer.more = true;
                    return ControlFlow::Break(());
                }
                answer.leases.push(described(api, lease, &row));
                ControlFlow::Continue(())
            })?;
            Ok(answer)
        }
    }
}

fn described(api: &Api, lease: LeaseId, row: &LeaseRow) -> proto::Lease {
    proto::Lease {
        lease: lease.0,
        name: row.name.clone(),
        ttl_ms: row.ttl_ms,
        remaining_ms: api.leases.remaining_ms(lease),
        attached: row.attached,
        granted_revision: row.granted.0,
        keys: Vec::new(),
    }
}

/// Renews leases.
pub(super) async fn keep_alive(api: &Api, request: proto::KeepAliveRequest) -> reply::Response {
    if request.leases.len() > KEEP_ALIVE_MAX {
        let (limit, value) = (KEEP_ALIVE_MAX as u64, request.leases.len() as u64);
        return reply::Response::Error(too_large("leases", "fixed", limit, value, "leases"));
    }
    match api.leases.keep_alive(&request.leases).await {
        Ok(ttl_ms) => reply::Response::KeepAlive(proto::KeepAliveResponse {
            header: Some(api.header_now()),
            ttl_ms,
        }),
        Err(failed) => reply::Response::Error(error::keep_alive(&failed, &api.roster)),
    }
}

/// What a refusal is on the wire.
pub(super) fn refusal(refusal: &LeaseRefusal) -> Error {
    let base = |code| refused(code, refusal.to_string());
    match refusal {
        LeaseRefusal::Unknown { lease } => Error {
            field: "lease".into(),
            value: lease.0,
            ..base(ErrorCode::UnknownLease)
        },
        LeaseRefusal::Exists { lease } => Error {
            field: "lease".into(),
            value: lease.0,
            ..base(ErrorCode::LeaseExists)
        },
        LeaseRefusal::Full { attached_max, .. } => Error {
            limit: *attached_max,
            ..base(ErrorCode::LimitReached)
        },
        LeaseRefusal::TooLarge { bytes, bytes_max, .. } => Error {
            limit: *bytes_max,
            value: *bytes,
            ..base(ErrorCode::LimitReached)
        },
        LeaseRefusal::TooMany { leases_max } => Error {
            limit: *leases_max,
            ..base(ErrorCode::LimitReached)
        },
    }
}
