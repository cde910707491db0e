//! What brings a member to where it passes a failpoint.

use std::time::Duration;

use quorate::Client;
use quorate_node::failpoints::{Passes, Point};
use quorate_proto::internal::IdentifyRequest;
use quorate_proto::internal::raft_client::RaftClient;
use tokio::time::{Instant, sleep};

use super::super::run::Run;
use crate::HarnessError;
use crate::cluster::Cluster;

/// Those whose stirring, together, is that of all.
pub(super) const STIRS_MOST: [&str; 5] = [
    "peer-identify",
    "peer-vote-receive",
    "log-truncate",
    "member-add",
    SNAPSHOT_SEND,
];
/// Passed by the leader when another lags.
pub(super) const SNAPSHOT_SEND: &str = "peer-snapshot-send";
/// Longer than an election takes to begin.
const PAUSE: Duration = Duration::from_millis(600);
/// Nobody has it.
const NO_MEMBER: u64 = 1_000_000;
const CALL: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);
/// Snapshots are made once a second at most.
const FORGET_WITHIN: Duration = Duration::from_secs(10);

/// Brings the member to where it passes the failpoint, as far as that can be done. What fails on the way may be the failpoint.
pub(super) async fn stir(run: &mut Run, client: &Client, point: Point, victim: u64) -> Result<(), HarnessError> {
    let others: Vec<u64> = run.cluster.running().into_iter().filter(|id| *id != victim).collect();
    match (point.name, point.passed_by) {
        (_, Passes::Anyone | Passes::Starting) => {}
        (_, Passes::Leader) => lead(&run.cluster, client, victim).await,
        (SNAPSHOT_SEND, _) => {
            lead(&run.cluster, client, victim).await;
            let Some(lagging) = others.first().copied() else {
                return Ok(());
            };
            run.cluster.kill9(lagging)?;
            others_forget(&run.cluster, lagging).await;
            run.cluster.restart(lagging)?;
        }
        (_, Passes::Lagging) => {}
        ("log-truncate", _) => lose_a_tail(run, client, victim).await?,
        ("member-add" | "member-change", _) => {
            lead(&run.cluster, client, victim).await;
            let _ = tokio::time::timeout(CALL, client.member_add(NO_MEMBER, "127.0.0.1:1")).await;
        }
        ("peer-identify", _) => identify(&run.cluster, victim).await?,
        (_, Passes::Changing) => {
            // It is handed the lead, hands it on, and then votes on who leads after one that stands still.
            lead(&run.cluster, client, victim).await;
            let Some(other) = others.first().copied() else {
                return Ok(());
            };
            let _ = tokio::time::timeout(CALL, client.transfer_leader(other)).await;
            for id in others {
                run.cluster.pause(id).await?;
                sleep(PAUSE).await;
                run.cluster.resume(id)?;
            }
        }
    }
    Ok(())
}

/// Makes the member lead, if it can: it has to catch up first.
async fn lead(cluster: &Cluster, client: &Client, member: u64) {
    let end = Instant::now() + 2 * CALL;
    while Instant::now() < end && cluster.leader().await != Some(member) {
        let _ = tokio::time::timeout(CALL, client.transfer_leader(member)).await;
        sleep(POLL).await;
    }
}

/// The member leads and writes what nobody else gets; the others go on without it, and it has to take that back.
async fn lose_a_tail(run: &mut Run, client: &Client, victim: u64) -> Result<(), HarnessError> {
    lead(&run.cluster, client, victim).await;
    let others: Vec<u64> = run.cluster.running().into_iter().filter(|id| *id != victim).collect();
    for id in &others {
        run.cluster.pause(*id).await?;
    }
    sleep(PAUSE / 3).await;
    if run.cluster.ended(victim).is_none() {
        run.cluster.pause(victim).await?;
    }
    for id in &others {
        run.cluster.resume(*id)?;
    }
    sleep(2 * PAUSE).await;
    if run.cluster.ended(victim).is_none() {
        run.cluster.resume(victim)?;
    }
    Ok(())
}

/// Asks a member who it is, as one does that is about to add it.
async fn identify(cluster: &Cluster, id: u64) -> Result<(), HarnessError> {
    let address = format!("http://{}", cluster.member(id)?.peer_address());
    if let Ok(mut peer) = RaftClient::connect(address).await {
        let request = IdentifyRequest {
            adopt_cluster_id: 0,
            from: 0,
            expected_member_id: id,
        };
        let _ = tokio::time::timeout(CALL, peer.identify(request)).await;
    }
    Ok(())
}

/// Waits until no member that runs has the entries that follow what this one has: it has stopped.
pub(super) async fn others_forget(cluster: &Cluster, away: u64) {
    let newest = async |of: fn(&quorate_proto::v1::StatusResponse) -> u64| {
        let mut found = Vec::new();
        for id in cluster.running().into_iter().filter(|id| *id != away) {
            if let Ok(status) = cluster.status(id).await {
                found.push(of(&status));
            }
        }
        found
    };
    let missed = newest(|status| status.log_last_index)
        .await
        .into_iter()
        .max()
        .unwrap_or(0);
    let end = Instant::now() + FORGET_WITHIN;
    while Instant::now() < end {
        let first = newest(|status| status.log_first_index).await;
        if first.iter().all(|first| *first > missed + 1) {
            return;
        }
        sleep(POLL).await;
    }
}
