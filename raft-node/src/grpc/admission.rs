//! How many calls a member works on at a time, and how many bytes their requests have.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use quorate_proto::v1::{Error, ErrorCode, Outcome};
use tonic::Status;

use super::places::{Place, Places};
use crate::consensus::network::Line;

/// Calls are counted in the upper bits and bytes in the lower ones, so that both are one addition on the way of every call:
/// there is room for a million calls, which is the most that may be configured, and for 16 TiB.
const CALL: u64 = 1 << BYTES_BITS;
const BYTES_BITS: u32 = 44;

/// Counts the calls in work and the bytes of their requests.
#[derive(Clone)]
pub(super) struct Admission {
    outstanding: Arc<AtomicU64>,
    outstanding_max: u64,
    /// What there are too many of, and which limit says so.
    too_many: &'static str,
    bytes_max: u64,
    /// Requests that came with others whose answers nobody reads.
    stalled: Arc<Places>,
}

/// One call in work; dropped when its answer is made. What is not read of it is counted elsewhere.
pub(super) struct Permit {
    outstanding: Arc<AtomicU64>,
    held: u64,
    /// Of a call that waits: its place among those that do, given back with this.
    waiting_place: Option<Box<Permit>>,
}

/// Requests that came and are not looked at, since the client has to read first.
pub(super) struct Stalled {
    line: Line,
    bytes: u64,
    bytes_max: u64,
    _place: Place,
    _permit: Permit,
}

impl Admission {
    /// `too_many` ends the sentence that begins with how many there are.
    pub(super) fn new(outstanding_max: u64, too_many: &'static str, bytes_max: u64) -> Self {
        Self {
            outstanding: Arc::default(),
            outstanding_max,
            too_many,
            bytes_max,
            stalled: Arc::default(),
        }
    }

    /// Admits a call whose request has so many bytes, or says that the member is full. One that is alone always fits.
    pub(super) fn admit(&self, bytes: usize) -> Result<Permit, Error> {
        let held = CALL + bytes as u64;
        let (before, permit) = self.hold(held);
        let (calls_before, bytes_before) = (before >> BYTES_BITS, before & (CALL - 1));
        if calls_before >= self.outstanding_max {
            let message = format!("{} {}: try again later", self.outstanding_max, self.too_many);
            return Err(overloaded(self.outstanding_max, calls_before, message));
        }
        let bytes_then = bytes_before + bytes as u64;
        if bytes_then > self.bytes_max && bytes_before > 0 {
            self.make_room();
            let message = format!(
                "the requests that are being worked on would have {bytes_then} bytes; the limit is {} \
                 (limits.requests_bytes_max): try again later",
                self.bytes_max
            );
            return Err(overloaded(self.bytes_max, bytes_then, message));
        }
        Ok(permit)
    }

    /// Requests of so many bytes have to wait until their client has read. There is room for them as long as there is for
    /// others.
    pub(super) fn stall(&self, bytes: usize) -> Stalled {
        let (before, permit) = self.hold(bytes as u64);
        let line = Line::default();
        let place = self.stalled.take(line.clone());
        if (before & (CALL - 1)) + bytes as u64 > self.bytes_max {
            self.make_room();
        }
        Stalled {
            line,
            bytes: bytes as u64,
            bytes_max: self.bytes_max,
            _place: place,
            _permit: permit,
        }
    }

    /// Who has read nothing for longest has to go, unless somebody goes already.
    fn make_room(&self) {
        if !self.stalled.someone_leaves() {
            self.stalled.push_out_oldest();
        }
    }

    fn hold(&self, held: u64) -> (u64, Permit) {
        let before = self.outstanding.fetch_add(held, Ordering::Relaxed);
        let permit = Permit {
            outstanding: Arc::clone(&self.outstanding),
            held,
            waiting_place: None,
        };
        (before, permit)
    }

    /// Calls in work.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding.load(Ordering::Relaxed) >> BYTES_BITS
    }

    /// Bytes of their requests.
    pub(super) fn bytes(&self) -> u64 {
        self.outstanding.load(Ordering::Relaxed) & (CALL - 1)
    }
}

impl Permit {
    /// A call that waits gives its place among those that work to another, and keeps its bytes.
    pub(super) fn into_waiting(mut self, waits: &Admission) -> Result<Self, Error> {
        self.waiting_place = Some(Box::new(waits.admit(0)?));
        self.outstanding.fetch_sub(CALL, Ordering::Relaxed);
        self.held -= CALL;
        Ok(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.outstanding.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl Stalled {
    /// Ends when others need the room; says how the stream ends for it.
    pub(super) async fn pushed_out(&self) -> Status {
        poll_fn(|task| match self.line.poll_cut(task) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        Status::resource_exhausted(format!(
            "requests that are not answered had more than {} bytes, which is limits.requests_bytes_max, and {} of them wait \
             here until answers are read: read them, or ask for less at a time",
            self.bytes_max, self.bytes
        ))
    }
}

fn overloaded(limit: u64, value: u64, message: String) -> Error {
    Error {
        code: ErrorCode::Overloaded.into(),
        message,
        limit,
        value,
        outcome: Outcome::NotApplied.into(),
        ..Error::default()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn admission(outstanding_max: u64, bytes_max: u64) -> Admission {
        Admission::new(outstanding_max, "calls are being worked on", bytes_max)
    }

    #[test]
    fn a_call_or_a_byte_too_many_is_refused_with_the_limit_and_the_value() {
        let admission = admission(2, 100);
        let first = admission.admit(60).ok().unwrap();
        let refused = admission.admit(41).err().unwrap();
        assert_eq!((refused.limit, refused.value), (100, 101));
        assert!(
            refused.message.contains("limits.requests_bytes_max"),
            "{}",
            refused.message
        );
        let _second = admission.admit(40).ok().unwrap();
        let refused = admission.admit(0).err().unwrap();
        assert_eq!((refused.limit, refused.value), (2, 2));
        assert_eq!((admission.outstanding(), admission.bytes()), (2, 100));
        drop(first);
        assert_eq!((admission.outstanding(), admission.bytes()), (1, 40));
    }

    #[test]
    fn a_request_that_is_alone_fits_whatever_its_size() {
        let admission = admission(2, 100);
        let _alone = admission.admit(1_000).ok().unwrap();
        assert!(admission.admit(1).is_err());
    }

    #[test]
    fn a_call_that_waits_keeps_its_bytes_and_gives_up_its_place() {
        let (admission, waits) = (admission(1, 100), admission(1, 100));
        let waiting = admission.admit(60).ok().unwrap().into_waiting(&waits).ok().unwrap();
        assert_eq!((admission.outstanding(), admission.bytes()), (0, 60));
        assert_eq!((waits.outstanding(), waits.bytes()), (1, 0));
        let refused = admission.admit(1).ok().unwrap().into_waiting(&waits);
        assert_eq!(refused.err().unwrap().value, 1);
        drop(waiting);
        assert_eq!((admission.outstanding(), admission.bytes()), (0, 0));
        assert_eq!(waits.outstanding(), 0);
    }

    #[test]
    fn who_has_stalled_for_longest_makes_room() {
        let admission = admission(10, 100);
        let first = admission.stall(50);
        let second = admission.stall(50);
        assert!(first.pushed_out().now_or_never().is_none());
        assert!(admission.admit(10).is_err());
        let status = first.pushed_out().now_or_never().unwrap();
        assert!(status.message().contains("limits.requests_bytes_max"), "{status}");
        // It has not gone yet: another one need not go for it.
        assert!(admission.admit(10).is_err());
        assert!(second.pushed_out().now_or_never().is_none());
        drop(first);
        assert!(admission.admit(10).is_ok());
    }
}
