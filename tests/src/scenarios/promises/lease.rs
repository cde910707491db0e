//! A leader leads a second time, and has not heard of the renewals between.

use std::time::Duration;

use quorate::{Client, Session};
use tokio::time::Instant;

use super::{Kept, PATIENCE};
use crate::cluster::Cluster;
use crate::{HarnessError, wait};

const TTL: Duration = Duration::from_secs(3);
const KEY: &str = "k";
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

pub(super) async fn outlives_leaders() -> Result<Kept, HarnessError> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    let first = cluster.wait_for_leader().await?;
    let session = client.session(TTL).await;
    let session = session.map_err(HarnessError::call("open a session"))?;
    let put = client.put(KEY, "v").lease(session.id()).await;
    put.map_err(HarnessError::call("put a key under the lease"))?;
    let second = cluster.ids().into_iter().find(|id| *id != first).unwrap_or(first);
    for (number, leader) in [second, first].into_iter().enumerate() {
        lead(&mut cluster, &client, leader).await?;
        renewed_past_its_time(&client, &session, number, leader).await?;
    }
    Ok(Kept::Kept(format!(
        "lease {} lived on under member {second}, and under member {first} when that led again",
        session.id()
    )))
}

async fn lead(cluster: &mut Cluster, client: &Client, member: u64) -> Result<(), HarnessError> {
    wait::until(&format!("member {member} to lead"), PATIENCE, async || {
        match cluster.leader().await {
            Some(leader) if leader == member => return Ok(()),
            _ => {}
        }
        let asked = client.transfer_leader(member).await;
        Err(format!("asked to: {asked:?}"))
    })
    .await?;
    cluster.check_nobody_ended()
}

/// Waits until everything that an earlier leader knew of the lease is over, and looks all the time whether it lives.
async fn renewed_past_its_time(
    client: &Client,
    session: &Session,
    number: usize,
    leader: u64,
) -> Result<(), HarnessError> {
    let began = Instant::now();
    while session.deadline() <= began + 2 * TTL {
        // Read before the key is, so that the promise is the older of the two.
        let promised = session.deadline();
        let read = client.get(KEY).await.map_err(HarnessError::call("read the key"))?;
        let now = Instant::now();
        if read.record.is_none() && now < promised {
            return Err(HarnessError::Broken(format!(
                "lease {} had ended {:?} before the time to which it was renewed, under member {leader}, leader number {} of \
                 the run",
                session.id(),
                promised - now,
                number + 2
            )));
        }
        if let Some(loss) = session.loss() {
            return Err(HarnessError::TimedOut {
                condition: "renewals".to_owned(),
                after: now - began,
                last_seen: format!(
                    "the session is lost ({loss:?}), not before its time: the machine is too slow to tell"
                ),
            });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
