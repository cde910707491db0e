//! The workloads that there are.

use futures::future::BoxFuture;

use super::assignments::Assignments;
use super::leases::Leases;
use super::locks::Locks;
use super::queues::Queues;
use super::semaphores::Semaphores;
use super::{Append, Caches, Counter, Eventual, Facts, Ground, Register, Retries, Set, Watches, Workload};
use crate::HarnessError;
use crate::journal::{Answer, JournalFile};
use crate::verdict::Verdict;

/// What became of a workload.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Which.
    pub workload: &'static str,
    /// Operations that were answered.
    pub done: u64,
    /// Operations that certainly changed nothing.
    pub not_done: u64,
    /// Operations of which nobody knows.
    pub unknown: u64,
    /// When an operation of each of its kinds succeeded: as often as it did, in microseconds.
    pub kinds: Vec<(&'static str, Vec<u64>)>,
    /// What its check says.
    pub verdict: Verdict,
}

/// A workload whose types are forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// Its name.
    pub name: &'static str,
    run: fn(Ground) -> BoxFuture<'static, Result<(), HarnessError>>,
    finish: fn(Ground) -> BoxFuture<'static, Result<(), HarnessError>>,
    check: fn(&JournalFile) -> Result<Checked, HarnessError>,
}

impl Registered {
    /// That workload.
    pub const fn of<W: Workload>() -> Registered {
        Registered {
            name: W::NAME,
            run: |ground| Box::pin(W::run(ground)),
            finish: |ground| Box::pin(W::finish(ground)),
            check: check::<W>,
        }
    }

    /// [`Workload::run`].
    pub fn run(self, ground: Ground) -> BoxFuture<'static, Result<(), HarnessError>> {
        (self.run)(ground)
    }

    /// [`Workload::finish`].
    pub fn finish(self, ground: Ground) -> BoxFuture<'static, Result<(), HarnessError>> {
        (self.finish)(ground)
    }

    /// [`Workload::check`] of what a journal has of it.
    pub fn check(self, journal: &JournalFile) -> Result<Checked, HarnessError> {
        (self.check)(journal)
    }
}

/// Every workload.
pub fn all() -> Vec<Registered> {
    vec![
        Registered::of::<Register>(),
        Registered::of::<Append>(),
        Registered::of::<Set>(),
        Registered::of::<Counter>(),
        Registered::of::<Retries>(),
        Registered::of::<Leases>(),
        Registered::of::<Locks>(),
        Registered::of::<Semaphores>(),
        Registered::of::<Queues>(),
        Registered::of::<Assignments>(),
        Registered::of::<Caches>(),
        Registered::of::<Watches>(),
        Registered::of::<Eventual>(),
    ]
}

/// The workload of that name.
pub fn named(name: &str) -> Option<Registered> {
    all().into_iter().find(|workload| workload.name == name)
}

fn check<W: Workload>(journal: &JournalFile) -> Result<Checked, HarnessError> {
    let operations = journal.operations::<W::Call, W::Answer>(W::NAME)?;
    let mut checked = Checked {
        workload: W::NAME,
        done: 0,
        not_done: 0,
        unknown: 0,
        kinds: W::KINDS.iter().map(|kind| (*kind, Vec::new())).collect(),
        verdict: Verdict::Unknown("there were no operations".to_owned()),
    };
    for operation in &operations {
        match operation.answer {
            Answer::Done(_) => {
                checked.done += 1;
                let kind = W::kind(&operation.call);
                if let Some((_, times)) = checked.kinds.iter_mut().find(|(known, _)| *known == kind) {
                    times.push(u64::try_from(operation.returned.as_micros()).unwrap_or(u64::MAX));
                }
            }
            Answer::NotDone => checked.not_done += 1,
            Answer::Unknown => checked.unknown += 1,
        }
    }
    if !operations.is_empty() {
        let facts = Facts {
            header: &journal.header,
            faults: &journal.faults,
            end: &journal.end,
        };
        checked.verdict = W::check(&operations, &journal.truth, &facts);
    }
    Ok(checked)
}
