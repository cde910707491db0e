//! How a connection to one address is made, with TLS or without.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use quorate_tls::{DialSettings, FirstByte, Remote, SPEAKS_TLS_SERVER, dial, host_of};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

use crate::connection::chain;
use crate::tls::Trust;

/// Connects to one address.
#[derive(Clone)]
pub(crate) struct Connector {
    transport: Endpoint,
    address: Arc<str>,
    trust: Option<Arc<Trust>>,
}

trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

type BoxIo = Pin<Box<dyn Io>>;

impl Connector {
    /// `address` is `host:port`. Without `trust` there is no TLS.
    pub(crate) fn new(transport: Endpoint, address: &str, trust: Option<Arc<Trust>>) -> Self {
        Self {
            transport,
            address: address.into(),
            trust,
        }
    }

    /// The same with other settings of the transport.
    pub(crate) fn with(&self, configure: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        Self {
            transport: configure(self.transport.clone()),
            ..self.clone()
        }
    }

    /// Connects now. The error says why not.
    pub(crate) async fn connect(&self) -> Result<Channel, String> {
        let connecting = self.transport.connect_with_connector(self.service());
        connecting.await.map_err(|error| chain(&error))
    }

    /// Connects when it is first used, and again when the connection was lost.
    pub(crate) fn connect_lazy(&self) -> Channel {
        self.transport.connect_with_connector_lazy(self.service())
    }

    fn service(
        &self,
    ) -> impl tower::Service<
        http::Uri,
        Response = TokioIo<BoxIo>,
        Error = io::Error,
        Future: Future<Output = io::Result<TokioIo<BoxIo>>> + Send,
    > + Send
    + Sync
    + 'static {
        let (address, trust) = (Arc::clone(&self.address), self.trust.clone());
        tower::service_fn(move |_: http::Uri| {
            let (address, trust) = (Arc::clone(&address), trust.clone());
            async move { open(&address, trust.as_deref()).await.map(TokioIo::new) }
        })
    }
}

/// The transport bounds how long it may take.
async fn open(address: &str, trust: Option<&Trust>) -> io::Result<BoxIo> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(trust) = trust else {
        return Ok(Box::pin(FirstByte::new(stream, SPEAKS_TLS_SERVER)));
    };
    let settings = DialSettings {
        credentials: trust.credentials(),
        allow_tls_1_2: trust.allow_tls_1_2,
    };
    let name = trust.server_name.as_deref().unwrap_or_else(|| host_of(address));
    Ok(Box::pin(dial(stream, name, Remote::Server, &settings).await?))
}
