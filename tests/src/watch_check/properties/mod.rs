//! One file a property.

mod bookmarkable;
mod canceled;
mod filter;
mod ordered;
mod records;
mod reliable;
mod start;
mod unique;

pub(super) use bookmarkable::bookmarkable;
pub(super) use canceled::canceled;
pub(super) use filter::filter;
pub(super) use ordered::ordered;
pub(super) use records::records;
pub(super) use reliable::{due, reliable};
pub(super) use start::{not_before, start};
pub(super) use unique::Seen;

use super::assemble::Assembled;
use super::events::Event;
use super::record::Asked;
use super::select::asks_for;
use super::truth::Truth;

/// What there is for this watch from `first` to `last`: revisions with something that it asks for, and only that.
fn expected<'a>(
    truth: &'a Truth,
    asked: &'a Asked,
    first: u64,
    last: u64,
) -> impl Iterator<Item = (u64, Vec<&'a Event>)> {
    truth.between(first, last).filter_map(|(revision, events)| {
        let events: Vec<&Event> = events.iter().filter(|event| asks_for(asked, event)).collect();
        (!events.is_empty()).then_some((revision, events))
    })
}

/// The same for what this incarnation has seen pass.
fn expected_of<'a>(truth: &'a Truth, assembled: &'a Assembled<'_>) -> impl Iterator<Item = (u64, Vec<&'a Event>)> {
    let span = assembled.first().zip(assembled.position());
    // Before the watch was there nothing is expected of it.
    let (first, last) = span.unwrap_or((1, 0));
    expected(truth, &assembled.watcher.asked, first, last)
}
