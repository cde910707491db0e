//! Three members, and a witness to what they did: a learner that keeps its whole log.

use std::time::Duration;

use crate::HarnessError;
use crate::cluster::{Cluster, EqualState, Settings};
use crate::log_replay::replay;
use crate::nemesis::FaultKind;
use crate::watch_check::Truth;

/// Those that vote.
pub(super) const MEMBERS: u64 = 3;

/// It keeps its whole log, and no fault is its own: what happened is read there.
pub(super) const WITNESS: u64 = 4;

/// Entries that the others keep: enough for a member that restarts, too few for one that was away.
const KEEP_LOG_ENTRIES: u64 = 600;

const SNAPSHOT_LOG_BYTES: u64 = 256 << 10;

/// Elections, restarts and a slow machine together stay far below.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Three members to which these faults can happen, and a learner that is the witness; `more_toml` is added to their
/// configuration.
pub(super) async fn cluster(faults: &[FaultKind], more_toml: String) -> Result<Cluster, HarnessError> {
    let settings = Settings {
        snapshot_log_bytes: Some(SNAPSHOT_LOG_BYTES),
        keep_log_entries: Some(KEEP_LOG_ENTRIES),
        whole_logs: vec![WITNESS],
        more_toml,
        ..Settings::of(MEMBERS)
    };
    let mut cluster = Cluster::start_with(settings.for_faults(faults)).await?;
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
