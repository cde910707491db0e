//! A member is away, and is given a snapshot: it must know what the others know who saw it happen.

use std::time::Duration;

use quorate::{Client, QueueConfig};

use super::{Kept, PATIENCE};
use crate::cluster::{Cluster, Settings};
use crate::relay::Relay;
use crate::{HarnessError, wait};

/// The retry comes when the snapshot is installed.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

const VISIBILITY: Duration = Duration::from_secs(3600);

/// The reply of a put is lost, a member is given a snapshot, and the put is tried again.
pub(super) async fn keeps_retries() -> Result<Kept, HarnessError> {
    let mut cluster = Cluster::start_with(Settings::of(3).with_early_snapshots()).await?;
    let leader = cluster.wait_for_leader().await?;
    let direct = cluster.client_of(leader).await?;
    let relay = Relay::start(cluster.member(leader)?.client_address()).await?;
    let relayed = Client::builder().endpoints([relay.address()]).name("relayed");
    let relayed = relayed.call_timeout(CALL_TIMEOUT).connect().await;
    let relayed = relayed.map_err(HarnessError::call("connect through the relay"))?;
    // It is registered and connected, so that it is the reply of the put that is lost.
    put(&relayed, "k", b"first").await?;

    let away = kill_a_follower(&mut cluster, leader)?;
    relay.lose_replies();
    let putting = relayed.clone();
    let retried = tokio::spawn(async move { putting.put("k", "second").await });
    let applied = wait::until("the put to be applied", PATIENCE, async || {
        let read = direct.get("k").await.map_err(|error| error.to_string())?;
        let record = read.record.filter(|record| record.version == 2);
        record.map(|record| record.mod_revision).ok_or("not yet".to_owned())
    })
    .await?;
    give_a_snapshot(&mut cluster, &direct, away).await?;
    relay.restore();
    let retried = retried
        .await
        .map_err(|error| HarnessError::Broken(format!("the retry ended by {error}")))?;
    let answered = retried.map_err(HarnessError::call("retry the put"))?.revision;
    if answered != applied {
        return Err(HarnessError::Broken(format!(
            "the put was applied at revision {applied}, and its retry at revision {answered}"
        )));
    }
    all_agree(&mut cluster, &direct).await?;
    let index = cluster.status(away).await.map_err(HarnessError::Broken)?.applied_index;
    Ok(Kept::Kept(format!(
        "the retry was answered with revision {applied}, and member {away} agrees at index {index}"
    )))
}

/// An item is claimed, a member is given a snapshot, and the item is acknowledged.
pub(super) async fn keeps_claims() -> Result<Kept, HarnessError> {
    let mut cluster = Cluster::start_with(Settings::of(3).with_early_snapshots()).await?;
    let leader = cluster.wait_for_leader().await?;
    let client = cluster.client().await?;
    let queue = client.queue("work");
    let created = queue.create(QueueConfig::default()).await;
    created.map_err(HarnessError::call("create the queue"))?;
    let pushed = queue.push("once").await;
    pushed.map_err(HarnessError::call("push an item"))?;
    let away = kill_a_follower(&mut cluster, leader)?;
    let claimed = queue.claim(1).visibility(VISIBILITY).wait(PATIENCE).await;
    let claimed = claimed.map_err(HarnessError::call("claim the item"))?;
    let item = claimed.first();
    let item = item.ok_or_else(|| HarnessError::Broken("the item was not handed out".to_owned()))?;
    give_a_snapshot(&mut cluster, &client, away).await?;
    item.ack().await.map_err(HarnessError::call("acknowledge the item"))?;
    all_agree(&mut cluster, &client).await?;
    Ok(Kept::Kept(format!(
        "{} was acknowledged, and member {away} knew of it",
        item.receipt()
    )))
}

fn kill_a_follower(cluster: &mut Cluster, leader: u64) -> Result<u64, HarnessError> {
    let away = cluster.ids().into_iter().find(|id| *id != leader).unwrap_or(leader);
    cluster.kill9(away)?;
    Ok(away)
}

/// Writes until the others have forgotten what the member lacks, and brings it back.
async fn give_a_snapshot(cluster: &mut Cluster, client: &Client, away: u64) -> Result<(), HarnessError> {
    let leader = cluster.wait_for_leader().await?;
    let missed = cluster
        .status(leader)
        .await
        .map_err(HarnessError::Broken)?
        .log_last_index;
    wait::until("the log to be purged", PATIENCE, async || {
        for number in 0..50_u8 {
            let put = put(client, &format!("filler/{number}"), &[number; 4 << 10]).await;
            put.map_err(|error| error.to_string())?;
        }
        for id in cluster.running() {
            let first = cluster.status(id).await?.log_first_index;
            if first <= missed + 1 {
                return Err(format!(
                    "member {id} has it from {first}, and what is missed is {missed}"
                ));
            }
        }
        Ok(())
    })
    .await?;
    cluster.restart(away)?;
    let leader = cluster.wait_for_leader().await?;
    let index = cluster
        .status(leader)
        .await
        .map_err(HarnessError::Broken)?
        .applied_index;
    cluster.wait_until_applied(away, index).await?;
    let snapshot = cluster.status(away).await.map_err(HarnessError::Broken)?.snapshot_index;
    match snapshot >= missed {
        true => Ok(()),
        false => Err(HarnessError::Broken(format!(
            "member {away} was to be given a snapshot, and has one of index {snapshot} only"
        ))),
    }
}

/// All members have the same state, and none has stopped because it differs.
async fn all_agree(cluster: &mut Cluster, client: &Client) -> Result<(), HarnessError> {
    put(client, "last", b"").await?;
    cluster.check_nobody_ended()?;
    cluster.wait_for_equal_state().await.map(drop)
}

async fn put(client: &Client, key: &str, value: &[u8]) -> Result<(), HarnessError> {
    let put = client.put(key.to_owned(), value.to_vec()).await;
    put.map(drop).map_err(HarnessError::call(format!("put {key}")))
}
