//! What happened to a queue or its items.

use quorate_proto::v1;
use quorate_proto::v1::queue_event::What;

/// What happened to a queue, or to items of it. Extending a claim and storing a checkpoint are no events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueEvent {
    /// The name of the queue.
    pub queue: String,
    /// What happened.
    pub kind: QueueEventKind,
    /// The items that it happened to; none if it happened to the queue.
    pub items: Vec<u64>,
}

/// What happened to a queue or its items. New kinds may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueEventKind {
    /// The queue was made.
    Created,
    /// The queue promises something else.
    Configured,
    /// The queue is gone.
    Deleted,
    /// Nothing of it is claimed from now on.
    Paused,
    /// It is served again.
    Resumed,
    /// Items were added. What was recognised as a repetition was not.
    #[non_exhaustive]
    Enqueued {
        /// They become ready later; otherwise they are now.
        delayed: bool,
    },
    /// The delay of items is over.
    Ready,
    /// Items were claimed.
    #[non_exhaustive]
    Claimed {
        /// The fencing token of these claims.
        token: u64,
        /// The lease that they end with, if any.
        lease: Option<u64>,
        /// Who has them, for people.
        worker: String,
    },
    /// Items are done, and gone.
    Acked,
    /// The claims of items ended, and they are back in the queue.
    #[non_exhaustive]
    Returned {
        /// Why.
        why: ClaimEnd,
        /// They become ready later; otherwise they are now.
        delayed: bool,
    },
    /// The claims of items ended, and they are dead letters.
    #[non_exhaustive]
    Dead {
        /// Why.
        why: ClaimEnd,
        /// As it is written on the dead letter, for people.
        reason: String,
    },
    /// Dead letters can be claimed again.
    Redriven,
    /// Items are gone, in whatever state they were.
    Purged,
}

/// Why a claim ended whose item is not done. New reasons may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimEnd {
    /// Whoever had the item gave it back.
    Nacked,
    /// It lasted as long as it may.
    TimedOut,
    /// Its lease has ended.
    LeaseEnded,
    /// For a reason that this version does not know.
    Unknown,
}

impl QueueEvent {
    /// None for something that this version does not know.
    pub(super) fn from_wire(event: v1::QueueEvent) -> Option<Self> {
        use QueueEventKind as Kind;
        let (kind, items) = match event.what? {
            What::Created(_) => (Kind::Created, Vec::new()),
            What::Configured(_) => (Kind::Configured, Vec::new()),
            What::Deleted(_) => (Kind::Deleted, Vec::new()),
            What::Paused(_) => (Kind::Paused, Vec::new()),
            What::Resumed(_) => (Kind::Resumed, Vec::new()),
            What::Enqueued(what) => (Kind::Enqueued { delayed: what.delayed }, what.items),
            What::Ready(what) => (Kind::Ready, what.items),
            What::Claimed(what) => {
                let kind = Kind::Claimed {
                    token: what.token,
                    lease: (what.lease != 0).then_some(what.lease),
                    worker: what.worker,
                };
                (kind, what.items)
            }
            What::Acked(what) => (Kind::Acked, what.items),
            What::Returned(what) => {
                let (why, delayed) = (ClaimEnd::from_wire(what.why()), what.delayed);
                (Kind::Returned { why, delayed }, what.items)
            }
            What::Dead(what) => {
                let why = ClaimEnd::from_wire(what.why());
                let reason = what.reason;
                (Kind::Dead { why, reason }, what.items)
            }
            What::Redriven(what) => (Kind::Redriven, what.items),
            What::Purged(what) => (Kind::Purged, what.items),
        };
        let queue = event.queue;
        Some(Self { queue, kind, items })
    }
}

impl ClaimEnd {
    fn from_wire(why: v1::QueueClaimEnd) -> Self {
        match why {
            v1::QueueClaimEnd::Nacked => Self::Nacked,
            v1::QueueClaimEnd::TimedOut => Self::TimedOut,
            v1::QueueClaimEnd::LeaseEnded => Self::LeaseEnded,
            v1::QueueClaimEnd::Unspecified => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(what: What) -> (QueueEventKind, Vec<u64>) {
        let event = v1::QueueEvent {
            queue: "q".to_owned(),
            what: Some(what),
        };
        let event = QueueEvent::from_wire(event).unwrap();
        assert_eq!(event.queue, "q");
        (event.kind, event.items)
    }

    #[test]
    fn what_happens_to_items_names_them() {
        let claimed = v1::QueueClaimedEvent {
            items: vec![4, 5],
            token: 9,
            lease: 0,
            worker: "w".to_owned(),
        };
        let kind = QueueEventKind::Claimed {
            token: 9,
            lease: None,
            worker: "w".to_owned(),
        };
        assert_eq!(told(What::Claimed(claimed)), (kind, vec![4, 5]));
        let returned = v1::QueueReturnedEvent {
            items: vec![4],
            why: v1::QueueClaimEnd::TimedOut.into(),
            delayed: true,
        };
        let (why, delayed) = (ClaimEnd::TimedOut, true);
        let kind = QueueEventKind::Returned { why, delayed };
        assert_eq!(told(What::Returned(returned)), (kind, vec![4]));
    }

    #[test]
    fn what_happens_to_a_queue_names_no_items() {
        let paused = What::Paused(v1::QueuePausedEvent {});
        assert_eq!(told(paused), (QueueEventKind::Paused, Vec::new()));
    }
}
