//! The leader is killed, and comes back.

use std::sync::Arc;
use std::time::Duration;

use quorate::{Client, MemberStatus};
use tokio::sync::watch;
use tokio::time::timeout;

use super::worker::Floor;
use super::{Cluster, Leadership};
use crate::cli::exit::Failure;
use crate::cli::progress::say;

/// How long the killed node stays away, unless the work ends first.
const AWAY: Duration = Duration::from_millis(1500);

/// A node that runs answers within this.
const START_MAX: Duration = Duration::from_secs(20);

/// Between two looks at a node.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until half is done, kills the leader, says so to the workers, and starts the node again later.
pub async fn kill_the_leader(
    cluster: &mut Cluster,
    floor: Arc<Floor>,
    leadership: &Leadership,
    killed: &watch::Sender<bool>,
) -> Result<(), Failure> {
    let total = floor.files.len();
    let mut done = floor.done.subscribe();
    // The sender lives in `floor`, so neither wait can fail.
    let _ = done.wait_for(|done| *done >= total / 2).await;
    let leader = known_leader(leadership).await?;
    cluster.kill_node(leader);
    let _ = killed.send(true);
    let at = *done.borrow();
    say(
        &floor.bar,
        &format!("{at} of {total} files done: killed node {leader}, the leader, with SIGKILL"),
    );

    let _ = timeout(AWAY, done.wait_for(|done| *done == total)).await;
    cluster.start_node(leader)?;
    say(&floor.bar, &format!("started node {leader} again"));
    Ok(())
}

/// Few files may be done before anybody has looked who leads.
async fn known_leader(leadership: &Leadership) -> Result<u64, Failure> {
    let wait = async {
        loop {
            match leadership.leader() {
                Some(leader) => return leader,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let leader = timeout(START_MAX, wait).await;
    leader.map_err(|_| Failure::local(format!("no node led within {START_MAX:?}")))
}

/// Waits until every node answers, knows a leader, and has applied what the others had committed before.
pub async fn all_well(cluster: &mut Cluster, client: &Client) -> Result<(), Failure> {
    let wait = async {
        let mut target = 0;
        for endpoint in cluster.endpoints() {
            loop {
                if let Some(failure) = cluster.ended() {
                    return Err(failure);
                }
                if let Ok(status) = look(client, &endpoint).await
                    && status.leader_id.is_some()
                    && status.applied_index >= target
                {
                    target = target.max(status.applied_index);
                    break;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    };
    timeout(START_MAX, wait)
        .await
        .unwrap_or_else(|_| Err(Failure::local(format!("a node was not ready within {START_MAX:?}"))))
}

/// Follows who leads, as one node tells it, until dropped.
pub async fn follow(client: Client, endpoint: String, leadership: Arc<Leadership>) {
    loop {
        if let Ok(status) = look(&client, &endpoint).await
            && let Some(leader) = status.leader_id
        {
            leadership.saw(status.raft_term, leader);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(client: &Client, endpoint: &str) -> Result<MemberStatus, Failure> {
    match timeout(Duration::from_secs(1), client.status(endpoint)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::local(format!("{endpoint} does not answer"))),
    }
}
