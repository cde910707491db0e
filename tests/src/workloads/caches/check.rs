//! From the journal to the history that the check of caches reads.

use std::time::Duration;

use super::{COHERENT, CachedKey, CachesAnswer, CachesCall};
use crate::cache_check::{self, History, Place, Read, Seen, Summary, Write};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;
use crate::watch_check::Truth;
use crate::workloads::Facts;

impl CachedKey {
    pub(super) fn place(&self) -> Place {
        Place {
            domain: self.domain.clone(),
            key: self.key.clone().into(),
        }
    }
}

pub(super) fn check(operations: &[Operation<CachesCall, CachesAnswer>], truth: &Truth, facts: &Facts<'_>) -> Verdict {
    let faults = facts.faults.iter();
    let faults = faults.map(|fault| {
        (
            Duration::from_micros(fault.began_us),
            Duration::from_micros(fault.ended_us),
        )
    });
    let mut history = History {
        coherent: [COHERENT.to_owned()].into(),
        faults: faults.collect(),
        ..History::default()
    };
    for operation in operations {
        if let Err(what) = take(&mut history, operation) {
            return Verdict::Unknown(format!("{what}: {operation:?}"));
        }
    }
    match cache_check::check(&history, truth) {
        cache_check::Verdict::Ok(summary) => judge(&summary),
        cache_check::Verdict::Unknown(reason) => Verdict::Unknown(reason),
        illegal @ cache_check::Verdict::Illegal(_) => Verdict::Illegal(illegal.into_result().err().unwrap_or_default()),
    }
}

/// Adds an operation to the history; an error if it is none that a client makes.
fn take(history: &mut History, operation: &Operation<CachesCall, CachesAnswer>) -> Result<(), &'static str> {
    let coherence = match &operation.call {
        CachesCall::Read { coherence, .. }
        | CachesCall::Put { coherence, .. }
        | CachesCall::Delete { coherence, .. } => *coherence,
    };
    if *history.clients.entry(operation.client).or_insert(coherence) != coherence {
        return Err("a client has two caches");
    }
    let wrote = |places: Vec<Place>, revision: u64| Write {
        client: operation.client,
        places,
        began: operation.invoked,
        ended: operation.returned,
        revision,
    };
    match (&operation.call, &operation.answer) {
        (CachesCall::Read { .. }, Answer::NotDone | Answer::Unknown) => history.attempts.reads_failed += 1,
        (_, Answer::NotDone | Answer::Unknown) => history.attempts.writes_failed += 1,
        (CachesCall::Read { .. }, Answer::Done(CachesAnswer::NotCached)) => history.attempts.not_cached += 1,
        (
            CachesCall::Read { at, asked, .. },
            Answer::Done(CachesAnswer::Seen {
                source,
                revision,
                record,
                staleness,
            }),
        ) => history.reads.push(Read {
            client: operation.client,
            place: at.place(),
            asked: *asked,
            began: operation.invoked,
            ended: operation.returned,
            seen: Seen {
                source: *source,
                revision: *revision,
                record: record.as_ref().map(|(revision, value)| (*revision, value.0.clone())),
                staleness: *staleness,
            },
        }),
        (CachesCall::Put { at, .. }, Answer::Done(CachesAnswer::Written { revision })) => {
            let places = at.iter().map(CachedKey::place).collect();
            history.writes.push(wrote(places, *revision));
        }
        (CachesCall::Delete { at, .. }, Answer::Done(CachesAnswer::Written { revision })) => {
            history.writes.push(wrote(vec![at.place()], *revision));
        }
        (CachesCall::Delete { .. }, Answer::Done(CachesAnswer::Absent)) => {}
        _ => return Err("an answer to something else"),
    }
    Ok(())
}

/// Caches that never answered have shown nothing.
fn judge(summary: &Summary) -> Verdict {
    if summary.hits == 0 || summary.writes == 0 {
        return Verdict::Unknown(format!("caches have answered nothing: {summary:?}"));
    }
    Verdict::Ok(format!(
        "{} answers of caches, {} of them while something was done to members, {} coherent, {} relaxed; {} answers of \
         members instead; {} strong reads; {} writes",
        summary.hits,
        summary.hits_during_faults,
        summary.coherent_hits,
        summary.relaxed_hits,
        summary.misses,
        summary.strong,
        summary.writes
    ))
}
