//! How openraft is set up, with the reason for each value that is not its default.

use openraft::{Config, ConfigError, SnapshotPolicy};

use super::purge_point::PURGED_MIN;
use crate::config;

/// A snapshot is sent in its own stream with its own idle detection; this only bounds the whole.
const SNAPSHOT_TIMEOUT_MS: u64 = 600_000;

/// The settings of consensus.
pub fn raft_config(settings: &config::Raft) -> Result<Config, ConfigError> {
    Config {
        cluster_name: String::from("quorate"),
        heartbeat_interval: settings.heartbeat_ms,
        election_timeout_min: settings.election_min_ms,
        election_timeout_max: settings.election_max_ms,
        // A member that was cut off must not depose a healthy leader when it returns.
        enable_pre_vote: Some(true),
        // A leader that is too far away has answers that are too old for it to take writes, and heartbeats that come in time,
        // only late: without this it would lead for ever, and nobody could write. This is the shortest silence allowed.
        quorum_loss_probe_interval: Some(2 * settings.election_max_ms),
        // See the invariants of the parent module: on, this loses acknowledged writes.
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        max_payload_entries: 1024,
        max_append_entries: Some(4096),
        // A group of commands is packed before it gets here; waiting longer would only add latency.
        api_batch_linger_ms: 0,
        api_channel_size: Some(8192),
        state_machine_channel_size: Some(1024),
        // Snapshots are triggered by bytes of log, not by a count of entries whose size says nothing.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: settings.keep_log_entries,
        purge_batch_size: PURGED_MIN,
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        backoff: String::from("20ms 50ms 100ms 200ms 500ms"),
        ..Config::default()
    }
    .validate()
}
