//! What waits to be sent on a stream of watches.

use std::collections::VecDeque;
use std::task::Waker;

use quorate_proto::v1;
use quorate_proto::v1::watch_request::Request;

/// Requests in order. Those that take each other back before they are sent are not sent: what waits here is bounded by the
/// watches that there are and those that the member was asked for.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    requests: VecDeque<Request>,
    /// Of the stream's sending side, while there is nothing to send.
    pub(super) sender: Option<Waker>,
}

impl Outbox {
    /// The sender is to be woken afterwards.
    #[must_use]
    pub(super) fn push(&mut self, request: Request) -> Option<Waker> {
        self.requests.push_back(request);
        self.sender.take()
    }

    /// The same, of what an earlier request of its kind that still waits says already, or less of.
    #[must_use]
    pub(super) fn push_applied(&mut self, applied: v1::CacheApplied) -> Option<Waker> {
        let waiting = self.requests.iter_mut().find_map(|request| match request {
            Request::CacheApplied(waiting) if waiting.watch_id == applied.watch_id => Some(waiting),
            _ => None,
        });
        match waiting {
            Some(waiting) => {
                waiting.revision = waiting.revision.max(applied.revision);
                None
            }
            None => self.push(Request::CacheApplied(applied)),
        }
    }

    /// Asks for the end of a watch, unless the member was not asked for it yet.
    #[must_use]
    pub(super) fn cancel(&mut self, watch_id: u64) -> Option<Waker> {
        let asked = |request: &Request| matches!(request, Request::Create(create) if create.watch_id == watch_id);
        if let Some(index) = self.requests.iter().position(asked) {
            self.requests.remove(index);
            return None;
        }
        self.push(Request::Cancel(v1::WatchCancel { watch_id }))
    }

    pub(super) fn pop(&mut self) -> Option<v1::WatchRequest> {
        let request = Some(self.requests.pop_front()?);
        Some(v1::WatchRequest { request })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_has_applied_is_said_once_for_all_that_waits() {
        let mut outbox = Outbox::default();
        for (watch_id, revision) in [(1, 5), (2, 6), (1, 7)] {
            let _ = outbox.push_applied(v1::CacheApplied { watch_id, revision });
        }
        let sent: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        let applied = |watch_id, revision| v1::WatchRequest {
            request: Some(Request::CacheApplied(v1::CacheApplied { watch_id, revision })),
        };
        assert_eq!(sent, [applied(1, 7), applied(2, 6)]);
    }

    #[test]
    fn a_watch_that_was_not_asked_for_yet_is_not_cancelled() {
        let mut outbox = Outbox::default();
        let create = |watch_id| {
            Request::Create(v1::WatchCreate {
                watch_id,
                ..Default::default()
            })
        };
        let cancel = |watch_id| Request::Cancel(v1::WatchCancel { watch_id });
        let _ = outbox.push(create(1));
        let sent = outbox.pop().and_then(|request| request.request);
        assert_eq!(sent, Some(create(1)));
        let _ = outbox.push(create(2));
        let _ = outbox.cancel(2);
        let _ = outbox.cancel(1);
        assert_eq!(outbox.pop().and_then(|request| request.request), Some(cancel(1)));
        assert_eq!(outbox.pop(), None);
    }
}
