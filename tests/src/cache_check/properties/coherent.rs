//! Caches for which writes wait.

use std::collections::BTreeMap;

use super::{Answer, violation};
use crate::cache_check::history::History;
use crate::cache_check::record::{Coherence, Place, Source};
use crate::cache_check::verdict::{Property, Violation};
use crate::watch_check::{Ack, Acks};

pub(super) fn check(history: &History, answers: &[Answer<'_>]) -> Vec<Violation> {
    // A write waits for the caches that have a key of it, and so says nothing of other keys.
    let mut written: BTreeMap<&Place, Vec<Ack>> = BTreeMap::new();
    for write in &history.writes {
        for place in &write.places {
            written.entry(place).or_default().push(Ack {
                invoked: write.began,
                returned: write.ended,
                revision: write.revision,
            });
        }
    }
    let written = written.into_iter().map(|(place, acks)| (place, Acks::new(acks)));
    let written: BTreeMap<&Place, Acks> = written.collect();
    let promised = |answer: &&Answer<'_>| {
        answer.read.seen.source == Source::Cache
            && history.coherence(answer.read) == Coherence::Strong
            && history.coherent.contains(&answer.read.place.domain)
    };
    let older = |answer: &Answer<'_>| {
        let Answer { read, span, .. } = answer;
        let revision = written.get(&read.place)?.highest_before(read.began)?;
        span.is_older_than(revision).then(|| {
            let what = format!(
                "replaced at revision {}, and revision {revision} of the key was acknowledged before: {read:?}",
                span.until
            );
            violation(Property::Coherent, what)
        })
    };
    answers.iter().filter(promised).filter_map(older).collect()
}
