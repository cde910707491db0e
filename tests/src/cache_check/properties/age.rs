//! How old an answer may be.

use std::time::Duration;

use super::{Answer, violation};
use crate::cache_check::record::{Asked, Source};
use crate::cache_check::verdict::{Property, Violation};
use crate::watch_check::Acks;

/// Members tell it in whole milliseconds, rounded up.
const TOLD_IN: Duration = Duration::from_millis(1);

/// What was known as long before the read began, if the answer is older than that.
fn missed(answer: &Answer<'_>, known: &Acks, before: Duration) -> Option<u64> {
    let moment = answer.read.began.checked_sub(before)?;
    let revision = known.highest_before(moment)?;
    answer.span.is_older_than(revision).then_some(revision)
}

fn say(property: Property, answer: &Answer<'_>, revision: u64) -> Violation {
    let Answer { read, span, .. } = answer;
    let what = format!(
        "replaced at revision {}, and revision {revision} was known: {read:?}",
        span.until
    );
    violation(property, what)
}

pub(super) fn strong(answer: &Answer<'_>, known: &Acks) -> Option<Violation> {
    if answer.read.asked != Asked::Strong {
        return None;
    }
    missed(answer, known, Duration::ZERO).map(|revision| say(Property::Strong, answer, revision))
}

pub(super) fn bounded(answer: &Answer<'_>, known: &Acks) -> Option<Violation> {
    let (Asked::Bounded(bound) | Asked::CacheOnly(Some(bound))) = answer.read.asked else {
        return None;
    };
    missed(answer, known, bound).map(|revision| say(Property::Bounded, answer, revision))
}

fn allowed(bound: Duration, waited: Duration, source: Source) -> Duration {
    match source {
        Source::Cache => bound.max(waited),
        Source::Replica | Source::Leader => bound + waited,
    }
}

pub(super) fn staleness(answer: &Answer<'_>, known: &Acks) -> Option<Violation> {
    let read = answer.read;
    let staleness = read.seen.staleness?;
    // A member decides by the bound, and says how old it is when the answer is made; a cache does both at once.
    let waited = read.ended.saturating_sub(read.began) + TOLD_IN;
    if let Asked::Bounded(bound) | Asked::CacheOnly(Some(bound)) = read.asked
        && staleness > allowed(bound, waited, read.seen.source)
    {
        let what = format!("it says that it is {staleness:?} old: {read:?}");
        return Some(violation(Property::Staleness, what));
    }
    missed(answer, known, staleness).map(|revision| say(Property::Staleness, answer, revision))
}
