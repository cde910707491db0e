//! The listener: bounded in every way, since anybody on the machine may connect.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::future::{Either, select};
use http::Request;
use hyper::body::Incoming as IncomingBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::routes::{Visitor, routes};
use super::site::Site;

/// Connections at a time; who comes when they are used up waits until one ends.
const CONNECTIONS_MAX: usize = 64;
/// The head of a request has to be there within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection ends after this, whatever it is doing: a scrape takes milliseconds, and Prometheus connects again.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// An accept that fails for want of file descriptors fails again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers until `shutdown`; calls in work are cut then.
pub async fn serve(site: Arc<Site>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = routes(Arc::clone(&site));
    let accept = async {
        loop {
            // Held by nobody else and never closed.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, visitor)) => {
                    let (open, router) = (site.visitors.one(), router.clone());
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(CONNECTION_TIMEOUT, converse(stream, visitor, router)).await;
                        drop((permit, open));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to listen_http could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    match select(pin!(shutdown), pin!(accept)).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}

/// What goes wrong on a connection is the visitor's business.
async fn converse(stream: TcpStream, visitor: SocketAddr, router: axum::Router) {
    let answer = service_fn(move |mut request: Request<IncomingBody>| {
        request.extensions_mut().insert(Visitor(visitor));
        let router = router.clone();
        async move {
            let answer = router.oneshot(request.map(Body::new)).await;
            answer.map_err(|never: Infallible| never)
        }
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = conversation.await {
        tracing::debug!(%error, "a connection to listen_http ended");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::config::NodeConfig;

    async fn served() -> (Arc<Site>, std::net::SocketAddr) {
        let site = Site::new(Arc::new(NodeConfig::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(Arc::clone(&site), listener, std::future::pending()));
        (site, address)
    }

    async fn said(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may have had enough before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_request_is_answered_and_a_head_that_is_too_long_refused() {
        let (site, address) = served().await;
        let good = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = said(address, good).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"),
            "{answer}"
        );
        let long = format!(
            "GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "y".repeat(HEAD_BYTES_MAX)
        );
        let answer = said(address, &long).await;
        assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
        let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        let answer = said(address, &many).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(said(address, good).await.starts_with("HTTP/1.1 200 OK"));
        while site.visitors.get() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn connections_that_say_nothing_leave_room_after_a_while() {
        let (site, address) = served().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        while site.visitors.get() < CONNECTIONS_MAX as u64 {
            tokio::task::yield_now().await;
        }
        let asking = said(address, "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = tokio::time::timeout(2 * HEAD_TIMEOUT, asking).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(silent.len(), CONNECTIONS_MAX);
    }
}
