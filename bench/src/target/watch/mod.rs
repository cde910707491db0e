//! Watchers of one prefix, on the systems that have them.

mod etcd;
mod sdk;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::System;

/// What watchers hand over before somebody takes it: enough that none waits for the one that counts.
const RECEIVED_MAX: usize = 65_536;

/// The values that watchers received, each once for every watcher that did.
pub struct Watchers {
    received: mpsc::Receiver<Received>,
}

/// Values that arrived at the same moment.
pub struct Received {
    /// When.
    pub at: std::time::Instant,
    /// The values, one for each event.
    pub values: Vec<Bytes>,
}

impl Watchers {
    /// Opens so many watchers of `prefix`, spread over `connections`; returns when each is there.
    pub async fn open(
        system: System,
        endpoints: &[String],
        connections: usize,
        watchers: usize,
        prefix: &str,
    ) -> Result<Watchers, String> {
        let (send, received) = mpsc::channel(RECEIVED_MAX);
        for number in 0..connections.min(watchers) {
            let own = watchers / connections + usize::from(number < watchers % connections);
            match system {
                System::Quorate => sdk::open(endpoints, own, prefix, &send).await?,
                System::Etcd => etcd::open(&system.leader(endpoints).await?, own, prefix, &send).await?,
                System::QuorateUnary | System::EtcdBalanced | System::Redis => {
                    return Err(format!("{} is not watched here", system.name()));
                }
            }
        }
        Ok(Watchers { received })
    }

    /// What arrived next; none when every watcher has ended.
    pub async fn next(&mut self) -> Option<Received> {
        self.received.recv().await
    }
}
