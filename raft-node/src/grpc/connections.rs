//! A connection that was let in.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::greeting::PREFACE;
use super::places::Place;
use crate::consensus::network::{BoxIo, Caller};
use crate::metrics::OpenOne;

/// It counts as long as it is open, and is read from its beginning, although that was read before.
pub(super) struct OpenIo {
    io: BoxIo,
    /// Bytes of [`PREFACE`] that were read again.
    repeated: usize,
    _open: OpenOne,
    /// Where there is a place for so many only.
    place: Option<Place>,
}

impl OpenIo {
    /// [`PREFACE`] was read from `io`.
    pub(super) fn new(io: BoxIo, open: OpenOne, place: Option<Place>) -> Self {
        Self {
            io,
            repeated: 0,
            _open: open,
            place,
        }
    }
}

impl AsyncRead for OpenIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.io.caller().line().poll_cut(cx) {
            let reason = "it took too much and read too little, or was quiet while others waited for its place";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason)));
        }
        if self.repeated < PREFACE.len() {
            let rest = &PREFACE[self.repeated..];
            let bytes = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..bytes]);
            self.repeated += bytes;
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if let Some(place) = &self.place {
            place.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OpenIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connected for OpenIo {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.io.connect_info()
    }
}
