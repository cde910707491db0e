//! The shortest ways to ask for locks, and to look at them.

mod check;
mod crowds;
mod golden;
mod histories;
mod model;
mod replay;
mod script_tests;

use super::{Acquire, Acquisition, Hold, Lock, LockOperation, LockReply, Share};
use crate::coordination::sessions::LeaseOperation;
use crate::state_machine::testing::{Store, transaction};
use crate::state_machine::{Command, ExpireLeases, Operation, OperationReply, Reply};
use crate::storage::Engine;
use crate::types::{LeaseId, Rejection, Revision};

fn acquire(lease: u64, request: u64, names: &[&str], share: Share) -> Acquire {
    Acquire {
        lease: LeaseId(lease),
        request,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        share,
        value: Vec::new(),
        wait: true,
    }
}

fn hold(lock: &str, lease: u64, token: u64) -> Hold {
    Hold {
        lock: lock.to_owned(),
        lease: LeaseId(lease),
        token: Revision(token),
        request: None,
    }
}

fn permits(count: u32, permits: u32) -> Share {
    Share::Permits { count, permits }
}

fn grant_lease(lease: u64) -> Operation {
    Operation::Lease(LeaseOperation::Grant {
        lease: Some(LeaseId(lease)),
        ttl_ms: 1000,
        name: String::new(),
    })
}

fn revoke_lease(lease: u64) -> Operation {
    Operation::Lease(LeaseOperation::Revoke { lease: LeaseId(lease) })
}

fn expire_leases(leases: &[u64]) -> Command {
    Command::ExpireLeases(ExpireLeases {
        // Of every entry of a test store.
        term: 1,
        leases: leases.iter().copied().map(LeaseId).collect(),
    })
}

fn apply(store: &mut Store, operation: LockOperation) -> Result<LockReply, Rejection> {
    let command = Command::Transaction(transaction(vec![Operation::Lock(operation)]));
    match store.apply_one(command) {
        Reply::Transaction(mut reply) => match reply.results.pop() {
            Some(OperationReply::Lock(reply)) => Ok(reply),
            other => panic!("{other:?}"),
        },
        Reply::Rejected { rejection, .. } => Err(rejection),
        other => panic!("{other:?}"),
    }
}

/// A store where these leases live.
fn store(leases: impl IntoIterator<Item = u64>) -> Store {
    let mut store = Store::new();
    for lease in leases {
        store.transact(transaction(vec![grant_lease(lease)]));
    }
    store
}

fn lock(store: &Store, name: &str) -> Option<Lock> {
    super::lock(&*store.engine.view(), name, usize::MAX).unwrap()
}

fn acquisition(store: &Store, lease: u64, request: u64) -> Acquisition {
    super::acquisition(&*store.engine.view(), LeaseId(lease), request).unwrap()
}
