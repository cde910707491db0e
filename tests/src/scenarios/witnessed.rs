//! Three members, and a witness to what they did: a learner that keeps its whole log.

use std::time::Duration;

use crate::cluster::{Cluster, EqualState, Settings};
use crate::log_replay::replay;
use crate::watch_check::Truth;
use crate::{HarnessError, wait};

/// It keeps its whole log, and no fault is its own: what happened is read there.
pub(super) const WITNESS: u64 = 4;

/// Entries that the others keep: enough for a member that restarts, too few for one that was away.
const KEEP_LOG_ENTRIES: u64 = 600;

const SNAPSHOT_LOG_BYTES: u64 = 256 << 10;

/// Elections, restarts and a slow machine together stay far below.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Three members, and a learner that is the witness; `more_toml` is added to their configuration.
pub(super) async fn cluster(partitions: bool, more_toml: String) -> Result<Cluster, HarnessError> {
    let settings = Settings {
        snapshot_log_bytes: Some(SNAPSHOT_LOG_BYTES),
        keep_log_entries: Some(KEEP_LOG_ENTRIES),
        whole_logs: vec![WITNESS],
        own_network: partitions,
        more_toml,
        ..Settings::of(3)
    };
    let mut cluster = Cluster::start_with(settings).await?;
    cluster.start_joining(WITNESS).await?;
    let peer = cluster.member(WITNESS)?.peer_address().to_owned();
    let client = cluster.client().await?;
    let added = client.member_add(WITNESS, &peer).await;
    added.map_err(HarnessError::call("add the learner"))?;
    let leader = cluster.wait_for_leader().await?;
    let status = cluster.status(leader).await.map_err(HarnessError::Broken)?;
    cluster.wait_until_applied(WITNESS, status.applied_index).await?;
    Ok(cluster)
}

/// Waits until all members agree, ends the witness and reads what happened.
pub(super) async fn truth(mut cluster: Cluster) -> Result<(Truth, EqualState), HarnessError> {
    cluster.check_nobody_ended()?;
    let state = cluster.wait_for_equal_state().await?;
    cluster.stop(WITNESS).await?;
    let data = cluster.member(WITNESS)?.data_directory();
    Ok((replay(&data, &state)?, state))
}

/// Waits until a condition of a member's status holds.
pub(super) async fn wait_for_status<T>(
    cluster: &Cluster,
    condition: &str,
    id: u64,
    mut holds: impl FnMut(&quorate_proto::v1::StatusResponse) -> Option<T>,
) -> Result<T, HarnessError> {
    wait::until(condition, PATIENCE, async || {
        let status = cluster.status(id).await?;
        holds(&status).ok_or_else(|| format!("log {}..={}", status.log_first_index, status.log_last_index))
    })
    .await
}
