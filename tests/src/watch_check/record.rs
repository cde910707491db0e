//! What a watcher asked for and what it was told.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::events::{Event, Space};
use crate::journal::as_text;

/// Which names of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// One.
    One(#[serde(with = "as_text")] Bytes),
    /// All that begin so.
    Prefix(#[serde(with = "as_text")] Bytes),
    /// `start <= name < end`; an empty end is no bound.
    Interval {
        /// The first.
        #[serde(with = "as_text")]
        start: Bytes,
        /// The first that is out.
        #[serde(with = "as_text")]
        end: Bytes,
    },
    /// `*` matches within a segment between slashes, `**` across segments.
    Pattern(String),
}

/// One selector of a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Where.
    pub space: Space,
    /// What there.
    pub names: Names,
}

/// What a watch asks for, whatever its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Any of these.
    pub wanted: Vec<Wanted>,
    /// Keys that are written; otherwise they are left out.
    pub puts: bool,
    /// Keys that go; otherwise they are left out.
    pub deletes: bool,
    /// The record before with each event of a key.
    pub previous: bool,
    /// Records without values.
    pub keys_only: bool,
}

/// Where a watch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// After what was written before it was asked for.
    Now,
    /// At this revision.
    From(u64),
}

/// Why a watch was ended by the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// What it wants next is gone; this is the oldest revision that there is.
    Compacted(u64),
    /// It did not read; this is where it may resume.
    Lagged(u64),
    /// Anything that says nothing about revisions: the client asked for it, or the member had no room.
    Other,
}

/// One thing that a watcher was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The watch is there; every event after this revision comes.
    Created {
        /// The revision.
        revision: u64,
        /// When it came.
        at: Duration,
    },
    /// Events of a revision.
    Events {
        /// The revision.
        revision: u64,
        /// Its events, or some of them.
        events: Vec<Event>,
        /// Others follow, in what is told next.
        more: bool,
    },
    /// Everything up to this revision has come.
    Mark {
        /// The revision.
        revision: u64,
        /// When the linearizable probe was sent that it answers.
        probed: Option<Duration>,
    },
    /// The last thing.
    Canceled(Cancel),
}

/// One watch at one member: a watcher that loses its member, or leaves it, goes on with another incarnation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incarnation {
    /// Where it starts.
    pub start: Start,
    /// Just before it was asked for.
    pub asked: Duration,
    /// What came, in order. Nothing at the end means that the connection went, or that the run was over.
    pub told: Vec<Told>,
}

/// Everything about one watcher.
#[derive(Clone, Debug, PartialEq)]
pub struct Watcher {
    /// For people: number, way, member.
    pub name: String,
    /// The same for all its incarnations.
    pub asked: Asked,
    /// In order; each begins where the one before it ended.
    pub incarnations: Vec<Incarnation>,
    /// It had the time to get everything up to this revision, which the harness waited for.
    pub due: u64,
}

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Just before the call.
    pub invoked: Duration,
    /// Just after the answer.
    pub returned: Duration,
    /// The revision that it made.
    pub revision: u64,
}

/// Acknowledged writes, to be asked what was known when.
#[derive(Clone, Debug, Default)]
pub struct Acks {
    /// By time of return, each with the highest revision so far.
    returned: Vec<(Duration, u64)>,
    /// By time of the call, latest first, each with the lowest revision so far.
    invoked: Vec<(Duration, u64)>,
}

impl Acks {
    /// Of these writes.
    pub fn new(acks: impl IntoIterator<Item = Ack>) -> Acks {
        let mut acks: Vec<Ack> = acks.into_iter().collect();
        acks.sort_by_key(|ack| ack.returned);
        let mut highest = 0;
        let returned = acks.iter().map(|ack| {
            highest = ack.revision.max(highest);
            (ack.returned, highest)
        });
        let returned = returned.collect();
        acks.sort_by_key(|ack| std::cmp::Reverse(ack.invoked));
        let mut lowest = u64::MAX;
        let invoked = acks.iter().map(|ack| {
            lowest = ack.revision.min(lowest);
            (ack.invoked, lowest)
        });
        let invoked = invoked.collect();
        Acks { returned, invoked }
    }

    /// The highest revision that was acknowledged before `moment`.
    pub fn highest_before(&self, moment: Duration) -> Option<u64> {
        let known = self.returned.partition_point(|(returned, _)| *returned < moment);
        Some(self.returned[..known].last()?.1)
    }

    /// The lowest revision of a write that began after `moment`.
    pub fn lowest_after(&self, moment: Duration) -> Option<u64> {
        let later = self.invoked.partition_point(|(invoked, _)| *invoked > moment);
        Some(self.invoked[..later].last()?.1)
    }
}
