//! Answers that were made and not read yet.
//!
//! A client may ask for much and read nothing. On one stream of calls, what is not read holds back what comes behind. Over all
//! clients of a member there is a limit, and near it a stream may have little before it is held back; beyond it the connection
//! is cut whose client has read nothing for longest: it has had the longest time, so those that never read make room for
//! those that do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::places::{Place, Places};
use crate::consensus::network::{Caller, Line};

/// What one stream may have unread before its next call is looked at, and what it may have where all have much.
const STREAM_BYTES: u64 = 8 << 20;
const STREAM_BYTES_LEAST: u64 = 64 << 10;

/// The connection that a request came on.
pub(super) fn line_of<T>(request: &tonic::Request<T>) -> Line {
    let caller = request.extensions().get::<Caller>();
    caller.map(|caller| caller.line().clone()).unwrap_or_default()
}

/// Over all clients of a member.
pub(super) struct UnreadAnswers {
    bytes: AtomicU64,
    bytes_max: u64,
    /// Of those that have much.
    places: Arc<Places>,
}

impl UnreadAnswers {
    pub(super) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            bytes_max,
            places: Arc::default(),
        })
    }

    /// Bytes that wait to be read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Of a stream, or of one answer, on this connection.
    pub(super) fn on(self: &Arc<Self>, line: Line) -> Arc<Unread> {
        Arc::new(Unread {
            member: Arc::clone(self),
            line,
            bytes: AtomicU64::new(0),
            read: Notify::new(),
            place: Mutex::default(),
        })
    }
}

/// On one stream.
pub(super) struct Unread {
    member: Arc<UnreadAnswers>,
    line: Line,
    bytes: AtomicU64,
    read: Notify,
    /// While there is much.
    place: Mutex<Option<Place>>,
}

impl Unread {
    /// An answer of so many bytes waits to be read, until what this returns is dropped.
    pub(super) fn add(self: &Arc<Self>, bytes: u64) -> Waits {
        let own = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.member.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if own >= STREAM_BYTES_LEAST {
            let mut place = self.place.lock();
            if place.is_none() {
                *place = Some(self.member.places.take(self.line.clone()));
            }
        }
        if all > self.member.bytes_max && !self.member.places.someone_leaves() {
            self.member.places.push_out_quietest();
        }
        Waits {
            unread: Arc::clone(self),
            bytes,
        }
    }

    fn read(&self, bytes: u64) {
        self.member.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before >= STREAM_BYTES_LEAST {
            let mut place = self.place.lock();
            match &*place {
                Some(held) if self.bytes.load(Ordering::Relaxed) >= STREAM_BYTES_LEAST => held.heard(),
                _ => *place = None,
            }
            self.read.notify_waiters();
        }
    }

    /// Whether one more answer may be made. It may be of any size.
    pub(super) fn has_room(&self) -> bool {
        let most = match self.member.bytes() < self.member.bytes_max / 2 {
            true => STREAM_BYTES,
            false => STREAM_BYTES_LEAST,
        };
        self.bytes.load(Ordering::Relaxed) < most
    }

    /// Waits until the client has read enough. It may have read nothing for long.
    pub(super) async fn room(&self) {
        let mut read = std::pin::pin!(self.read.notified());
        loop {
            read.as_mut().enable();
            if self.has_room() {
                return;
            }
            read.as_mut().await;
            read.set(self.read.notified());
        }
    }
}

/// An answer that waits to be read.
pub(super) struct Waits {
    unread: Arc<Unread>,
    bytes: u64,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.unread.read(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use futures::FutureExt;
    use futures::task::noop_waker_ref;

    use super::*;

    fn is_cut(line: &Line) -> bool {
        line.poll_cut(&Context::from_waker(noop_waker_ref()))
    }

    #[tokio::test]
    async fn a_stream_has_room_again_when_its_answers_were_read() {
        let member = UnreadAnswers::new(1 << 30);
        let stream = member.on(Line::default());
        let first = stream.add(STREAM_BYTES - 1);
        assert!(stream.room().now_or_never().is_some());
        let second = stream.add(1 << 20);
        assert!(stream.room().now_or_never().is_none());
        let (waits, reads) = (stream.room(), async { drop(first) });
        tokio::join!(waits, reads);
        assert_eq!(member.bytes(), 1 << 20);
        drop(second);
        assert_eq!(member.bytes(), 0);
        assert_eq!(member.places.taken(), 0);
    }

    #[test]
    fn where_all_have_much_each_has_room_for_little() {
        let member = UnreadAnswers::new(10 << 20);
        let [one, other] = [member.on(Line::default()), member.on(Line::default())];
        let _much = one.add(6 << 20);
        assert!(other.has_room() && !one.has_room());
        let _little = other.add(STREAM_BYTES_LEAST);
        assert!(!other.has_room());
    }

    #[test]
    fn beyond_the_limit_the_connection_is_cut_that_read_nothing_for_longest() {
        let member = UnreadAnswers::new(10 << 20);
        let lines = [Line::default(), Line::default(), Line::default()];
        let streams = lines.clone().map(|line| member.on(line));
        let _of_first = [streams[0].add(3 << 20), streams[0].add(1 << 20)];
        let mut of_second = vec![streams[1].add(3 << 20), streams[1].add(1 << 20)];
        // The first read nothing since, the second did.
        of_second.pop();
        let _of_third = streams[2].add(4 << 20);
        assert_eq!(lines.each_ref().map(is_cut), [true, false, false]);
    }
}
