use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use quorate_proto::RequestId;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response};

use super::*;
use crate::request::{Ended, EntryTimes, Passage, RequestName, Requests};

/// Takes all spans but so many of each message, or refuses them all.
struct Receiver {
    rejected: i64,
    refusal: Option<Code>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if let Some(code) = self.refusal {
            return Err(Status::new(code, "no"));
        }
        let partial = ExportTracePartialSuccess {
            rejected_spans: self.rejected,
            ..ExportTracePartialSuccess::default()
        };
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: Some(partial),
        }))
    }
}

async fn listen(receiver: Receiver) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(receiver));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// What becomes of the three spans of three calls if the member stops before any of them was sent: how many were exported, and how
/// many dropped.
async fn stopped_at_once(address: SocketAddr) -> (u64, u64) {
    let requests = Requests::new(Box::new(|| 1), Arc::<EntryTimes>::default(), 0);
    let (requests, waiting) = requests.with_spans(1_000_000, 1);
    for call in 0..3 {
        requests.ended(&Ended {
            name: RequestName::Call { connection: 1, call },
            method: "Kv/Get",
            code: "OK",
            began: Duration::from_millis(1),
            at: Duration::from_millis(2),
            asked_to_wait: Duration::ZERO,
            client_has_span: false,
            passage: Passage::AtOnce,
        });
    }
    let tracing = Tracing {
        otlp_endpoint: address.to_string(),
        ..Tracing::default()
    };
    let counts = Arc::clone(requests.span_counts());
    let collector = Collector::new(&tracing, 1, Arc::clone(&counts)).unwrap();
    collector.run(waiting, std::future::ready(())).await;
    (counts.exported.get(), counts.dropped.get())
}

#[tokio::test]
async fn what_waits_when_the_member_stops_is_delivered() {
    let takes = Receiver {
        rejected: 0,
        refusal: None,
    };
    assert_eq!(stopped_at_once(listen(takes).await).await, (3, 0));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_collector_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let began = SystemClock.monotonic();
    assert_eq!(stopped_at_once(nobody).await, (0, 3));
    assert!(SystemClock.monotonic() - began < 2 * FLUSH_TIMEOUT);
}

#[tokio::test]
async fn spans_that_the_collector_rejects_count_as_dropped() {
    let rejects = Receiver {
        rejected: 2,
        refusal: None,
    };
    assert_eq!(stopped_at_once(listen(rejects).await).await, (1, 2));
    let refuses = Receiver {
        rejected: 0,
        refusal: Some(Code::InvalidArgument),
    };
    assert_eq!(stopped_at_once(listen(refuses).await).await, (0, 3));
}

#[test]
fn a_span_is_encoded_with_its_trace_its_parent_and_its_time_since_1970() {
    let span = Span {
        request: RequestId::of_call(1, 2),
        id: 3,
        parent: Some(4),
        name: "Kv/Put",
        server: true,
        began: Duration::from_secs(1),
        ended: Duration::from_secs(2),
        code: Some("UNAVAILABLE"),
        index: None,
    };
    let otlp = encoded(&span, Duration::from_secs(1_000));
    assert_eq!(otlp.trace_id, RequestId::of_call(1, 2).to_bytes());
    assert_eq!(
        (otlp.span_id, otlp.parent_span_id),
        (vec![0, 0, 0, 0, 0, 0, 0, 3], vec![0, 0, 0, 0, 0, 0, 0, 4])
    );
    assert_eq!(
        (otlp.start_time_unix_nano, otlp.end_time_unix_nano),
        (1_001_000_000_000, 1_002_000_000_000)
    );
    assert_eq!(otlp.kind, SpanKind::Server as i32);
    assert_eq!(otlp.status.unwrap().code, StatusCode::Error as i32);
    let refused = Span {
        code: Some("NOT_FOUND"),
        parent: None,
        ..span
    };
    let otlp = encoded(&refused, Duration::ZERO);
    assert_eq!(otlp.status, None);
    assert!(otlp.parent_span_id.is_empty());
}
