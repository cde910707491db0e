//! A collector of spans, and the part of a program that brings it the spans of its own calls.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use parking_lot::Mutex;
use quorate_proto::RequestId;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::HarnessError;

/// A span that was collected.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Which process: the id of a member, or `client`.
    pub from: String,
    /// What was done.
    pub name: String,
    /// The trace.
    pub request: RequestId,
    /// Its id.
    pub id: u64,
    /// Its parent; 0 for none.
    pub parent: u64,
    /// Nanoseconds since 1970.
    pub began: u64,
    /// Nanoseconds since 1970.
    pub ended: u64,
    /// As text.
    pub attributes: BTreeMap<String, String>,
}

/// Everything that was collected.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<Mutex<Vec<Collected>>>);

impl Spans {
    /// Those of one name, of all processes.
    pub fn named(&self, name: &str) -> Vec<Collected> {
        self.0.lock().iter().filter(|span| span.name == name).cloned().collect()
    }

    /// Those of one request, in the order in which they began.
    pub fn of(&self, request: RequestId) -> Vec<Collected> {
        let mut spans: Vec<_> = self
            .0
            .lock()
            .iter()
            .filter(|span| span.request == request)
            .cloned()
            .collect();
        spans.sort_by_key(|span| span.began);
        spans
    }
}

/// A collector that listens; dropping it ends it.
pub struct Collector {
    /// What came.
    pub spans: Spans,
    server: JoinHandle<()>,
}

impl Collector {
    /// Listens at `host:port`.
    pub async fn listen(address: &str) -> Result<Collector, HarnessError> {
        Collector::serve(address, Server::builder()).await
    }

    /// The same with TLS, and this certificate and key.
    pub async fn listen_with_tls(address: &str, certificate: &Path, key: &Path) -> Result<Collector, HarnessError> {
        let read = |path: &Path| std::fs::read(path).map_err(HarnessError::io(format!("read {}", path.display())));
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(read(certificate)?, read(key)?));
        let server = Server::builder().tls_config(tls);
        let server = server.map_err(|error| HarnessError::Broken(error.to_string()))?;
        Collector::serve(address, server).await
    }

    async fn serve(address: &str, mut server: Server) -> Result<Collector, HarnessError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(HarnessError::io(format!("listen on {address}")))?;
        let spans = Spans::default();
        let service = TraceServiceServer::new(Service(spans.clone()));
        let served = server
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { drop(served.await) });
        Ok(Collector { spans, server })
    }

    /// Listens at a free port of loopback; with the address.
    pub async fn start() -> Result<(Collector, String), HarnessError> {
        let port = crate::cluster::free_ports(1)?[0];
        let address = SocketAddr::from(([127, 0, 0, 1], port)).to_string();
        Ok((Collector::listen(&address).await?, address))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Service(Spans);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            let resource = texts(&of_resource.resource.unwrap_or_default().attributes);
            let from = resource.get("service.instance.id").cloned().unwrap_or_default();
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let trace: String = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
                let request = trace.parse().map_err(|_| Status::invalid_argument("trace_id"))?;
                let collected = Collected {
                    from: from.clone(),
                    request,
                    id: number(&span.span_id)?,
                    parent: if span.parent_span_id.is_empty() {
                        0
                    } else {
                        number(&span.parent_span_id)?
                    },
                    began: span.start_time_unix_nano,
                    ended: span.end_time_unix_nano,
                    attributes: texts(&span.attributes),
                    name: span.name,
                };
                self.0.0.lock().push(collected);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn number(bytes: &[u8]) -> Result<u64, Status> {
    let bytes = bytes.try_into().map_err(|_| Status::invalid_argument("span_id"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |attribute: &KeyValue| {
        attribute
            .value
            .as_ref()
            .and_then(|value| value.value.as_ref())
            .map(text)
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), value(attribute).unwrap_or_default()))
        .collect()
}

/// Makes spans of the calls that clients make on this thread from now on, as a program would that brings its own to the same
/// collector. There is one subscriber in the process: the library remembers for all threads whether anybody wants a span.
pub fn follow_clients(spans: &Spans) -> Result<(), HarnessError> {
    static STARTED: OnceLock<bool> = OnceLock::new();
    let registry = || tracing_subscriber::registry().with(ClientSpans);
    if !STARTED.get_or_init(|| tracing::subscriber::set_global_default(registry()).is_ok()) {
        return Err(HarnessError::io("follow clients")(std::io::Error::other(
            "the process has another subscriber",
        )));
    }
    FOLLOWED.replace(Some(spans.clone()));
    Ok(())
}

thread_local! {
    static FOLLOWED: RefCell<Option<Spans>> = const { RefCell::new(None) };
}

struct ClientSpans;

struct Open {
    began: SystemTime,
    fields: Fields,
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

const TARGET: &str = "quorate::call";

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ClientSpans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| span.metadata().target() == TARGET) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let began = SystemTime::now();
        span.extensions_mut().insert(Open { began, fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == TARGET
            && let Some(span) = context.event_span(event)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            event.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Open { began, fields }) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let attributes = fields.0;
        let Some(request) = attributes
            .get("request")
            .and_then(|text| text.parse::<RequestId>().ok())
        else {
            return;
        };
        let Some(spans) = FOLLOWED.with_borrow(Option::clone) else {
            return;
        };
        spans.0.lock().push(Collected {
            from: "client".to_owned(),
            name: "call".to_owned(),
            request,
            id: request.client_span(),
            parent: 0,
            began: nanoseconds(began),
            ended: nanoseconds(SystemTime::now()),
            attributes,
        });
    }
}

fn nanoseconds(at: SystemTime) -> u64 {
    let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}
