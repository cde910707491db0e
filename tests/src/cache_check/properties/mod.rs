//! The properties, those together that ask the same of an answer.

mod age;
mod coherent;
mod real;
mod relaxed;
mod session;

use super::history::History;
use super::record::Read;
use super::timeline::{Span, Timelines};
use super::verdict::{Property, Violation};
use crate::watch_check::Acks;

/// An answer, and what is known of it.
struct Answer<'a> {
    read: &'a Read,
    /// What the key had at the revision that the answer reflects.
    at: Span,
    /// From when to when it had what the answer shows, which is the same if the answer is right.
    span: Span,
}

/// What does not hold.
pub(super) fn all(history: &History, timelines: &Timelines) -> Vec<Violation> {
    let known: Acks = history.known();
    let answers = history.reads.iter().map(|read| Answer {
        read,
        at: timelines.at(read),
        span: timelines.shown(read),
    });
    let answers: Vec<Answer<'_>> = answers.collect();
    let mut violations = Vec::new();
    for answer in &answers {
        violations.extend(real::record(answer));
        violations.extend(real::future(answer, &known));
        violations.extend(real::source(answer));
        violations.extend(age::strong(answer, &known));
        violations.extend(age::bounded(answer, &known));
        violations.extend(age::staleness(answer, &known));
    }
    violations.extend(session::check(history, &answers));
    violations.extend(coherent::check(history, &answers));
    violations.extend(relaxed::check(history, &answers));
    violations
}

fn violation(property: Property, what: String) -> Violation {
    Violation { property, what }
}
