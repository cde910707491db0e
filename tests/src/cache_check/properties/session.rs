//! What a client has seen and written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, violation};
use crate::cache_check::history::History;
use crate::cache_check::verdict::{Property, Violation};
use crate::watch_check::{Ack, Acks};

/// Of one client: what it had been shown, and what it had written, by some moment.
struct Session {
    shown: Acks,
    written: Acks,
}

pub(super) fn check(history: &History, answers: &[Answer<'_>]) -> Vec<Violation> {
    let mut shown: BTreeMap<u64, Vec<Ack>> = BTreeMap::new();
    for Answer { read, .. } in answers {
        let of_client = shown.entry(read.client).or_default();
        of_client.push(ack(read.began, read.ended, read.seen.revision));
    }
    let mut written: BTreeMap<u64, Vec<Ack>> = BTreeMap::new();
    for write in &history.writes {
        let of_client = written.entry(write.client).or_default();
        of_client.push(ack(write.began, write.ended, write.revision));
    }
    let sessions = history.clients.keys().map(|client| {
        let session = Session {
            shown: Acks::new(shown.remove(client).unwrap_or_default()),
            written: Acks::new(written.remove(client).unwrap_or_default()),
        };
        (*client, session)
    });
    let sessions: BTreeMap<u64, Session> = sessions.collect();
    let mut violations = Vec::new();
    for answer in answers.iter().filter(|answer| !history.is_relaxed(answer.read)) {
        let Some(session) = sessions.get(&answer.read.client) else {
            violations.push(violation(Property::Real, format!("nobody's: {:?}", answer.read)));
            continue;
        };
        violations.extend(older(answer, Property::Monotonic, &session.shown));
        violations.extend(older(answer, Property::Own, &session.written));
    }
    violations
}

fn ack(invoked: Duration, returned: Duration, revision: u64) -> Ack {
    Ack {
        invoked,
        returned,
        revision,
    }
}

fn older(answer: &Answer<'_>, property: Property, had: &Acks) -> Option<Violation> {
    let Answer { read, span } = answer;
    let revision = had.highest_before(read.began)?;
    span.is_older_than(revision).then(|| {
        let what = format!(
            "replaced at revision {}, and its client had {revision} before: {read:?}",
            span.until
        );
        violation(property, what)
    })
}
