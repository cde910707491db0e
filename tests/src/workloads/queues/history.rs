//! All that is known of the queue of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{Call, Claimed, Done, QueueOperation, Receipt, Work};
use super::truth::Items;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Ack, Truth};
use crate::workloads::coordination::Moments;
use crate::workloads::leases::{self, LeaseOperation, MARGIN};

/// What clients did and saw, and what happened.
pub struct History<'a> {
    /// The calls.
    pub operations: &'a [QueueOperation],
    /// The truth.
    pub truth: &'a Truth,
    /// The items of the truth.
    pub items: Items,
    /// When its revisions were made.
    pub moments: Moments,
    /// From when to when something was done to a member.
    pub faults: &'a [(Duration, Duration)],
    /// What the keys that record what is done begin with; then comes the item.
    pub keys: &'a str,
    /// An item goes to the dead letters when it comes back for the time of this number.
    pub attempts_max: u32,
}

impl<'a> History<'a> {
    /// Of a run.
    pub fn new(
        operations: &'a [QueueOperation],
        truth: &'a Truth,
        faults: &'a [(Duration, Duration)],
        queue: &str,
        keys: &'a str,
        attempts_max: u32,
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
            items: Items::of(truth, queue),
            moments: Moments::new(acks),
            faults,
            keys,
            attempts_max,
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

    /// Claims that were answered.
    pub fn claimed(&self) -> impl Iterator<Item = (&'a QueueOperation, &'a Claimed)> {
        self.operations.iter().flat_map(|operation| {
            let items = match &operation.answer {
                Answer::Done(Done::Claimed { items, .. }) => items.as_slice(),
                _ => &[],
            };
            items.iter().map(move |claimed| (operation, claimed))
        })
    }

    /// What each item is, as far as anybody was told.
    pub fn works(&self) -> BTreeMap<u64, Work> {
        let mut works = BTreeMap::new();
        for operation in self.operations {
            if let (Call::Push { items }, Answer::Done(Done::Pushed { items: ids, .. })) =
                (&operation.call, &operation.answer)
            {
                works.extend(ids.iter().map(|(id, _)| *id).zip(items.iter().cloned()));
            }
        }
        for (_, claimed) in self.claimed() {
            works.entry(claimed.receipt.item).or_insert_with(|| Work {
                payload: claimed.payload.clone(),
                priority: claimed.priority,
                group: claimed.group.clone(),
                delay_ms: 0,
            });
        }
        works
    }

    /// Until when each claim certainly lasts, by the clock of who has it, unless its lease ends or it is given back: from
    /// the last call that was answered with that.
    pub fn promises(&self) -> BTreeMap<Receipt, Duration> {
        let mut promises: BTreeMap<Receipt, Duration> = BTreeMap::new();
        let mut promise = |receipt: Receipt, sent: Duration, visibility_ms: u64| {
            let visibility = Duration::from_millis(visibility_ms);
            let until = promises.entry(receipt).or_default();
            *until = (*until).max(sent + visibility - visibility / MARGIN);
        };
        for operation in self.operations {
            match (&operation.call, operation.answer.done()) {
                (
                    Call::Claim { .. },
                    Some(Done::Claimed {
                        items, visibility_ms, ..
                    }),
                ) => {
                    for claimed in items {
                        promise(claimed.receipt, operation.invoked, *visibility_ms);
                    }
                }
                (Call::Extend { receipt, .. }, Some(Done::Extended { visibility_ms })) => {
                    promise(*receipt, operation.invoked, *visibility_ms);
                }
                _ => {}
            }
        }
        promises
    }

    /// Until when each lease certainly lives, by the clock of who renews it.
    pub fn leases(&self) -> BTreeMap<u64, Duration> {
        let operations = self.lease_operations();
        let of_leases = leases::History::at(&operations, self.truth, self.moments.clone(), self.faults);
        let mut leases: BTreeMap<u64, Duration> = BTreeMap::new();
        for promise in of_leases.promises() {
            let until = leases.entry(promise.lease).or_default();
            *until = (*until).max(promise.certain_until());
        }
        leases
    }
}
