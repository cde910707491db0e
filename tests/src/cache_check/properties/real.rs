//! What an answer says of itself.

use super::{Answer, violation};
use crate::cache_check::record::{Asked, Source};
use crate::cache_check::verdict::{Property, Violation};
use crate::watch_check::Acks;

pub(super) fn record(answer: &Answer<'_>) -> Option<Violation> {
    let Answer { read, at, .. } = answer;
    let expected = at.value.clone().map(|value| (at.from, value));
    (read.seen.record != expected).then(|| {
        let what = format!("at that revision the key had {expected:?}: {read:?}");
        violation(Property::Real, what)
    })
}

pub(super) fn future(answer: &Answer<'_>, known: &Acks) -> Option<Violation> {
    let read = answer.read;
    let later = known.lowest_after(read.ended)?;
    (later <= read.seen.revision).then(|| {
        let what = format!("revision {later} was written by a call that had not begun: {read:?}");
        violation(Property::Future, what)
    })
}

pub(super) fn source(answer: &Answer<'_>) -> Option<Violation> {
    let read = answer.read;
    let wrong = match (read.asked, read.seen.source) {
        (Asked::Strong, source) => source == Source::Cache,
        (Asked::CacheOnly(_), source) => source != Source::Cache,
        _ => false,
    };
    wrong.then(|| violation(Property::Source, format!("{read:?}")))
}
