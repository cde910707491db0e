//! Tests of queues.

mod golden;
mod limits;
mod model;
mod model_queue;
mod model_sync;
mod replay;
mod rules;
mod script_tests;
mod sync;

pub(crate) use rules::check_rules;

use super::{Claim, NewItem, QueueConfig, QueueOperation, QueueReply, Receipt};
use crate::state_machine::testing::{self, Store};
use crate::state_machine::{Command, Operation, OperationReply, Reply, RunTimers};
use crate::types::{Rejection, Revision};

/// Does one operation.
fn operate(store: &mut Store, operation: QueueOperation) -> Result<QueueReply, Rejection> {
    let transaction = testing::transaction(vec![Operation::Queue(operation)]);
    match store.apply_one(Command::Transaction(transaction)) {
        Reply::Transaction(mut reply) => match reply.results.pop() {
            Some(OperationReply::Queue(reply)) => Ok(reply),
            other => panic!("{other:?}"),
        },
        Reply::Rejected { rejection, .. } => Err(rejection),
        other => panic!("{other:?}"),
    }
}

fn create(queue: &str, config: QueueConfig) -> QueueOperation {
    let queue = queue.to_owned();
    QueueOperation::Create { queue, config }
}

fn enqueue(queue: &str, items: Vec<NewItem>) -> QueueOperation {
    let queue = queue.to_owned();
    QueueOperation::Enqueue { queue, items }
}

fn item(payload: &str) -> NewItem {
    NewItem {
        payload: payload.as_bytes().to_vec(),
        ..NewItem::default()
    }
}

fn claim(queue: &str, count: u32) -> QueueOperation {
    QueueOperation::Claim(Claim {
        queue: queue.to_owned(),
        count,
        lease: None,
        worker: "tester".to_owned(),
        visibility_ms: None,
    })
}

fn receipt(item: u64, token: u64) -> Receipt {
    let token = Revision(token);
    Receipt { item, token }
}

fn run_timers(store: &mut Store, timers_max: u32) -> u64 {
    match store.apply_one(Command::RunTimers(RunTimers { timers_max })) {
        Reply::Done { removed, .. } => removed,
        other => panic!("{other:?}"),
    }
}
