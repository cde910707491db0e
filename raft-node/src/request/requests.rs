//! What a member does with each call when it has ended, and with each entry when it was applied.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::RequestId;

use super::slow::SlowCalls;
use super::{EntryTimes, Moments, Passage, RequestName, SpanCounts, Spans, WaitingSpans, log_lines};
use crate::environment::{Clock, SystemClock};
use crate::types::ClientId;

/// The cluster of this member; 0 before it has one.
type ClusterId = Box<dyn Fn() -> u64 + Send + Sync>;

/// Follows the requests of a member.
pub struct Requests {
    cluster_id: ClusterId,
    entries: Arc<EntryTimes>,
    slow: SlowCalls,
    spans: Option<Spans>,
    span_counts: Arc<SpanCounts>,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What makes its name.
    pub name: RequestName,
    /// Service and method.
    pub method: &'static str,
    /// Its gRPC code.
    pub code: &'static str,
    /// When it arrived.
    pub began: Duration,
    /// When its answer was ready.
    pub at: Duration,
    /// How long it asked to wait for something to happen.
    pub asked_to_wait: Duration,
    /// Its client makes a span of it.
    pub client_has_span: bool,
    /// Where it was in between.
    pub passage: Passage,
}

impl Ended {
    /// Arrival to answer.
    pub fn took(&self) -> Duration {
        self.at.saturating_sub(self.began)
    }
}

/// An entry that was applied.
#[derive(Clone, Copy, Debug)]
pub struct AppliedEntry {
    /// Its term.
    pub term: u64,
    /// Its log index.
    pub index: u64,
}

impl Requests {
    /// `entries` are those of the member's log. A call is slow from so many milliseconds on; 0: none is.
    pub fn new(cluster_id: ClusterId, entries: Arc<EntryTimes>, slow_call_ms: u64) -> Self {
        Self {
            cluster_id,
            entries,
            slow: SlowCalls::new(slow_call_ms),
            spans: None,
            span_counts: Arc::default(),
        }
    }

    /// Makes spans of one in so many requests at this member, for somebody to take.
    #[must_use]
    pub fn with_spans(mut self, sample_per_million: u32, member_id: u64) -> (Self, WaitingSpans) {
        let (spans, waiting) = Spans::new(sample_per_million, member_id, Arc::clone(&self.span_counts));
        self.spans = Some(spans);
        (self, waiting)
    }

    /// What became of spans.
    pub fn span_counts(&self) -> &Arc<SpanCounts> {
        &self.span_counts
    }

    /// Calls that were slow.
    pub fn slow_calls(&self) -> u64 {
        self.slow.count.get()
    }

    /// What a request is called.
    pub fn id_of(&self, name: RequestName) -> RequestId {
        name.id((self.cluster_id)())
    }

    /// A call has ended.
    pub fn ended(&self, ended: &Ended) {
        let slow = self.slow.is_slow(ended.took(), ended.asked_to_wait);
        let log_all = log_lines::all_calls();
        if !slow && !log_all && self.spans.is_none() {
            return;
        }
        let id = self.id_of(ended.name);
        if let Some(spans) = self.spans.as_ref().filter(|spans| spans.wants(id)) {
            spans.call(id, ended);
        }
        if slow && let Some(unwritten) = self.slow.admit(ended.at) {
            log_lines::slow(ended, id, unwritten);
        }
        if log_all {
            log_lines::call(ended, id);
        }
    }

    /// These entries are committed, and are applied now.
    pub fn applying(&self, indexes: impl Iterator<Item = u64>) {
        let now = SystemClock.monotonic();
        indexes.for_each(|index| self.entries.committed(index, now));
    }

    /// These entries were applied, and can be read.
    pub fn applied(&self, indexes: impl Iterator<Item = u64>) {
        let now = SystemClock.monotonic();
        indexes.for_each(|index| self.entries.applied(index, now));
    }

    /// Somebody wants to know which requests are applied.
    pub fn wants_applied(&self) -> bool {
        self.spans.is_some() || log_lines::all_entries()
    }

    /// The requests in an entry that was applied. One that was in the log when the member started is not told of again.
    pub fn applied_requests(&self, entry: AppliedEntry, stamps: impl Iterator<Item = (ClientId, u64)>) {
        let moments = self.entries.of(entry.index);
        if moments == Moments::default() {
            return;
        }
        let cluster_id = (self.cluster_id)();
        for (client, sequence) in stamps {
            let id = RequestName::Mutation { client, sequence }.id(cluster_id);
            log_lines::applied(id, entry.term, entry.index, &moments);
            if let Some(spans) = self.spans.as_ref().filter(|spans| spans.wants(id)) {
                spans.applied(id, entry, &moments);
            }
        }
    }
}
