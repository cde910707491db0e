//! All that is known of the locks of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{Call, Done, Hold, HoldOperation, Mode};
use super::truth::Holds;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Ack, Truth};
use crate::workloads::coordination::Moments;
use crate::workloads::leases::{LeaseOperation, Lives};

/// What clients did and saw, and what happened.
pub struct History<'a> {
    /// The calls.
    pub operations: &'a [HoldOperation],
    /// The truth.
    pub truth: &'a Truth,
    /// The holds of the truth.
    pub holds: Holds,
    /// The leases of the truth.
    pub lives: Lives,
    /// When its revisions were made.
    pub moments: Moments,
    /// From when to when something was done to a member.
    pub faults: &'a [(Duration, Duration)],
    /// What keys that are written with a fence begin with; then comes the lock.
    pub keys: &'a str,
}

impl<'a> History<'a> {
    /// Of a run.
    pub fn new(
        operations: &'a [HoldOperation],
        truth: &'a Truth,
        faults: &'a [(Duration, Duration)],
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
        // Other workloads have locks too.
        let locks = keys.strip_suffix("written/").unwrap_or("");
        History {
            operations,
            truth,
            holds: Holds::of(truth, locks),
            lives: Lives::of(truth),
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

    /// How many permits each semaphore has, as everybody says.
    pub fn permits(&self) -> BTreeMap<&str, u32> {
        let wanted = self.operations.iter().filter_map(|operation| operation.call.wanted());
        let permits = wanted.filter_map(|(lock, mode)| match mode {
            Mode::Permits { of, .. } => Some((lock, of)),
            Mode::Exclusive | Mode::Shared => None,
        });
        permits.collect()
    }

    /// Answers that say that a hold lives, and until when it certainly does, by the clock of its holder.
    pub fn certainties(&self) -> impl Iterator<Item = (&'a HoldOperation, &'a Hold, Duration)> {
        self.operations.iter().filter_map(|operation| {
            let (hold, until) = match (&operation.call, operation.answer.done()?) {
                (_, Done::Held { hold, certain_until }) => (hold, certain_until),
                (Call::Renew { hold }, Done::Stands { certain_until }) => (hold, certain_until),
                (Call::Write { hold, .. }, Done::Asked { certain_until, .. }) => (hold, certain_until),
                _ => return None,
            };
            Some((operation, hold, *until))
        })
    }
}
