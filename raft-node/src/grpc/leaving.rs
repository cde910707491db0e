//! Answers that are on their way to a client, piece by piece.
//!
//! HTTP/2 asks for more of an answer when the client has read, and keeps all of what it gets. So it gets pieces, and what it has not
//! asked for counts as unread.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prost::Message;
use tonic::body::Body;
use tonic::{Request, Response, Status};

use super::unread::{Unread, UnreadAnswers, Waits, line_of};

/// As much as is in one frame.
const PIECE_BYTES: usize = 256 << 10;
/// A smaller answer to a call of its own is not counted: a connection has so many streams, and no more.
const COUNTED_BYTES_MIN: usize = 4 << 10;

/// Goes with an answer from the handler to its body.
#[derive(Clone)]
struct Counted(
    /// Dropped with the last copy.
    #[allow(dead_code, reason = "it counts as long as it is there")]
    Arc<Waits>,
);

/// The answer to a call of its own. It counts from now on.
pub(super) fn answer<Q, A: Message>(unread: &Arc<UnreadAnswers>, request: &Request<Q>, answer: A) -> Response<A> {
    let bytes = answer.encoded_len();
    let mut response = Response::new(answer);
    if bytes >= COUNTED_BYTES_MIN {
        let waits = unread.on(line_of(request)).add(bytes as u64);
        response.extensions_mut().insert(Counted(Arc::new(waits)));
    }
    response
}

/// The body of an answer.
pub(super) struct Leaving {
    body: Body,
    unread: Arc<Unread>,
    /// As long as the answer is not encoded.
    counted: Option<Counted>,
    rest: Bytes,
    waits: Option<Waits>,
}

impl Leaving {
    /// `unread` is that of its stream.
    pub(super) fn of(mut response: http::Response<Body>, unread: Arc<Unread>) -> http::Response<Body> {
        let counted = response.extensions_mut().remove::<Counted>();
        response.map(|body| {
            Body::new(Self {
                body,
                unread,
                counted,
                rest: Bytes::new(),
                waits: None,
            })
        })
    }

    fn piece(&mut self) -> Bytes {
        let bytes = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(bytes);
        // What is left counts, and it was asked for.
        self.waits = (!self.rest.is_empty()).then(|| self.unread.add(self.rest.len() as u64));
        piece
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let me = &mut *self;
        if !me.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(me.piece()))));
        }
        let polled = Pin::new(&mut me.body).poll_frame(task);
        if polled.is_ready() {
            me.counted = None;
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if data.len() > PIECE_BYTES => {
                    me.rest = data;
                    Poll::Ready(Some(Ok(Frame::data(me.piece()))))
                }
                Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(trailers) => Poll::Ready(Some(Ok(trailers))),
            },
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.is_empty() {
            true => self.body.size_hint(),
            false => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;

    use super::*;
    use crate::consensus::network::Line;

    #[tokio::test]
    async fn an_answer_leaves_in_pieces_and_what_is_left_of_it_counts() {
        let member = UnreadAnswers::new(1 << 30);
        let all: Bytes = (0..PIECE_BYTES * 2 + 5).map(|byte| byte as u8).collect();
        let response = http::Response::new(Body::new(axum::body::Body::from(all.clone())));
        let mut body = Leaving::of(response, member.on(Line::default())).into_body();
        let mut came = Vec::new();
        for left in [PIECE_BYTES + 5, 5, 0] {
            let frame = poll_fn(|task| Pin::new(&mut body).poll_frame(task))
                .await
                .unwrap()
                .unwrap();
            came.extend_from_slice(&frame.into_data().unwrap());
            assert_eq!(member.bytes(), left as u64);
        }
        let end = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await;
        assert!(end.is_none());
        assert_eq!(came, all);
    }

    #[tokio::test]
    async fn an_answer_counts_before_anything_of_it_is_asked_for() {
        let member = UnreadAnswers::new(1 << 30);
        let record = quorate_proto::v1::GetRequest {
            key: vec![7; 5_000].into(),
            ..Default::default()
        };
        let small = answer(&member, &Request::new(()), quorate_proto::v1::GetRequest::default());
        assert_eq!(member.bytes(), 0);
        let large = answer(&member, &Request::new(()), record);
        assert!(member.bytes() > 5_000);
        drop((small, large));
        assert_eq!(member.bytes(), 0);
    }
}
