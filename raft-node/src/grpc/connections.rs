//! Counts open connections.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use crate::metrics::{Open, OpenOne};

/// A connection that counts as long as it is open.
pub(super) struct OpenIo<T> {
    io: T,
    _open: OpenOne,
}

/// The connections, each counted in `open`.
pub(super) fn counted<T>(
    incoming: impl Stream<Item = io::Result<T>>,
    open: Open,
) -> impl Stream<Item = io::Result<OpenIo<T>>> {
    incoming.map(move |io| io.map(|io| OpenIo { io, _open: open.one() }))
}

impl<T: AsyncRead + Unpin> AsyncRead for OpenIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for OpenIo<T> {
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

impl<T: Connected> Connected for OpenIo<T> {
    type ConnectInfo = T::ConnectInfo;

    fn connect_info(&self) -> T::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_counts_until_it_is_dropped() {
        let open = Open::default();
        let failed = Err(io::Error::other("no descriptor"));
        let incoming = futures::stream::iter([Ok(1), failed, Ok(2)]);
        let mut counted: Vec<_> = counted(incoming, open.clone()).collect().await;
        assert_eq!(open.get(), 2);
        counted.truncate(1);
        assert_eq!(open.get(), 1);
        drop(counted);
        assert_eq!(open.get(), 0);
    }
}
