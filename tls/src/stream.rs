//! A TLS stream whose errors say what they mean.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Certificate;
use crate::explain::Context;

/// With TLS 1.3 the side that connects has shaken hands before it was judged: it learns that it is refused when it reads.
#[derive(Debug)]
pub struct Explained<S> {
    stream: S,
    context: Arc<Context>,
}

impl<S> Explained<S> {
    pub(crate) fn new(stream: S, context: Arc<Context>) -> Self {
        Self { stream, context }
    }

    /// What the other side has shown, if it has: it was found to be trusted.
    pub fn presented(&self) -> Option<Certificate> {
        self.context.presented()
    }

    fn explain<T>(&self, result: io::Result<T>) -> Poll<io::Result<T>> {
        Poll::Ready(result.map_err(|error| self.context.explain_io(error)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Task<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_read(task, buffer));
        self.explain(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(task, bytes));
        self.explain(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(task, slices));
        self.explain(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_flush(task));
        self.explain(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_shutdown(task));
        self.explain(result)
    }
}
