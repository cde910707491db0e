//! Spans of calls, for a program that wants them.
//!
//! Each call of the strong tier is a span `call` of the target `quorate::call`, at level `debug`, with the fields `method`,
//! `request` (see [`crate::RequestId`]), `attempts`, `outcome` (`ok`, `error`, `unknown`) and `error`. Each attempt is an event in
//! it, with `endpoint`, `request` and the milliseconds of its stages: `queued_ms` until it stood in the queue of a connection, `sent_ms`
//! until it was handed to the transport, `answered_ms` until its reply had come. Without a subscriber that wants them they cost
//! some comparisons a call.

use std::collections::VecDeque;
use std::time::Duration;

use quorate_proto::RequestId;
use tokio::time::Instant;
use tracing::{Level, Span, field};

use crate::error::{Error, Outcome};
use crate::session::StampName;

/// Messages whose time of leaving a connection remembers.
const MESSAGES_MAX: usize = 256;

/// Somebody wants spans.
pub(crate) fn wanted() -> bool {
    tracing::enabled!(target: "quorate::call", Level::DEBUG)
}

/// The span of a call.
pub(crate) fn span(method: &'static str) -> Span {
    tracing::debug_span!(
        target: "quorate::call",
        "call",
        method,
        request = field::Empty,
        attempts = field::Empty,
        outcome = field::Empty,
        error = field::Empty
    )
}

/// What makes the name of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named {
    Stamp(StampName),
    Call { connection: u64, call: u64 },
}

impl Named {
    pub(crate) fn id(self) -> RequestId {
        match self {
            Self::Stamp(StampName {
                cluster_id,
                client_id,
                sequence,
            }) => RequestId::of_mutation(cluster_id, client_id, sequence),
            Self::Call { connection, call } => RequestId::of_call(connection, call),
        }
    }
}

/// Where an attempt was.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    /// Its id on its connection, once it stood in the queue.
    pub(crate) id: Option<u64>,
    /// The rest is noted only while somebody wants it.
    pub(crate) wanted: bool,
    pub(crate) queued: Option<Instant>,
    pub(crate) sent: Option<Instant>,
}

impl Attempt {
    pub(crate) fn new() -> Self {
        Self {
            wanted: wanted(),
            ..Self::default()
        }
    }

    /// It stands in the queue.
    pub(crate) fn queued(&mut self, id: u64) {
        self.id = Some(id);
        if self.wanted {
            self.queued = Some(Instant::now());
        }
    }

    /// It has ended.
    pub(crate) fn ended(&self, named: Option<Named>, endpoint: &str, began: Instant, error: Option<&str>) {
        if !self.wanted {
            return;
        }
        let since = |moment: Option<Instant>| moment.map(|moment| ms(moment.saturating_duration_since(began)));
        tracing::debug!(
            target: "quorate::call",
            request = named.map(|named| field::display(named.id())),
            endpoint,
            queued_ms = since(self.queued),
            sent_ms = since(self.sent),
            answered_ms = ms(began.elapsed()),
            error,
            "an attempt ended"
        );
    }
}

/// A call has ended.
pub(crate) fn ended<T>(span: &Span, named: Option<Named>, attempts: u32, result: &Result<T, Error>) {
    if span.is_disabled() {
        return;
    }
    if let Some(named) = named {
        span.record("request", field::display(named.id()));
    }
    span.record("attempts", attempts);
    let outcome = match result {
        Ok(_) => "ok",
        Err(error) if error.outcome() == Outcome::Unknown => "unknown",
        Err(_) => "error",
    };
    span.record("outcome", outcome);
    if let Err(error) = result {
        span.record("error", error.message());
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// When the newest messages of a connection left its queue.
#[derive(Debug, Default)]
pub(crate) struct SentTimes(VecDeque<(u64, Instant)>);

impl SentTimes {
    /// Every call up to this ticket has left by now.
    pub(crate) fn note(&mut self, sent: u64, now: Instant) {
        if self.0.len() == MESSAGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((sent, now));
    }

    /// When the call of this ticket left, if that is remembered.
    pub(crate) fn of(&self, ticket: u64) -> Option<Instant> {
        let first = self.0.partition_point(|(sent, _)| *sent < ticket);
        // What left before the oldest message that is remembered may have left long before.
        let known = first > 0 || self.0.len() < MESSAGES_MAX;
        self.0.get(first).filter(|_| known).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_left_with_the_first_message_that_covers_its_ticket() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut times = SentTimes::default();
        assert_eq!(times.of(1), None);
        times.note(2, at(1));
        times.note(5, at(2));
        assert_eq!(
            [1, 2, 3, 5, 6].map(|ticket| times.of(ticket)),
            [Some(at(1)), Some(at(1)), Some(at(2)), Some(at(2)), None]
        );
    }

    #[test]
    fn times_are_remembered_boundedly() {
        let start = Instant::now();
        let mut times = SentTimes::default();
        for sent in 1..=1000 {
            times.note(sent, start);
        }
        assert_eq!(times.0.len(), MESSAGES_MAX);
        assert_eq!(times.of(1), None);
        assert_eq!(times.of(1000), Some(start));
    }
}
