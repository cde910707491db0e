//! Caches that know nothing but times to live.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, violation};
use crate::cache_check::history::History;
use crate::cache_check::record::{Coherence, Place, Source};
use crate::cache_check::verdict::{Property, Violation};

pub(super) fn check(history: &History, answers: &[Answer<'_>]) -> Vec<Violation> {
    // When a member had last told a client this, or the client had written it, by client, key and first revision.
    let mut told: BTreeMap<(u64, &Place, u64), Vec<Duration>> = BTreeMap::new();
    for Answer { read, span, .. } in answers.iter().filter(|answer| answer.read.seen.source != Source::Cache) {
        told.entry((read.client, &read.place, span.from))
            .or_default()
            .push(read.ended);
    }
    for write in &history.writes {
        for place in &write.places {
            told.entry((write.client, place, write.revision))
                .or_default()
                .push(write.ended);
        }
    }
    let mut violations = Vec::new();
    for Answer { read, span, .. } in answers {
        let Coherence::Relaxed { ttl } = history.coherence(read) else {
            continue;
        };
        if read.seen.source != Source::Cache {
            continue;
        }
        let times = told.get(&(read.client, &read.place, span.from));
        let within = |ended: &Duration| *ended + ttl >= read.began;
        if !times.is_some_and(|times| times.iter().any(within)) {
            let what = format!("no member had told it within {ttl:?}: {read:?}");
            violations.push(violation(Property::Relaxed, what));
        }
    }
    violations
}
