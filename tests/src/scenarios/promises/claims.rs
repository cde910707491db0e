//! An item goes to a second worker when the first one's claim runs out, and both say that it is done.

use std::time::Duration;

use quorate::{Claimed, ErrorKind, Queue, QueueConfig};

use super::{Kept, PATIENCE};
use crate::HarnessError;
use crate::cluster::Cluster;

const VISIBILITY: Duration = Duration::from_secs(1);

pub(super) async fn are_acknowledged_once() -> Result<Kept, HarnessError> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    let queue = client.queue("work");
    let created = queue.create(QueueConfig::default()).await;
    created.map_err(HarnessError::call("create the queue"))?;
    let pushed = queue.push("once").await;
    pushed.map_err(HarnessError::call("push an item"))?;
    let first = claim(&queue, VISIBILITY).await?;
    let second = claim(&queue, Duration::from_secs(3600)).await?;
    let mut accepted = Vec::new();
    // The late one first, then the one that holds it, and that one again.
    for receipt in [first.receipt(), second.receipt(), second.receipt()] {
        match queue.ack(receipt).await {
            Ok(()) => accepted.push(receipt),
            Err(error) if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::UnknownItem) => {}
            Err(error) => return Err(HarnessError::call("acknowledge the item")(error)),
        }
    }
    if accepted != [second.receipt()] {
        return Err(HarnessError::Broken(format!(
            "item {} was acknowledged with {accepted:?}; it had been claimed with {} and, when that claim was over, with {}",
            second.id(),
            first.receipt(),
            second.receipt()
        )));
    }
    Ok(Kept::Kept(format!(
        "item {} was acknowledged by its second claim alone",
        second.id()
    )))
}

async fn claim(queue: &Queue, visibility: Duration) -> Result<Claimed, HarnessError> {
    let claimed = queue.claim(1).visibility(visibility).wait(PATIENCE).await;
    let claimed = claimed.map_err(HarnessError::call("claim the item"))?;
    let first = claimed.into_iter().next();
    first.ok_or_else(|| HarnessError::Broken(format!("nobody was handed the item within {PATIENCE:?}")))
}
