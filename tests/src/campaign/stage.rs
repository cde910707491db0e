//! The members of a run, and the witness to what they do.

use crate::HarnessError;
use crate::cluster::{Cluster, EqualState, Settings};
use crate::log_replay::replay;
use crate::nemesis::FaultKind;
use crate::watch_check::Truth;

/// Members make a snapshot after so much log: a few seconds of a run.
const SNAPSHOT_LOG_BYTES: u64 = 512 << 10;

/// Entries that they keep: enough for one that restarts, and for the witness when it is slow; too few for one that was away.
const KEEP_LOG_ENTRIES: u64 = 1_500;

/// The learner that keeps its whole log, of a cluster of so many voters. No fault is its own.
pub(super) fn witness(members: u64) -> u64 {
    members + 1
}

/// Voters that these faults can happen to, and the witness.
pub(super) async fn set(members: u64, faults: &[FaultKind]) -> Result<Cluster, HarnessError> {
    let witness = witness(members);
    let settings = Settings {
        snapshot_log_bytes: Some(SNAPSHOT_LOG_BYTES),
        keep_log_entries: Some(KEEP_LOG_ENTRIES),
        whole_logs: vec![witness],
        ..Settings::of(members)
    };
    let mut cluster = Cluster::start_with(settings.for_faults(faults)).await?;
    cluster.start_joining(witness).await?;
    let peer = cluster.member(witness)?.peer_address().to_owned();
    let client = cluster.client().await?;
    let added = client.member_add(witness, &peer).await;
    added.map_err(HarnessError::call("add the learner"))?;
    client.close().await;
    let leader = cluster.wait_for_leader().await?;
    let status = cluster.status(leader).await.map_err(HarnessError::Broken)?;
    cluster.wait_until_applied(witness, status.applied_index).await?;
    Ok(cluster)
}

/// Waits until all members agree, ends the witness and reads what happened.
pub(super) async fn truth(mut cluster: Cluster, members: u64) -> Result<(Truth, EqualState), HarnessError> {
    cluster.check_nobody_ended()?;
    let state = cluster.wait_for_equal_state().await?;
    let witness = witness(members);
    cluster.stop(witness).await?;
    let data = cluster.member(witness)?.data_directory();
    let truth = tokio::task::spawn_blocking(move || replay(&data, &state)).await;
    let truth = truth.map_err(|error| HarnessError::Broken(format!("the log was not read: {error}")))?;
    Ok((truth?, state))
}
