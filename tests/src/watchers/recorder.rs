//! Writes down what a watcher is told, and knows where it has to go on.

use std::time::{Duration, Instant};

use crate::watch_check::{Asked, Cancel, Incarnation, Start, Told, Watcher};

/// Times of one run, for calls and watches alike.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Default for Clock {
    fn default() -> Self {
        Clock(Instant::now())
    }
}

impl Clock {
    /// Now, on this clock.
    pub fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The record of one watcher, as it grows.
#[derive(Debug)]
pub struct Recorder {
    watcher: Watcher,
    next: Start,
    /// The incarnation has been told that it is there.
    created: bool,
}

impl Recorder {
    /// A watcher that has not asked yet.
    pub fn new(name: String, asked: Asked, start: Start) -> Recorder {
        Recorder {
            watcher: Watcher {
                name,
                asked,
                incarnations: Vec::new(),
                due: 0,
            },
            next: start,
            created: false,
        }
    }

    /// What it asks for.
    pub fn asked(&self) -> &Asked {
        &self.watcher.asked
    }

    /// It is about to ask again, at the start that is returned.
    pub fn begin(&mut self, now: Duration) -> Start {
        self.watcher.incarnations.push(Incarnation {
            start: self.next,
            asked: now,
            told: Vec::new(),
        });
        self.created = false;
        self.next
    }

    /// It was told something.
    pub fn told(&mut self, told: Told) {
        let reached = match &told {
            Told::Created { revision, .. } => {
                self.created = true;
                // Only a start from now on learns something by it.
                (self.next == Start::Now).then_some(*revision)
            }
            Told::Events { revision, more, .. } => (!more).then_some(*revision),
            Told::Mark { revision, .. } => Some(*revision),
            Told::Canceled(cancel) => {
                self.created = false;
                if let Cancel::Compacted(boundary) = cancel {
                    self.next = Start::From(*boundary);
                }
                None
            }
        };
        if let Some(reached) = reached {
            self.next = match self.next {
                Start::From(next) => Start::From(next.max(reached + 1)),
                Start::Now => Start::From(reached + 1),
            };
        }
        if let Some(incarnation) = self.watcher.incarnations.last_mut() {
            incarnation.told.push(told);
        }
    }

    /// Its last incarnation is there and has not ended.
    pub fn is_there(&self) -> bool {
        self.created
    }

    /// It is there and has everything up to this revision.
    pub fn has_reached(&self, revision: u64) -> bool {
        self.created && matches!(self.next, Start::From(next) if next > revision)
    }

    /// What it was told, and that it had time for everything up to `due`.
    pub fn finish(mut self, due: u64) -> Watcher {
        self.watcher.due = due;
        self.watcher
    }

    /// What it was told; it is given up where it stands, with nothing due.
    pub fn give_up(self) -> Watcher {
        self.watcher
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.watcher.name
    }
}
