//! What a member has to do so that it passes its failpoints: some of everything, all the time.
//!
//! Nothing of it is checked, and every error is passed over: what is checked is written beside it.

use std::time::Duration;

use quorate::{Client, Consistency, Keys, NewItem, QueueConfig};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::HarnessError;
use crate::cluster::Cluster;

const CALL: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
const TTL: Duration = Duration::from_millis(500);
const QUEUE: &str = "load";
/// So much log is soon a snapshot.
const FILLER_BYTES: usize = 16 << 10;
const FILLERS: u64 = 16;
/// Behind the newest revision, so that a watch has to be read for.
const BEHIND: u64 = 40;

/// Runs until it is dropped.
pub(super) struct Load {
    _tasks: JoinSet<()>,
}

impl Load {
    pub(super) async fn start(cluster: &Cluster) -> Result<Load, HarnessError> {
        let mut tasks = JoinSet::new();
        tasks.spawn(fill(cluster.client().await?));
        tasks.spawn(lease(cluster.client().await?));
        tasks.spawn(push(cluster.client().await?));
        tasks.spawn(claim(cluster.client().await?));
        for id in cluster.ids() {
            tasks.spawn(eventual(cluster.client_of(id).await?, id));
            tasks.spawn(watch(cluster.client_of(id).await?));
            tasks.spawn(wait_in_vain(cluster.client_of(id).await?));
        }
        Ok(Load { _tasks: tasks })
    }
}

async fn fill(client: Client) {
    for number in 0_u64.. {
        let key = format!("filler/{}", number % FILLERS);
        let value = vec![b'x'; FILLER_BYTES];
        let _ = tokio::time::timeout(CALL, async { client.put(key, value).await }).await;
        sleep(PAUSE).await;
    }
}

/// Half of the leases are renewed once, and all of them end.
async fn lease(client: Client) {
    for number in 0_u64.. {
        let _ = tokio::time::timeout(CALL, async {
            let granted = client.grant_lease(TTL).await?;
            client
                .put(format!("leased/{}", number % FILLERS), "v")
                .lease(granted.lease)
                .await?;
            client.keep_alive(&[granted.lease]).await.map(drop)
        })
        .await;
        sleep(PAUSE).await;
    }
}

async fn push(client: Client) {
    let queue = client.queue(QUEUE);
    loop {
        let _ = tokio::time::timeout(CALL, queue.create_if_missing(QueueConfig::default())).await;
        let items = [
            NewItem::new("now"),
            NewItem::new("later").delay(Duration::from_millis(100)),
        ];
        let _ = tokio::time::timeout(CALL, queue.push_all(items)).await;
        sleep(2 * PAUSE).await;
    }
}

async fn claim(client: Client) {
    let queue = client.queue(QUEUE);
    loop {
        let claimed = tokio::time::timeout(CALL, async { queue.claim(8).wait(CALL / 2).await }).await;
        if let Ok(Ok(items)) = claimed {
            for item in items {
                let _ = tokio::time::timeout(CALL, item.ack()).await;
            }
        }
        sleep(PAUSE).await;
    }
}

/// Nobody pushes to this queue.
async fn wait_in_vain(client: Client) {
    let queue = client.queue("empty");
    loop {
        let _ = tokio::time::timeout(CALL, queue.create_if_missing(QueueConfig::default())).await;
        let _ = tokio::time::timeout(CALL, async { queue.claim(1).wait(CALL / 2).await }).await;
        sleep(PAUSE).await;
    }
}

async fn eventual(client: Client, id: u64) {
    for number in 0_u64.. {
        let tier = client.eventual();
        let key = format!("{id}/{}", number % FILLERS);
        let _ = tokio::time::timeout(CALL, async { tier.put(key, "v").await }).await;
        sleep(PAUSE).await;
    }
}

/// Watches from a little while ago, and leaves again.
async fn watch(client: Client) {
    loop {
        let _ = tokio::time::timeout(CALL, async {
            let now = client.get("filler/0").consistency(Consistency::Local).await?.revision;
            let from = now.saturating_sub(BEHIND).max(1);
            let mut events = client.watch(Keys::prefix("")).from(from).await?;
            for _ in 0..BEHIND {
                if futures::StreamExt::next(&mut events).await.is_none() {
                    break;
                }
            }
            Ok::<_, quorate::Error>(())
        })
        .await;
        sleep(PAUSE).await;
    }
}
