//! Plain connections to a port that speaks TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Refusal;

/// The first byte of a TLS record: an alert, and a handshake. HTTP/2 begins with neither: as the length of a frame they would be
/// over a mebibyte.
const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;

/// For a client that connects without TLS to a server that speaks it.
pub const SPEAKS_TLS_SERVER: &str = "it speaks TLS there, and this side does not: give the authority of its certificate (--ca, or \
                                     `ClientBuilder::tls` in a program)";
/// For a member that connects without TLS to one that speaks it.
pub const SPEAKS_TLS_MEMBER: &str = "that member speaks TLS, and this one does not: give this one [tls.peer] too";

/// A plain stream that fails with `sentence` if what it reads first is TLS.
#[derive(Debug)]
pub struct FirstByte<S> {
    stream: S,
    sentence: &'static str,
    seen: bool,
}

impl<S> FirstByte<S> {
    /// Nothing has been read from `stream` yet.
    pub fn new(stream: S, sentence: &'static str) -> Self {
        Self {
            stream,
            sentence,
            seen: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstByte<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(task, buffer))?;
        if !self.seen
            && let Some(first) = buffer.filled().get(before)
        {
            if matches!(*first, ALERT | HANDSHAKE) {
                return Poll::Ready(Err(Refusal(self.sentence.to_owned()).into()));
            }
            self.seen = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstByte<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
