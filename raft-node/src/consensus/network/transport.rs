//! The network seam: how a connection is made and accepted. A simulator replaces it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};

use super::Caller;
use crate::types::MemberId;

/// A peer that does not answer for this long is treated as gone, and the connection is made anew.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(1);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// An accept that fails for want of file descriptors fails again at once; without a pause it would take a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Room for a full group of entries in flight on a stream, so that HTTP/2 flow control never paces replication.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Accepted connections.
pub type Incoming = BoxStream<'static, io::Result<BoxIo>>;

/// Makes and accepts connections.
pub trait Transport: Send + Sync + 'static {
    /// Connects to `host:port`, where `member` should be.
    fn connect(&self, address: String, member: MemberId) -> BoxFuture<'static, io::Result<BoxIo>>;

    /// Listens; the address says the port where 0 was asked for.
    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<(SocketAddr, Incoming)>>;
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A byte stream of any transport.
pub struct BoxIo {
    io: Box<dyn Io>,
    caller: Caller,
}

impl BoxIo {
    /// Wraps a stream.
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::of(io, Caller::default())
    }

    /// Who is at its other end.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Wraps a stream of which is known who is at its other end.
    pub fn of(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, caller: Caller) -> Self {
        Self {
            io: Box::new(io),
            caller,
        }
    }
}

impl AsyncRead for BoxIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoxIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

impl Connected for BoxIo {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

/// TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpTransport;

impl Transport for TcpTransport {
    fn connect(&self, address: String, _: MemberId) -> BoxFuture<'static, io::Result<BoxIo>> {
        Box::pin(async move {
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
            stream.set_nodelay(true)?;
            Ok(BoxIo::new(stream))
        })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<(SocketAddr, Incoming)>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            let incoming = futures::stream::unfold(listener, |listener| async move {
                let accepted = match listener.accept().await {
                    Ok((stream, from)) => stream.set_nodelay(true).map(|()| BoxIo::of(stream, Caller::at(from))),
                    Err(error) => {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        Err(error)
                    }
                };
                Some((accepted, listener))
            });
            Ok((address, incoming.boxed()))
        })
    }
}

/// A channel to `address` that connects when it is first used, and again when the connection was lost.
pub(super) fn channel(
    transport: &Arc<dyn Transport>,
    address: &str,
    member: MemberId,
) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let transport = Arc::clone(transport);
    let address = address.to_owned();
    Ok(
        endpoint.connect_with_connector_lazy(tower::service_fn(move |_: http::Uri| {
            let connecting = transport.connect(address.clone(), member);
            async move { connecting.await.map(TokioIo::new) }
        })),
    )
}
