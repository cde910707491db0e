//! Counts calls, and follows those that nobody else does.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use quorate_proto::v1::call;
use tonic::Code;
use tower::{Layer, Service};

use super::error;
use super::followed::{Books, REQUEST_HEADER};
use crate::environment::{Clock, SystemClock};
use crate::metrics::{Method, RpcCounts};

/// Counts every gRPC call of a server.
#[derive(Clone)]
pub(super) struct CountCalls(pub(super) Arc<Books>);

impl<S> Layer<S> for CountCalls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            books: Arc::clone(&self.0),
        }
    }
}

/// A service whose calls are counted when the head of their answer is there: that is all of a unary call, and the beginning
/// of one that streams.
#[derive(Clone)]
pub(super) struct Counted<S> {
    inner: S,
    books: Arc<Books>,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = Method::of_path(request.uri().path());
        let call = Began::now(method);
        let books = Arc::clone(&self.books);
        let followed = (!names_itself(method)).then(|| books.alone_of(call));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answer.await;
            let code = answer.as_ref().map_or(Code::Internal, code_of);
            let Some(followed) = followed else {
                call.ended(&books.rpc, code);
                return answer;
            };
            let name = followed.ended(&books, code);
            if code != Code::Ok
                && let Ok(answer) = &mut answer
                && let Ok(id) = HeaderValue::try_from(books.requests.id_of(name).to_string())
            {
                answer.headers_mut().insert(REQUEST_HEADER, id);
            }
            answer
        })
    }
}

/// Calls that become work of the strong tier are followed by what they ask for, with the way that they went.
fn names_itself(method: Method) -> bool {
    matches!(
        method,
        Method::Get
            | Method::Put
            | Method::Delete
            | Method::Range
            | Method::Txn
            | Method::Compact
            | Method::RegisterClient
            | Method::Query
            | Method::DomainCreate
            | Method::DomainList
            | Method::DomainGet
            | Method::DomainChange
            | Method::DomainDrop
    )
}

/// A call that fails at once says so in its head; the code of every other comes behind its body.
fn code_of<R>(answer: &Response<R>) -> Code {
    let code = answer.headers().get("grpc-status");
    code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// A call in work.
#[derive(Clone, Copy)]
pub(super) struct Began {
    method: Method,
    at: Duration,
}

impl Began {
    pub(super) fn now(method: Method) -> Self {
        Self {
            method,
            at: SystemClock.monotonic(),
        }
    }

    /// Says when.
    pub(super) fn ended(self, counts: &RpcCounts, code: Code) -> Duration {
        let now = SystemClock.monotonic();
        counts.ended(self.method, code as i32, now.saturating_sub(self.at));
        now
    }

    /// A call of a stream ended with this answer; says when, and with which code.
    pub(super) fn answered(self, counts: &RpcCounts, refused: Option<&quorate_proto::v1::Error>) -> (Duration, Code) {
        let code = code_of_answer(refused);
        (self.ended(counts, code), code)
    }

    pub(super) fn at(self) -> Duration {
        self.at
    }

    pub(super) fn method(self) -> Method {
        self.method
    }
}

/// The code of an answer, or of the error in its place.
pub(super) fn code_of_answer(refused: Option<&quorate_proto::v1::Error>) -> Code {
    refused.map_or(Code::Ok, |refused| error::code(refused.code()))
}

/// The method that a call of the stream stands for.
pub(super) fn method_of(request: Option<&call::Request>) -> Method {
    match request {
        Some(call::Request::Get(_)) => Method::Get,
        Some(call::Request::Put(_)) => Method::Put,
        Some(call::Request::Delete(_)) => Method::Delete,
        Some(call::Request::Range(_)) => Method::Range,
        Some(call::Request::Txn(_)) => Method::Txn,
        Some(call::Request::Compact(_)) => Method::Compact,
        Some(call::Request::RegisterClient(_)) => Method::RegisterClient,
        Some(call::Request::KeepAlive(_)) => Method::KeepAlive,
        Some(call::Request::Query(_)) => Method::Query,
        Some(call::Request::DomainCreate(_)) => Method::DomainCreate,
        Some(call::Request::DomainList(_)) => Method::DomainList,
        Some(call::Request::DomainGet(_)) => Method::DomainGet,
        Some(call::Request::DomainChange(_)) => Method::DomainChange,
        Some(call::Request::DomainDrop(_)) => Method::DomainDrop,
        None => Method::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{EntryTimes, Requests};

    async fn called(path: &str, status: Option<&str>) -> Vec<(&'static str, &'static str, u64, bool)> {
        let status = status.map(str::to_owned);
        let answering = tower::service_fn(move |_: Request<()>| {
            let mut answer = Response::builder();
            if let Some(status) = &status {
                answer = answer.header("grpc-status", status);
            }
            std::future::ready(answer.body(()))
        });
        let requests = Requests::new(Box::new(|| 1), Arc::<EntryTimes>::default(), 0);
        let books = Arc::new(Books::new(Arc::new(requests)));
        let mut service = CountCalls(Arc::clone(&books)).layer(answering);
        let request = Request::builder().uri(path).body(()).unwrap();
        let answer = service.call(request).await.unwrap();
        let mut seen = Vec::new();
        books.rpc.each(|method, code, count| {
            seen.push((method, code, count, answer.headers().contains_key(REQUEST_HEADER)))
        });
        seen
    }

    #[tokio::test]
    async fn a_call_counts_with_the_code_in_its_head() {
        assert_eq!(called("/quorate.v1.Kv/Put", None).await, [("Kv/Put", "OK", 1, false)]);
        assert_eq!(
            called("/quorate.v1.Kv/Put", Some("14")).await,
            [("Kv/Put", "UNAVAILABLE", 1, false)]
        );
        assert_eq!(
            called("/some/Thing", Some("12")).await,
            [("other", "UNIMPLEMENTED", 1, true)]
        );
    }

    #[tokio::test]
    async fn an_error_names_its_request_where_the_call_does_not_by_itself() {
        let path = "/quorate.v1.Cluster/MemberRemove";
        assert_eq!(
            called(path, Some("5")).await,
            [("Cluster/MemberRemove", "NOT_FOUND", 1, true)]
        );
        assert_eq!(called(path, None).await, [("Cluster/MemberRemove", "OK", 1, false)]);
    }
}
