//! All that is known of the workers of a run.

use std::time::Duration;

use super::record::{AssignmentOperation, Call, Done};
use super::truth::Fleet;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Ack, Truth};
use crate::workloads::coordination::Moments;
use crate::workloads::leases::LeaseOperation;

/// What clients did and saw, and what happened.
pub struct History<'a> {
    /// The calls.
    pub operations: &'a [AssignmentOperation],
    /// The truth.
    pub truth: &'a Truth,
    /// The workers of the truth.
    pub fleet: Fleet,
    /// When its revisions were made.
    pub moments: Moments,
    /// From when to when something was done to a member.
    pub faults: &'a [(Duration, Duration)],
    /// What keys that are written with a fence begin with; then comes the task.
    pub keys: &'a str,
}

impl<'a> History<'a> {
    /// Of a run, whose workers and tasks have names that begin with `prefix`.
    pub fn new(
        operations: &'a [AssignmentOperation],
        truth: &'a Truth,
        faults: &'a [(Duration, Duration)],
        prefix: &str,
        keys: &'a str,
    ) -> History<'a> {
        let acks = operations.iter().filter_map(|operation| {
            let (revision, made) = operation.answer.done()?.revision()?;
            Some(Ack {
                invoked: if made { operation.invoked } else { Duration::ZERO },
                returned: operation.returned,
                revision,
            })
        });
        History {
            operations,
            truth,
            fleet: Fleet::of(truth, prefix),
            moments: Moments::new(acks),
            faults,
            keys,
        }
    }

    /// The calls about leases, by themselves.
    pub fn lease_operations(&self) -> Vec<LeaseOperation> {
        let lease = self.operations.iter().filter_map(|operation| {
            let Call::Lease(call) = &operation.call else {
                return None;
            };
            let answer = match &operation.answer {
                Answer::Done(Done::Lease(done)) => Answer::Done(done.clone()),
                Answer::Done(_) => return None,
                Answer::NotDone => Answer::NotDone,
                Answer::Unknown => Answer::Unknown,
            };
            Some(Operation {
                client: operation.client,
                invoked: operation.invoked,
                returned: operation.returned,
                call: call.clone(),
                answer,
            })
        });
        lease.collect()
    }
}
