//! Requests that are on their way to a member.
//!
//! A message that is not whole yet is kept until it is, so a client that sends half of one, on as many streams as it likes, would
//! have a member keep all of them. Here a message has a time in which to arrive, and all that are not whole yet, a number of
//! bytes: beyond it the oldest of them is given up. It has had the longest time, so those that never end make room for those
//! that do.
//!
//! What arrives in one piece, which nearly every message does, is not looked at again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::framing::Framing;
use super::leaving::Leaving;
use super::places::{Place, Places};
use super::unread::UnreadAnswers;
use crate::config::Limits;
use crate::consensus::network::{Caller, Line};
use crate::metrics::Count;

/// Methods whose client may send its next message whenever it likes.
const OPEN_ENDED: [&str; 4] = ["/Open", "/KeepAlive", "/Watch", "/ServerReflectionInfo"];

/// What arrives at a member.
pub(super) struct Arrivals {
    within: Duration,
    bytes_max: u64,
    /// Of messages that are not whole.
    bytes: AtomicU64,
    unfinished: Arc<Places>,
    counts: Arc<CutCounts>,
}

/// Requests that were given up.
#[derive(Debug, Default)]
pub struct CutCounts {
    too_slow: Count,
    pushed_out: Count,
}

impl CutCounts {
    /// How many, by reason.
    pub fn each(&self) -> [(&'static str, u64); 2] {
        [("too_slow", self.too_slow.get()), ("pushed_out", self.pushed_out.get())]
    }
}

impl Arrivals {
    pub(super) fn new(limits: &Limits, counts: Arc<CutCounts>) -> Arc<Self> {
        Arc::new(Self {
            within: Duration::from_millis(limits.request_arrival_ms_max),
            bytes_max: limits.arriving_bytes_max,
            bytes: AtomicU64::new(0),
            unfinished: Arc::default(),
            counts,
        })
    }

    fn too_slow(&self, bytes: u64) -> Status {
        self.counts.too_slow.increment();
        let limit = self.within.as_millis();
        Status::deadline_exceeded(format!(
            "a request was not whole within {limit} ms, which is limits.request_arrival_ms_max: {bytes} bytes of it came"
        ))
    }

    fn pushed_out(&self, bytes: u64) -> Status {
        self.counts.pushed_out.increment();
        let limit = self.bytes_max;
        Status::resource_exhausted(format!(
            "requests that were not whole had more than {limit} bytes, which is limits.arriving_bytes_max, and this one was \
             the oldest: {bytes} bytes of it came"
        ))
    }
}

/// Watches over what comes to a server and what leaves it.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) arrivals: Arc<Arrivals>,
    pub(super) unread: Arc<UnreadAnswers>,
}

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched {
            inner,
            arrivals: Arc::clone(&self.arrivals),
            unread: Arc::clone(&self.unread),
        }
    }
}

/// A service whose requests and answers are watched over.
#[derive(Clone)]
pub(super) struct Watched<S> {
    inner: S,
    arrivals: Arc<Arrivals>,
    unread: Arc<UnreadAnswers>,
}

impl<S> Service<Request<Body>> for Watched<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let open_ended = OPEN_ENDED.iter().any(|end| path.ends_with(end));
        let arrivals = Arc::clone(&self.arrivals);
        let caller = request.extensions().get::<Caller>();
        let line = caller.map(|caller| caller.line().clone()).unwrap_or_default();
        let unread = self.unread.on(line);
        let answer = self
            .inner
            .call(request.map(|body| Body::new(Arriving::new(body, arrivals, open_ended))));
        Box::pin(async move { Ok(Leaving::of(answer.await?, unread)) })
    }
}

/// The body of a request.
struct Arriving {
    body: Body,
    framing: Framing,
    arrivals: Arc<Arrivals>,
    /// Bytes of the message that is not whole.
    bytes: u64,
    place: Option<Place>,
    line: Line,
    time: Option<Pin<Box<Sleep>>>,
    /// A message is due: one has begun, or the call has, and it takes one.
    due: bool,
}

impl Arriving {
    fn new(body: Body, arrivals: Arc<Arrivals>, open_ended: bool) -> Self {
        Self {
            body,
            framing: Framing::default(),
            arrivals,
            bytes: 0,
            place: None,
            line: Line::default(),
            time: None,
            due: !open_ended,
        }
    }

    fn came(&mut self, data: &[u8]) {
        let whole = self.framing.take(data);
        let bytes = self.framing.unfinished();
        self.count(bytes);
        if whole {
            (self.place, self.time) = (None, None);
            self.due = bytes > 0;
        } else {
            self.due |= bytes > 0;
        }
    }

    fn count(&mut self, bytes: u64) {
        let total = &self.arrivals.bytes;
        if bytes >= self.bytes {
            total.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            total.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// Nothing more is there yet.
    fn wait(&mut self, task: &mut Context<'_>) -> Result<(), Status> {
        if !self.due {
            return Ok(());
        }
        if self.bytes > 0 {
            let unfinished = &self.arrivals.unfinished;
            self.place.get_or_insert_with(|| unfinished.take(self.line.clone()));
            if self.line.poll_cut(task) {
                return Err(self.arrivals.pushed_out(self.bytes));
            }
        }
        let within = self.arrivals.within;
        let time = self.time.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        match time.as_mut().poll(task) {
            Poll::Ready(()) => Err(self.arrivals.too_slow(self.bytes)),
            Poll::Pending => Ok(()),
        }
    }

    /// Nothing more of it is wanted.
    fn cut(&mut self) {
        self.count(0);
        (self.place, self.time) = (None, None);
        self.due = false;
        self.body = Body::empty();
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let me = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut me.body).poll_frame(task) else {
            return match me.wait(task) {
                Ok(()) => Poll::Pending,
                Err(status) => {
                    me.cut();
                    Poll::Ready(Some(Err(status)))
                }
            };
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    me.came(data);
                }
            }
            Some(Err(_)) | None => me.cut(),
        }
        let arrivals = &me.arrivals;
        if arrivals.bytes.load(Ordering::Relaxed) > arrivals.bytes_max && !arrivals.unfinished.someone_leaves() {
            arrivals.unfinished.push_out_oldest();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.count(0);
    }
}
