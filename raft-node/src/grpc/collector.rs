//! Brings spans to a collector of OpenTelemetry, by OTLP over gRPC.
//!
//! One message at a time, some times a second. What the collector does not take in time is dropped and counted; nobody waits for
//! it, and what waits is bounded by the queue of the spans and one message.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use crate::config::Tracing;
use crate::environment::{Clock, SystemClock};
use crate::request::{Span, SpanCounts, WaitingSpans};
use crate::types::MemberId;

/// Spans of one message.
const MESSAGE_SPANS_MAX: usize = 512;
/// A message waits so long for more spans, or for its number to be full.
const GATHER_TIME: Duration = Duration::from_millis(250);
/// One attempt to deliver a message.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Attempts to deliver it end after this; then its spans are dropped.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(500);
/// When the member stops, what waits is delivered within this or dropped.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A wall clock that is off by more was set; less is how it is kept.
const CLOCK_SET_MIN: Duration = Duration::from_millis(100);

/// Codes after which another attempt may succeed.
const RETRIED: [Code; 7] = [
    Code::Cancelled,
    Code::DeadlineExceeded,
    Code::ResourceExhausted,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unavailable,
    Code::DataLoss,
];
/// Codes that say that the member failed, not that it refused.
const FAILURES: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

/// Why there is no way to the collector.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The certificate of its authority.
    #[error("tracing.otlp_ca = {path}: {reason}")]
    Authority {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address.
    #[error("tracing.otlp_endpoint = {address}: {reason}")]
    Address {
        /// The setting.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The way to a collector.
pub struct Collector {
    endpoint: Endpoint,
    resource: Resource,
    counts: Arc<SpanCounts>,
}

impl Collector {
    /// The collector of these settings, which is dialled when there are spans.
    pub fn new(tracing: &Tracing, member: MemberId, counts: Arc<SpanCounts>) -> Result<Self, CollectorError> {
        let attributes = [
            ("service.name", "quorate".to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service.instance.id", member.to_string()),
        ];
        let resource = Resource {
            attributes: attributes
                .map(|(key, text)| attribute(key, Value::StringValue(text)))
                .into(),
            ..Resource::default()
        };
        Ok(Self {
            endpoint: endpoint(tracing)?,
            resource,
            counts,
        })
    }

    /// Delivers spans until `stopped`, and then what waits, on the runtime of the caller.
    pub async fn run(self, mut waiting: WaitingSpans, stopped: impl Future<Output = ()>) {
        let mut delivery = Delivery {
            client: TraceServiceClient::new(self.endpoint.connect_lazy()),
            resource: self.resource,
            counts: self.counts,
            process_began: process_began(),
            failing: false,
        };
        let mut message = Vec::with_capacity(MESSAGE_SPANS_MAX);
        tokio::select! {
            () = stopped => {}
            () = async {
                while gather(&mut waiting, &mut message).await {
                    delivery.deliver(&mut message, DELIVERY_TIMEOUT).await;
                }
            } => {}
        }
        waiting.close();
        let flushed = tokio::time::timeout(FLUSH_TIMEOUT, async {
            loop {
                if !message.is_empty() {
                    delivery.deliver(&mut message, FLUSH_TIMEOUT).await;
                }
                if waiting.recv_many(&mut message, MESSAGE_SPANS_MAX).await == 0 {
                    return;
                }
            }
        });
        if flushed.await.is_err() {
            let left = message.len() + waiting.len();
            delivery.counts.dropped.add(left as u64);
            tracing::warn!(left, "the collector did not take the last spans in time");
        }
    }
}

/// What delivers one message after the other.
struct Delivery {
    client: TraceServiceClient<Channel>,
    resource: Resource,
    counts: Arc<SpanCounts>,
    /// What turns monotonic times into times since 1970.
    process_began: Duration,
    /// Spans are dropped at present; said once.
    failing: bool,
}

impl Delivery {
    /// Sends the message, and empties it whatever becomes of it; if this is dropped before, it is as it was.
    async fn deliver(&mut self, message: &mut Vec<Span>, patience: Duration) {
        let request = self.request(message);
        let outcome = tokio::time::timeout(patience, self.attempts(request)).await;
        let spans = message.len() as u64;
        message.clear();
        let refused = match outcome {
            Ok(Ok(rejected)) => {
                let rejected = u64::try_from(rejected).unwrap_or_default().min(spans);
                self.counts.exported.add(spans - rejected);
                self.counts.dropped.add(rejected);
                None
            }
            Ok(Err(status)) => Some(status.message().to_owned()),
            Err(_) => Some(format!("no answer within {} ms", patience.as_millis())),
        };
        if refused.is_some() {
            self.counts.dropped.add(spans);
        }
        let failing = refused.is_some();
        if failing != std::mem::replace(&mut self.failing, failing) {
            match refused {
                Some(reason) => tracing::warn!(reason, "the collector takes no spans: they are dropped"),
                None => tracing::info!("the collector takes spans again"),
            }
        }
    }

    /// Tries until the collector has answered for good; how many spans it has rejected.
    async fn attempts(&mut self, request: ExportTraceServiceRequest) -> Result<i64, Status> {
        loop {
            let mut attempt = tonic::Request::new(request.clone());
            attempt.set_timeout(ATTEMPT_TIMEOUT);
            let answered = match tokio::time::timeout(ATTEMPT_TIMEOUT, self.client.export(attempt)).await {
                Ok(answered) => answered,
                Err(_) => Err(Status::deadline_exceeded("no answer in time")),
            };
            match answered {
                Ok(answer) => {
                    let partial = answer.into_inner().partial_success;
                    return Ok(partial.map_or(0, |partial| partial.rejected_spans));
                }
                Err(status) if RETRIED.contains(&status.code()) => {
                    tracing::debug!(%status, "spans were not taken; trying again");
                    tokio::time::sleep(ATTEMPT_INTERVAL).await;
                }
                Err(status) => return Err(status),
            }
        }
    }

    fn request(&mut self, message: &[Span]) -> ExportTraceServiceRequest {
        // The same for all messages, so that times keep their order, until somebody sets the clock.
        let now = process_began();
        if now.abs_diff(self.process_began) > CLOCK_SET_MIN {
            self.process_began = now;
        }
        let scope_spans = otlp::ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "quorate".to_owned(),
                ..InstrumentationScope::default()
            }),
            spans: message.iter().map(|span| encoded(span, self.process_began)).collect(),
            ..otlp::ScopeSpans::default()
        };
        let resource_spans = otlp::ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![scope_spans],
            ..otlp::ResourceSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![resource_spans],
        }
    }
}

fn endpoint(tracing: &Tracing) -> Result<Endpoint, CollectorError> {
    let address = &tracing.otlp_endpoint;
    let wrong = |reason: String| CollectorError::Address {
        address: address.clone(),
        reason,
    };
    let secure = !tracing.otlp_ca.as_os_str().is_empty();
    let scheme = if secure { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).map_err(|error| wrong(error.to_string()))?;
    let endpoint = endpoint.connect_timeout(ATTEMPT_TIMEOUT);
    if !secure {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new().ca_certificate(authority(&tracing.otlp_ca)?);
    endpoint.tls_config(tls).map_err(|error| wrong(error.to_string()))
}

fn authority(path: &Path) -> Result<Certificate, CollectorError> {
    let read = std::fs::read(path).map_err(|error| CollectorError::Authority {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Certificate::from_pem(read))
}

/// Adds spans to a message that is not full; false when there will be no more.
async fn gather(waiting: &mut WaitingSpans, message: &mut Vec<Span>) -> bool {
    if waiting.recv_many(message, MESSAGE_SPANS_MAX).await == 0 {
        return false;
    }
    let fill = async {
        while message.len() < MESSAGE_SPANS_MAX {
            let room = MESSAGE_SPANS_MAX - message.len();
            if waiting.recv_many(message, room).await == 0 {
                return;
            }
        }
    };
    // A message that is not full goes as it is.
    let _ = tokio::time::timeout(GATHER_TIME, fill).await;
    true
}

/// When the monotonic clock was at 0, in time since 1970. The two clocks are read one after the other: of some attempts the one in
/// which least came between them.
fn process_began() -> Duration {
    let attempts = (0..8).map(|_| {
        let before = SystemClock.monotonic();
        let wall = SystemClock.wall();
        (
            SystemClock.monotonic().saturating_sub(before),
            wall.saturating_sub(before),
        )
    });
    attempts.min().map(|(_, began)| began).unwrap_or_default()
}

fn encoded(span: &Span, process_began: Duration) -> otlp::Span {
    let nanoseconds = |at: Duration| u64::try_from((process_began + at).as_nanos()).unwrap_or(u64::MAX);
    let kind = if span.server {
        SpanKind::Server
    } else {
        SpanKind::Internal
    };
    let status = span
        .code
        .filter(|code| FAILURES.contains(code))
        .map(|code| otlp::Status {
            message: code.to_owned(),
            code: StatusCode::Error.into(),
        });
    let code = span.code.map(|code| Value::StringValue(code.to_owned()));
    let index = span
        .index
        .and_then(|index| i64::try_from(index).ok())
        .map(Value::IntValue);
    let attributes = [("rpc.response.status_code", code), ("quorate.log_index", index)];
    otlp::Span {
        trace_id: span.request.to_bytes().into(),
        span_id: span.id.to_be_bytes().into(),
        parent_span_id: span
            .parent
            .map(|parent| parent.to_be_bytes().into())
            .unwrap_or_default(),
        name: span.name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(span.began),
        end_time_unix_nano: nanoseconds(span.ended),
        attributes: attributes
            .into_iter()
            .filter_map(|(key, value)| Some(attribute(key, value?)))
            .collect(),
        status,
        ..otlp::Span::default()
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests;
