//! How a connection begins, and what those are told who are not let in.

use std::io;
use std::time::Duration;

use quorate_tls::farewell;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What every client of HTTP/2 says first, whatever it wants.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte of a handshake of TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// It fits into the buffers of any connection.
const SAYING: Duration = Duration::from_millis(200);

/// To whoever speaks HTTP/1, TLS where there is none, or anything else: the last two see that this is not what they expect.
const NOT_HTTP2: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
                         this port speaks gRPC, that is HTTP/2 from the first byte; metrics and health are at listen_http\n";

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// As HTTP/2 does: all of [`PREFACE`] was read, and nothing else.
    Http2,
    /// As TLS does.
    Tls,
    /// Otherwise.
    Other,
}

/// Reads how it begins. Waits for as long as the other side does: bound it.
pub(super) async fn hear(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Greeting> {
    let mut heard = [0; PREFACE.len()];
    let mut bytes = 0;
    while bytes < PREFACE.len() {
        let read = io.read(&mut heard[bytes..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes += read;
        if heard[..bytes] != PREFACE[..bytes] {
            return Ok(match heard[0] {
                TLS_HANDSHAKE => Greeting::Tls,
                _ => Greeting::Other,
            });
        }
    }
    Ok(Greeting::Http2)
}

/// For who does not speak HTTP/2.
pub(super) async fn refuse_other(io: impl AsyncRead + AsyncWrite + Unpin) {
    say(io, NOT_HTTP2.as_bytes()).await;
}

/// For a client of HTTP/2, which shows the reason to its user.
pub(super) async fn refuse_http2(io: impl AsyncRead + AsyncWrite + Unpin, reason: &str) {
    say(io, &go_away(reason)).await;
}

/// Empty settings, then GOAWAY with ENHANCE_YOUR_CALM and the reason: no stream was or will be looked at.
fn go_away(reason: &str) -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u32 = 11;
    // Fits into three bytes by far: reasons are sentences of this crate.
    let length = u32::try_from(8 + reason.len()).unwrap_or(8).to_be_bytes();
    let mut bytes = SETTINGS.to_vec();
    bytes.extend_from_slice(&[length[1], length[2], length[3], GOAWAY, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    bytes.extend_from_slice(reason.as_bytes());
    bytes
}

async fn say(mut io: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) {
    // Whether it listened is its own affair.
    let said = tokio::time::timeout(SAYING, io.write_all(bytes)).await;
    if matches!(said, Ok(Ok(()))) {
        farewell(io).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn http2_is_known_by_its_first_bytes_however_they_come() {
        let (mut client, mut server) = tokio::io::duplex(64);
        let speaking = async {
            for byte in PREFACE {
                client.write_all(&[*byte]).await.unwrap();
            }
            client.write_all(b"more").await.unwrap();
        };
        let (greeting, ()) = tokio::join!(hear(&mut server), speaking);
        assert_eq!(greeting.unwrap(), Greeting::Http2);
        let mut rest = [0; 4];
        server.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"more", "what comes behind is left unread");
    }

    #[tokio::test]
    async fn anything_else_is_known_by_the_first_byte_that_differs() {
        for other in [&b"GET / HTTP/1.1\r\n"[..], b"POST", b"PRI * HTTP/2.1"] {
            let mut heard = other;
            assert_eq!(hear(&mut heard).await.unwrap(), Greeting::Other);
        }
        let mut hello = &b"\x16\x03\x01"[..];
        assert_eq!(hear(&mut hello).await.unwrap(), Greeting::Tls);
        let mut half = &PREFACE[..7];
        assert_eq!(hear(&mut half).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_reason_is_in_a_frame_that_says_its_length() {
        let bytes = go_away("no");
        assert_eq!(bytes[9..18], [0, 0, 10, 7, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[18..], [0, 0, 0, 0, 0, 0, 0, 11, b'n', b'o']);
    }
}
