//! A TCP relay between a client and a member, which can lose replies.
//!
//! The fault that matters most to a client is the one it cannot see: its request was applied and the reply was lost.
//! [`Relay::lose_replies`] lets requests through and swallows whatever comes back; [`Relay::restore`] then breaks the
//! connections, since a byte stream with a hole cannot be continued, and lets new ones through unharmed.
//!
//! Deliberately absent: delay, loss and one-way cuts between members.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::HarnessError;

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What the relay does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    LoseReplies,
    Refuse,
}

/// Connections belong to the epoch in which they were accepted and end with it.
#[derive(Clone, Copy, Debug)]
struct Phase {
    epoch: u64,
    mode: Mode,
}

/// Relays connections to one upstream address until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    swallowed_bytes: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free loopback port for connections to `upstream`, `host:port`.
    pub async fn start(upstream: &str) -> Result<Relay, HarnessError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(HarnessError::io("listen for the relay"))?;
        let address = listener
            .local_addr()
            .map_err(HarnessError::io("address of the relay"))?;
        let (phase, current) = watch::channel(Phase {
            epoch: 0,
            mode: Mode::Pass,
        });
        let swallowed_bytes = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(
            listener,
            upstream.to_owned(),
            current,
            Arc::clone(&swallowed_bytes),
        ));
        Ok(Relay {
            address,
            phase,
            swallowed_bytes,
            accepting,
        })
    }

    /// `host:port` to connect to.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on requests pass and replies vanish, on open connections and on new ones.
    pub fn lose_replies(&self) {
        self.phase.send_modify(|phase| phase.mode = Mode::LoseReplies);
    }

    /// Bytes of replies that vanished so far.
    pub fn swallowed_bytes(&self) -> u64 {
        self.swallowed_bytes.load(Ordering::Acquire)
    }

    /// Breaks every connection; new ones pass.
    pub fn restore(&self) {
        self.next_epoch(Mode::Pass);
    }

    /// Breaks every connection; new ones are closed at once.
    pub fn refuse(&self) {
        self.next_epoch(Mode::Refuse);
    }

    fn next_epoch(&self, mode: Mode) {
        self.phase.send_modify(|phase| {
            phase.epoch += 1;
            phase.mode = mode;
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.next_epoch(Mode::Refuse);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: String, phase: watch::Receiver<Phase>, swallowed: Arc<AtomicU64>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let born = *phase.borrow();
        if born.mode == Mode::Refuse {
            continue;
        }
        let (upstream, phase, swallowed) = (upstream.clone(), phase.clone(), Arc::clone(&swallowed));
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            relay(client, server, born.epoch, phase, &swallowed).await;
        });
    }
}

/// Ends, and with it both connections, when either side closes or the epoch passes.
async fn relay(
    client: TcpStream,
    server: TcpStream,
    epoch: u64,
    mut phase: watch::Receiver<Phase>,
    swallowed: &AtomicU64,
) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let phases = phase.clone();
    // What was lost stays lost: nothing passes either when the connection is about to be broken.
    let passes = || {
        let now = phases.borrow();
        now.epoch == epoch && now.mode != Mode::LoseReplies
    };
    tokio::select! {
        _ = phase.wait_for(|phase| phase.epoch != epoch) => {}
        () = pump(from_client, to_server, || true, swallowed) => {}
        () = pump(from_server, to_client, passes, swallowed) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, passes: impl Fn() -> bool, swallowed: &AtomicU64) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if !passes() {
            swallowed.fetch_add(read as u64, Ordering::AcqRel);
        } else if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Sends back what it gets and counts it.
    async fn echo() -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut byte = [0; 1];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        counter.fetch_add(1, Ordering::AcqRel);
                        let _ = stream.write_all(&byte).await;
                    }
                });
            }
        });
        (address, seen)
    }

    #[tokio::test]
    async fn a_lost_reply_was_a_delivered_request() {
        let (upstream, seen) = echo().await;
        let relay = Relay::start(&upstream).await.unwrap();
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'a');

        relay.lose_replies();
        client.write_all(b"b").await.unwrap();
        let swallowed = async || {
            (relay.swallowed_bytes() == 1)
                .then_some(())
                .ok_or("no reply was swallowed")
        };
        crate::wait::until("a swallowed reply", std::time::Duration::from_secs(10), swallowed)
            .await
            .unwrap();
        assert_eq!(seen.load(Ordering::Acquire), 2, "the request arrived");

        relay.restore();
        assert!(
            client.read_u8().await.is_err(),
            "the connection with the hole is broken"
        );
        let mut again = TcpStream::connect(relay.address()).await.unwrap();
        again.write_all(b"c").await.unwrap();
        assert_eq!(again.read_u8().await.unwrap(), b'c');
    }

    #[tokio::test]
    async fn a_refusing_relay_closes_what_it_accepts() {
        let (upstream, _) = echo().await;
        let relay = Relay::start(&upstream).await.unwrap();
        relay.refuse();
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        let _ = client.write_all(b"a").await;
        assert!(client.read_u8().await.is_err());
    }
}
