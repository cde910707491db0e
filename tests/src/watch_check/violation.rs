//! What a watch must never do, each with what a person needs to look into it.

use std::time::Duration;

use super::events::Event;
use super::record::{Asked, Start};

/// Proof that a watch broke its promise.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "watcher {watcher}, incarnation {incarnation} from {start:?}: {wrong}\n  it asked for {asked:?}\n  and was told: {told}"
)]
pub struct Violation {
    /// Whose.
    pub watcher: String,
    /// Which of its incarnations, from 0.
    pub incarnation: usize,
    /// Where that started.
    pub start: Start,
    /// What the watch asked for.
    pub asked: Box<Asked>,
    /// What this incarnation was told, in short.
    pub told: String,
    /// What was wrong.
    pub wrong: Wrong,
}

/// Which property is broken, and by what.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// An event that was not asked for.
    #[error("filter: revision {revision} came with what was not asked for: {event:?}")]
    Filter {
        /// The revision.
        revision: u64,
        /// The event.
        event: Box<Event>,
    },
    /// A record with a value where only keys were asked for, or a previous record that nobody asked for.
    #[error("filter: revision {revision} came with a value or a previous record that was not asked for: {event:?}")]
    Surplus {
        /// The revision.
        revision: u64,
        /// The event.
        event: Box<Event>,
    },
    /// A lower revision after a higher one.
    #[error("ordered: revision {revision} came after revision {after}")]
    Ordered {
        /// The revision.
        revision: u64,
        /// What had come before.
        after: u64,
    },
    /// The same event again.
    #[error("unique: revision {revision} came again with {event:?}")]
    Unique {
        /// The revision.
        revision: u64,
        /// The event.
        event: Box<Event>,
    },
    /// Other events of a revision that had come already, or something between two parts of it.
    #[error("atomic: revision {revision} was split: {how}")]
    Atomic {
        /// The revision.
        revision: u64,
        /// By what.
        how: String,
    },
    /// An event from before the start.
    #[error("start: revision {revision} came, which is before the start at {first}")]
    BeforeStart {
        /// The revision.
        revision: u64,
        /// The first that may come.
        first: u64,
    },
    /// Something came before the watch was there.
    #[error("start: {what} came before the watch was there")]
    NotCreated {
        /// What came.
        what: String,
    },
    /// `Created` names another start than the one that was asked for.
    #[error("start: the watch says that it is there after revision {created}")]
    OtherStart {
        /// What it says.
        created: u64,
    },
    /// A watch from now on begins before something that was acknowledged before it was asked for.
    #[error(
        "start: from now on, asked for at {asked:?}, is after revision {created}, although {acknowledged} had been \
         acknowledged"
    )]
    NowTooEarly {
        /// Where it says that it starts.
        created: u64,
        /// What had been acknowledged.
        acknowledged: u64,
        /// When it was asked for.
        asked: Duration,
    },
    /// A watch from now on leaves out something that was begun when it was there.
    #[error("start: from now on is after revision {created}, although {written} was begun after the watch was there")]
    NowTooLate {
        /// Where it says that it starts.
        created: u64,
        /// What it leaves out.
        written: u64,
    },
    /// Something of a revision at or below a mark came after it, or did not come.
    #[error("bookmarkable: a mark at {mark} came before revision {revision} did")]
    MarkAhead {
        /// The mark.
        mark: u64,
        /// The revision.
        revision: u64,
    },
    /// A mark below one that came before.
    #[error("bookmarkable: a mark at {mark} came after one at {before}")]
    MarkBack {
        /// The mark.
        mark: u64,
        /// The one before.
        before: u64,
    },
    /// The mark that answers a linearizable probe is older than what was acknowledged before the probe was sent.
    #[error("bookmarkable: a mark at {mark} answered a probe that was sent after {acknowledged} had been acknowledged")]
    MarkStale {
        /// The mark.
        mark: u64,
        /// What had been acknowledged.
        acknowledged: u64,
    },
    /// The first event after the start is not the first that there is.
    #[error("resumable: the first that came is revision {came}, the first after the start is {expected}")]
    Resumable {
        /// What came.
        came: u64,
        /// What there is before.
        expected: u64,
    },
    /// An event is missing.
    #[error("reliable: revision {revision} did not come, although {proof}: {event:?}")]
    Reliable {
        /// The revision.
        revision: u64,
        /// Why it should have come.
        proof: String,
        /// The event.
        event: Box<Event>,
    },
    /// An event that never was.
    #[error("reliable: revision {revision} came with what never happened: {event:?}")]
    Phantom {
        /// The revision.
        revision: u64,
        /// The event.
        event: Box<Event>,
    },
    /// An event that tells it otherwise than it was.
    #[error("records: revision {revision} came as {told:?}\n  and was {truth:?}")]
    Record {
        /// The revision.
        revision: u64,
        /// As it was told.
        told: Box<Event>,
        /// As it was.
        truth: Box<Event>,
    },
    /// An event passes for the creation of a key that was there, or the other way round.
    #[error("records: revision {revision} shows version {version} of a key that {}", match existed { true => "was there", false => "was not there" })]
    Creation {
        /// The revision.
        revision: u64,
        /// The version that it shows.
        version: u64,
        /// Whether the key was there before.
        existed: bool,
    },
    /// The record before is wrong, or missing.
    #[error("previous: revision {revision} came with {told:?}\n  and before it was {truth:?}")]
    Previous {
        /// The revision.
        revision: u64,
        /// As it was told.
        told: Box<Event>,
        /// As it was.
        truth: Box<Event>,
    },
    /// A watch was refused although what it wanted next was there, or sent on past something that it has not seen.
    #[error("cancelled: {how}")]
    Canceled {
        /// How.
        how: String,
    },
}
