//! The limits of what is asked of locks.

use quorate_proto::v1::{self as proto, Error, LockMode, lock_operation, lock_query};

use crate::config::Limits;
use crate::coordination::locks::{
    Acquire, Hold, LockOperation, NAME_BYTES_MAX, NAMES_MAX, PERMITS_MAX, REASON_BYTES_MAX, Share, VALUE_BYTES_MAX,
};
use crate::grpc::error::{invalid, too_large};
use crate::grpc::leases;
use crate::types::{LeaseId, Revision};

/// Checks an operation of a transaction.
pub(in crate::grpc) fn operation(_limits: &Limits, operation: &proto::LockOperation) -> Result<LockOperation, Error> {
    use lock_operation::Operation;
    match &operation.operation {
        None => Err(invalid("operation", "an operation is empty")),
        Some(Operation::Acquire(asked)) => acquire(asked).map(LockOperation::Acquire),
        Some(Operation::Release(asked)) => hold(asked).map(LockOperation::Release),
        Some(Operation::Fence(asked)) => hold(asked).map(LockOperation::Fence),
        Some(Operation::Abandon(asked)) => Ok(LockOperation::Abandon {
            lease: leases::id("lease", asked.lease)?,
            request: request(asked.request)?,
        }),
        Some(Operation::ForceRelease(asked)) => force_release(asked),
        Some(Operation::SetValue(asked)) => Ok(LockOperation::SetValue {
            hold: match &asked.hold {
                Some(named) => hold(named)?,
                None => return Err(invalid("hold", "no hold is named")),
            },
            value: value(&asked.value)?,
        }),
    }
}

fn acquire(asked: &proto::LockAcquire) -> Result<Acquire, Error> {
    Ok(Acquire {
        lease: leases::id("lease", asked.lease)?,
        request: request(asked.request)?,
        names: names(&asked.names)?,
        share: share(asked)?,
        value: value(&asked.value)?,
        wait: asked.wait,
    })
}

/// Sorted and without duplicates: the order in which everybody takes them.
fn names(asked: &[String]) -> Result<Vec<String>, Error> {
    if asked.is_empty() {
        return Err(invalid("names", "no lock is named: give 1 to 32 names"));
    }
    if asked.len() > NAMES_MAX {
        let (limit, value) = (NAMES_MAX as u64, asked.len() as u64);
        return Err(too_large("names", "fixed", limit, value, "names"));
    }
    let mut names = asked
        .iter()
        .map(|one| name("names", one))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort();
    names.dedup();
    Ok(names)
}

fn name(field: &str, name: &str) -> Result<String, Error> {
    if name.is_empty() {
        return Err(invalid(field, "the name of a lock is empty"));
    }
    within(field, name.len(), NAME_BYTES_MAX)?;
    Ok(name.to_owned())
}

fn share(asked: &proto::LockAcquire) -> Result<Share, Error> {
    let Ok(mode) = LockMode::try_from(asked.mode) else {
        let message = format!("mode {} is unknown: 1 exclusive, 2 shared", asked.mode);
        return Err(invalid("mode", message));
    };
    match (&asked.semaphore, mode) {
        (None, LockMode::Unspecified | LockMode::Exclusive) => Ok(Share::Exclusive),
        (None, LockMode::Shared) => Ok(Share::Shared),
        (Some(semaphore), LockMode::Unspecified) => permits(*semaphore),
        (Some(_), _) => Err(invalid(
            "mode",
            "a semaphore is taken in permits and has no mode: leave it unspecified",
        )),
    }
}

fn permits(asked: proto::LockPermits) -> Result<Share, Error> {
    let proto::LockPermits { permits, count } = asked;
    let refused = |field, limit: u32, value: u32, message: String| {
        Err(Error {
            limit: limit.into(),
            value: value.into(),
            ..invalid(field, message)
        })
    };
    if permits == 0 || permits > PERMITS_MAX {
        let message = format!("a semaphore has 1 to {PERMITS_MAX} permits, not {permits}");
        return refused("semaphore.permits", PERMITS_MAX, permits, message);
    }
    if count == 0 || count > permits {
        let message = format!("1 to {permits} permits of this semaphore can be taken, not {count}");
        return refused("semaphore.count", permits, count, message);
    }
    Ok(Share::Permits { count, permits })
}

fn hold(asked: &proto::LockHold) -> Result<Hold, Error> {
    if asked.token == 0 {
        return Err(invalid("token", "no hold has token 0: give the token of the grant"));
    }
    Ok(Hold {
        lock: name("lock", &asked.lock)?,
        lease: leases::id("lease", asked.lease)?,
        token: Revision(asked.token),
        request: (asked.request != 0).then_some(asked.request),
    })
}

fn force_release(asked: &proto::LockForceRelease) -> Result<LockOperation, Error> {
    let lock = name("lock", &asked.lock)?;
    if asked.reason.trim().is_empty() {
        return Err(invalid(
            "reason",
            "there is no reason: say why the lock is taken away from its holder",
        ));
    }
    within("reason", asked.reason.len(), REASON_BYTES_MAX)?;
    tracing::warn!(
        lock,
        token = asked.token,
        reason = asked.reason,
        "asked to release a lock by force"
    );
    Ok(LockOperation::ForceRelease {
        lock,
        token: (asked.token != 0).then_some(Revision(asked.token)),
        reason: asked.reason.clone(),
    })
}

fn request(request: u64) -> Result<u64, Error> {
    if request == 0 {
        return Err(invalid(
            "request",
            "no request is named; a client numbers its requests from 1",
        ));
    }
    Ok(request)
}

fn value(value: &[u8]) -> Result<Vec<u8>, Error> {
    within("value", value.len(), VALUE_BYTES_MAX)?;
    Ok(value.to_vec())
}

fn within(field: &str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max {
        return Err(too_large(field, "fixed", bytes_max as u64, bytes as u64, "bytes"));
    }
    Ok(())
}

/// Checks what a query asks, before it waits for anything.
pub(in crate::grpc) fn query(query: &proto::LockQuery) -> Result<(), Error> {
    match &query.query {
        None => Err(invalid("query", "the query is empty")),
        Some(lock_query::Query::Get(get)) => name("query.lock.get.name", &get.name).map(|_| ()),
        Some(lock_query::Query::Acquisition(get)) => {
            leases::id("query.lock.acquisition.lease", get.lease).map(|LeaseId(_)| ())?;
            request(get.request).map(|_| ())
        }
        Some(lock_query::Query::List(list)) => {
            within("query.lock.list.prefix", list.prefix.len(), NAME_BYTES_MAX)?;
            within("query.lock.list.after", list.after.len(), NAME_BYTES_MAX)
        }
    }
}
