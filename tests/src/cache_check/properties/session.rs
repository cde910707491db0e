//! What a client has seen and written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, violation};
use crate::cache_check::history::History;
use crate::cache_check::record::Place;
use crate::cache_check::verdict::{Property, Violation};
use crate::watch_check::{Ack, Acks};

/// Whose, and of which key; none: of all.
type Of<'a> = (u64, Option<&'a Place>);

pub(super) fn check(history: &History, answers: &[Answer<'_>]) -> Vec<Violation> {
    let mut shown: BTreeMap<Of<'_>, Vec<Ack>> = BTreeMap::new();
    for Answer { read, .. } in answers {
        let acks = shown.entry((read.client, None)).or_default();
        acks.push(ack(read.began, read.ended, read.seen.revision));
    }
    let mut written: BTreeMap<Of<'_>, Vec<Ack>> = BTreeMap::new();
    for write in &history.writes {
        let places = write.places.iter().map(Some);
        for place in places.chain([None]) {
            let acks = written.entry((write.client, place)).or_default();
            acks.push(ack(write.began, write.ended, write.revision));
        }
    }
    let (shown, written) = (by_time(shown), by_time(written));
    let mut violations = Vec::new();
    for answer in answers {
        let read = answer.read;
        if history.is_relaxed(read) {
            let written = written.get(&(read.client, Some(&read.place)));
            violations.extend(older(answer, Property::Own, written));
        } else {
            violations.extend(older(answer, Property::Monotonic, shown.get(&(read.client, None))));
            violations.extend(older(answer, Property::Own, written.get(&(read.client, None))));
        }
    }
    violations
}

fn by_time(acks: BTreeMap<Of<'_>, Vec<Ack>>) -> BTreeMap<Of<'_>, Acks> {
    acks.into_iter().map(|(of, acks)| (of, Acks::new(acks))).collect()
}

fn ack(invoked: Duration, returned: Duration, revision: u64) -> Ack {
    Ack {
        invoked,
        returned,
        revision,
    }
}

fn older(answer: &Answer<'_>, property: Property, had: Option<&Acks>) -> Option<Violation> {
    let Answer { read, span, .. } = answer;
    let revision = had?.highest_before(read.began)?;
    span.is_older_than(revision).then(|| {
        let what = format!(
            "replaced at revision {}, and its client had {revision} before: {read:?}",
            span.until
        );
        violation(property, what)
    })
}
