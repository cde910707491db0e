//! Spans of the requests that are sampled, on their way to a collector.
//!
//! ```text
//! call                  the client, if it makes spans
//! └ Kv/Put              the member that the call came to, from arrival to answer
//!   ├ queue             until it was put in a group; of a read, `ready`: until this member was fresh enough to answer
//!   └ replicate         from there until the entry was applied
//!     ├ sync            at each member: from the append to the end of the sync, if that came before the entry was applied
//!     └ apply           at each member: the batch that the entry was applied in
//! ```
//!
//! The span of `replicate` is known from the name of the request and the index of its entry, so that the others find their
//! parent without being told.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::RequestId;
use tokio::sync::mpsc;

use super::{AppliedEntry, Ended, Logged, Moments, Passage};
use crate::metrics::Count;

/// Spans that wait for the collector; those that come when it is full are dropped.
const WAITING_MAX: usize = 8192;

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its trace.
    pub request: RequestId,
    /// Its id.
    pub id: u64,
    /// Its parent; none for the root.
    pub parent: Option<u64>,
    /// What was done.
    pub name: &'static str,
    /// From a client to this member; the others are within a member.
    pub server: bool,
    /// In monotonic time.
    pub began: Duration,
    /// In monotonic time.
    pub ended: Duration,
    /// The gRPC code of a call.
    pub code: Option<&'static str>,
    /// The log index of an entry.
    pub index: Option<u64>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub exported: Count,
    /// Not: the queue was full, or the collector did not take them in time.
    pub dropped: Count,
}

/// Where spans wait.
pub type WaitingSpans = mpsc::Receiver<Span>;

/// Makes spans of the requests that are sampled. Never waits.
#[derive(Debug)]
pub struct Spans {
    queue: mpsc::Sender<Span>,
    sample_per_million: u32,
    member_id: u64,
    counts: Arc<SpanCounts>,
}

impl Spans {
    /// Of one in so many requests, at this member.
    pub fn new(sample_per_million: u32, member_id: u64, counts: Arc<SpanCounts>) -> (Self, WaitingSpans) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let spans = Self {
            queue,
            sample_per_million,
            member_id,
            counts,
        };
        (spans, waiting)
    }

    pub(super) fn wants(&self, request: RequestId) -> bool {
        request.is_sampled(self.sample_per_million)
    }

    /// A call that came to this member.
    pub(super) fn call(&self, request: RequestId, ended: &Ended) {
        let nanoseconds = u64::try_from(ended.began.as_nanos()).unwrap_or(u64::MAX);
        let call = Span {
            request,
            // Several attempts of a call may come to a member.
            id: request.span("server", nanoseconds ^ self.here()),
            parent: ended.client_has_span.then(|| request.client_span()),
            name: ended.method,
            server: true,
            began: ended.began,
            ended: ended.at,
            code: Some(ended.code),
            index: None,
        };
        let part = |name, began, ended| Span {
            id: request.span(name, call.id),
            parent: Some(call.id),
            name,
            server: false,
            began,
            ended,
            code: None,
            ..call
        };
        match ended.passage {
            Passage::AtOnce => {}
            Passage::Read { ready } => self.push(part("ready", ended.began, ready)),
            Passage::Mutation { proposed, logged } => {
                self.push(part("queue", ended.began, proposed));
                self.push(match logged {
                    Some(Logged { index, moments, .. }) => Span {
                        id: entry_span(request, index),
                        index: Some(index),
                        ..part("replicate", proposed, moments.applied.unwrap_or(ended.at))
                    },
                    None => part("replicate", proposed, ended.at),
                });
            }
        }
        self.push(call);
    }

    /// A request in an entry that was applied at this member.
    pub(super) fn applied(&self, request: RequestId, entry: AppliedEntry, moments: &Moments) {
        let part = |name, began: Option<Duration>, ended: Option<Duration>| {
            Some(Span {
                request,
                id: request.span(name, entry.index ^ self.here()),
                parent: Some(entry_span(request, entry.index)),
                name,
                server: false,
                began: began?,
                ended: ended?,
                code: None,
                index: Some(entry.index),
            })
        };
        let sync = part("sync", moments.appended, moments.synced);
        let apply = part("apply", moments.committed, moments.applied);
        sync.into_iter().chain(apply).for_each(|span| self.push(span));
    }

    fn push(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counts.dropped.increment();
        }
    }

    /// The number of this member, away from those it is combined with.
    fn here(&self) -> u64 {
        self.member_id.rotate_left(40)
    }
}

/// The span of an entry with the request in it.
fn entry_span(request: RequestId, index: u64) -> u64 {
    request.span("entry", index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestName;
    use crate::types::ClientId;

    const NAME: RequestName = RequestName::Mutation {
        client: ClientId(4096),
        sequence: 1,
    };

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn moments() -> Moments {
        Moments {
            appended: Some(at(3)),
            synced: Some(at(5)),
            committed: Some(at(6)),
            applied: Some(at(7)),
        }
    }

    fn put() -> Ended {
        let logged = Some(Logged {
            index: 12,
            term: 1,
            moments: moments(),
        });
        Ended {
            name: NAME,
            method: "Kv/Put",
            code: "OK",
            began: at(1),
            at: at(8),
            asked_to_wait: Duration::ZERO,
            client_has_span: true,
            passage: Passage::Mutation {
                proposed: at(2),
                logged,
            },
        }
    }

    fn drain(mut waiting: WaitingSpans) -> Vec<Span> {
        std::iter::from_fn(|| waiting.try_recv().ok()).collect()
    }

    #[test]
    fn a_follower_finds_the_parent_that_the_leader_makes() {
        let counts = Arc::<SpanCounts>::default();
        let (leader, from_leader) = Spans::new(1_000_000, 1, Arc::clone(&counts));
        let (follower, from_follower) = Spans::new(1_000_000, 2, counts);
        let request = NAME.id(9);
        leader.call(request, &put());
        follower.applied(request, AppliedEntry { term: 1, index: 12 }, &moments());
        let (leader, follower) = (drain(from_leader), drain(from_follower));
        let named = |name: &str| leader.iter().find(|span| span.name == name).unwrap();
        assert_eq!(leader.len(), 3);
        assert_eq!(named("Kv/Put").parent, Some(request.client_span()));
        assert_eq!(named("queue").parent, Some(named("Kv/Put").id));
        assert_eq!(named("replicate").parent, Some(named("Kv/Put").id));
        assert_eq!((named("replicate").began, named("replicate").ended), (at(2), at(7)));
        let parents: Vec<_> = follower.iter().map(|span| (span.name, span.parent)).collect();
        let replicate = Some(named("replicate").id);
        assert_eq!(parents, [("sync", replicate), ("apply", replicate)]);
    }

    #[test]
    fn a_call_whose_client_makes_no_span_is_the_root() {
        let (spans, waiting) = Spans::new(1_000_000, 1, Arc::default());
        let ended = Ended {
            client_has_span: false,
            passage: Passage::Read { ready: at(4) },
            ..put()
        };
        spans.call(NAME.id(9), &ended);
        let made = drain(waiting);
        assert_eq!(made.len(), 2);
        assert_eq!((made[0].name, made[0].parent), ("ready", Some(made[1].id)));
        assert_eq!(made[1].parent, None);
    }

    #[test]
    fn spans_that_find_the_queue_full_are_counted_and_nobody_waits() {
        let counts = Arc::<SpanCounts>::default();
        let (spans, waiting) = Spans::new(1_000_000, 1, Arc::clone(&counts));
        for _ in 0..WAITING_MAX {
            spans.call(NAME.id(9), &put());
        }
        assert_eq!(counts.dropped.get(), 2 * WAITING_MAX as u64);
        assert_eq!(waiting.len(), WAITING_MAX);
    }
}
