//! All that is known of the leases of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lives::Lives;
use super::record::{Call, Done, LeaseOperation};
use crate::journal::Answer;
use crate::watch_check::{Ack, Truth};
use crate::workloads::coordination::Moments;

/// The part of a time to live by which two clocks may differ in speed.
pub const MARGIN: u32 = 20;

/// What clients did and saw, and what happened.
pub struct History<'a> {
    /// The calls.
    pub operations: &'a [LeaseOperation],
    /// The truth.
    pub truth: &'a Truth,
    /// The leases of the truth.
    pub lives: Lives,
    /// When its revisions were made.
    pub moments: Moments,
    /// From when to when something was done to a member.
    pub faults: &'a [(Duration, Duration)],
    promises: BTreeMap<u64, Vec<Promise>>,
}

/// A promise that a lease lives, with what it was made for.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Which.
    pub lease: u64,
    /// The call that was answered with it.
    pub sent: Duration,
    /// From then on.
    pub ttl: Duration,
}

impl<'a> History<'a> {
    /// Of calls that are all there is to know when revisions were made.
    pub fn new(operations: &'a [LeaseOperation], truth: &'a Truth, faults: &'a [(Duration, Duration)]) -> History<'a> {
        let acks = operations.iter().filter_map(|operation| {
            let Answer::Done(done) = &operation.answer else {
                return None;
            };
            Some(Ack {
                invoked: operation.invoked,
                returned: operation.returned,
                revision: done.revision()?,
            })
        });
        History::at(operations, truth, Moments::new(acks), faults)
    }

    /// Of calls that are among others.
    pub fn at(
        operations: &'a [LeaseOperation],
        truth: &'a Truth,
        moments: Moments,
        faults: &'a [(Duration, Duration)],
    ) -> History<'a> {
        History {
            operations,
            truth,
            lives: Lives::of(truth),
            moments,
            faults,
            promises: promises(operations),
        }
    }

    /// Every answer that says that a lease lives for some time.
    pub fn promises(&self) -> impl Iterator<Item = Promise> {
        self.promises.values().flatten().copied()
    }

    /// Those about one lease.
    pub fn promises_of(&self, lease: u64) -> &[Promise] {
        self.promises.get(&lease).map_or(&[], Vec::as_slice)
    }
}

fn promises(operations: &[LeaseOperation]) -> BTreeMap<u64, Vec<Promise>> {
    let mut promises: BTreeMap<u64, Vec<Promise>> = BTreeMap::new();
    for operation in operations {
        let (lease, ttl_ms) = match (&operation.call, &operation.answer) {
            (Call::Grant { .. }, Answer::Done(Done::Granted { lease, ttl_ms, .. })) => (*lease, *ttl_ms),
            (Call::KeepAlive { lease }, Answer::Done(Done::Renewed { ttl_ms })) => (*lease, *ttl_ms),
            _ => continue,
        };
        promises.entry(lease).or_default().push(Promise {
            lease,
            sent: operation.invoked,
            ttl: Duration::from_millis(ttl_ms),
        });
    }
    promises
}

impl Promise {
    /// Until then the lease certainly lives.
    pub fn certain_until(&self) -> Duration {
        self.sent + self.ttl - self.ttl / MARGIN
    }
}
