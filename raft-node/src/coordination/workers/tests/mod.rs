//! Tests of workers and assignments: scripts that teach each verb, a reference model, plans, frozen formats.

mod golden;
mod limits;
mod model;
mod plans;
mod reference;
mod reference_sync;
mod replay;
mod rules;
mod scripts;
mod words;

use super::{Destination, Labels, WorkerOperation, WorkerReply};
use crate::coordination::sessions::LeaseOperation;
use crate::state_machine::testing::{self, Store};
use crate::state_machine::{Command, Operation, OperationReply, Reply};
use crate::types::{LeaseId, Rejection, WorkerRefusal};

/// `a=1,b=2`; empty: none.
fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
}

fn grant(lease: u64) -> Operation {
    Operation::Lease(LeaseOperation::Grant {
        lease: Some(LeaseId(lease)),
        ttl_ms: 10_000,
        name: String::new(),
    })
}

fn revoke(lease: u64) -> Operation {
    Operation::Lease(LeaseOperation::Revoke { lease: LeaseId(lease) })
}

fn register(worker: &str, lease: u64, of: &str, capacity: u32) -> WorkerOperation {
    WorkerOperation::Register {
        worker: worker.to_owned(),
        lease: LeaseId(lease),
        labels: labels(of),
        capacity,
    }
}

fn assign(task: &str, to: &str) -> WorkerOperation {
    WorkerOperation::Assign {
        task: task.to_owned(),
        to: Destination::Worker(to.to_owned()),
        labels: Labels::new(),
        data: Vec::new(),
        expected_generation: None,
    }
}

/// Does one operation that must not be refused.
fn done(store: &mut Store, operation: WorkerOperation) -> WorkerReply {
    let mut reply = store.transact(testing::transaction(vec![Operation::Worker(operation)]));
    match reply.results.pop() {
        Some(OperationReply::Worker(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

/// Does one operation that must be refused.
fn refused(store: &mut Store, operation: WorkerOperation) -> WorkerRefusal {
    let transaction = testing::transaction(vec![Operation::Worker(operation)]);
    match store.apply_one(Command::Transaction(transaction)) {
        Reply::Rejected {
            rejection: Rejection::Worker { refusal, .. },
            ..
        } => refusal,
        other => panic!("{other:?}"),
    }
}

/// A store with a worker under a lease of its own for each of these: name, labels, capacity.
fn store_with(workers: &[(&str, &str, u32)]) -> Store {
    let mut store = Store::new();
    for (lease, (worker, labels, capacity)) in (1..).zip(workers) {
        let operations = vec![
            grant(lease),
            Operation::Worker(register(worker, lease, labels, *capacity)),
        ];
        store.transact(testing::transaction(operations));
    }
    store
}
