//! What waits for one peer.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_eventual::ShardNumber;
use tokio::sync::Notify;

use crate::eventual::freshness::Echo;

/// One thing to send.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Frames of what was written here.
    Frames(Bytes),
    /// What was written to these shards cannot go by itself: each peer gets what it is known to lack of them.
    Repair(Vec<ShardNumber>),
    /// Everything written before is ahead of this. With the hashes of all shards if that is due.
    Beat {
        /// What was here of the peer before that was looked for.
        echo: Echo,
        /// See [`super::clocks::hashes`]; empty if not.
        shards: Bytes,
    },
}

/// Frames and beats for one peer, in order. Bounded by bytes: past it, what waits is dropped, and the peer gets what it lacks
/// by its clocks when it reads again.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// Nobody takes: the stream is not open, or too much waited.
    closed: bool,
}

impl Queue {
    /// Closed until it is opened.
    pub(super) fn new(bytes_max: usize) -> Self {
        Queue {
            state: Mutex::new(State {
                closed: true,
                ..State::default()
            }),
            filled: Notify::new(),
            bytes_max,
        }
    }

    /// From now on everything that is put in stays, until it is taken or too much waits.
    pub(super) fn open(&self) {
        *self.state.lock() = State::default();
    }

    /// Drops what waits, and all that is put in from now on.
    pub(super) fn close(&self) {
        *self.state.lock() = State {
            closed: true,
            ..State::default()
        };
        self.filled.notify_one();
    }

    /// Puts something in, if it is open. Closes it if too much waits.
    pub(super) fn put(&self, item: Item) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if let Item::Frames(frames) = &item {
            if state.bytes > 0 && state.bytes + frames.len() > self.bytes_max {
                *state = State {
                    closed: true,
                    ..State::default()
                };
                self.filled.notify_one();
                return;
            }
            state.bytes += frames.len();
        }
        match (state.items.back_mut(), item) {
            // Nothing is between them: the newer says all. So a peer that does not read costs no beats.
            (Some(last @ Item::Beat { .. }), item @ Item::Beat { .. }) => *last = item,
            (Some(Item::Repair(waiting)), Item::Repair(shards)) => {
                waiting.extend(shards);
                waiting.sort_unstable();
                waiting.dedup();
            }
            (_, item) => state.items.push_back(item),
        }
        self.filled.notify_one();
    }

    /// The next; `None` once it is closed.
    pub(super) async fn take(&self) -> Option<Item> {
        loop {
            {
                let mut state = self.state.lock();
                if let Some(item) = state.items.pop_front() {
                    if let Item::Frames(frames) = &item {
                        state.bytes -= frames.len();
                    }
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: usize) -> Item {
        Item::Frames(Bytes::from(vec![0; bytes]))
    }

    #[tokio::test]
    async fn what_is_put_in_comes_out_in_order() {
        let queue = Queue::new(100);
        queue.put(frames(1));
        queue.open();
        queue.put(frames(2));
        queue.put(frames(3));
        for expected in [2, 3] {
            let Some(Item::Frames(frames)) = queue.take().await else {
                panic!()
            };
            assert_eq!(
                frames.len(),
                expected,
                "what was put in before it was opened is not there"
            );
        }
    }

    #[tokio::test]
    async fn one_that_is_full_forgets_everything_and_says_so() {
        let queue = Queue::new(100);
        queue.open();
        queue.put(frames(60));
        queue.put(frames(60));
        assert!(queue.take().await.is_none());
        queue.put(frames(1));
        assert!(queue.take().await.is_none(), "it stays closed");
        queue.open();
        queue.put(frames(1));
        assert!(queue.take().await.is_some());
    }
}
