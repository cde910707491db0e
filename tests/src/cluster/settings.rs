//! What a cluster is made of, and the configuration file of each member.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{Certificates, server_binary};
use crate::{HarnessError, wait};

/// How a cluster is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Founding members, with ids from 1.
    pub members: u64,
    /// Members make a snapshot after that much log; the server's default when absent.
    pub snapshot_log_bytes: Option<u64>,
    /// Entries kept behind a snapshot; the server's default when absent.
    pub keep_log_entries: Option<u64>,
    /// Holds one directory a member, `n1` and so on; a temporary directory when absent.
    pub data_root: Option<PathBuf>,
    /// Members that keep every entry of their log, whatever the others keep: what happened can be read there afterwards.
    pub whole_logs: Vec<u64>,
    /// Members have a [`Network`](super::Network) of their own, in which they can be cut off from one another.
    pub own_network: bool,
    /// The wall clocks of members can be set one by one.
    pub own_clocks: bool,
    /// Members, but those with whole logs, have a disk of their own of that size, which can be filled.
    pub disk_bytes: Option<u64>,
    /// The log is in small segments, which are read through sooner when a member starts.
    pub small_segments: bool,
    /// The server's program; [`server_binary`] when absent.
    pub binary: Option<PathBuf>,
    /// Members and clients have certificates, of members up to as many as there are.
    pub certificates: Option<Certificates>,
    /// Tables appended to every configuration file; none of storage with small segments or disks.
    pub more_toml: String,
}

/// Read through in a moment, also by a build that is not optimized.
const SMALL_SEGMENT_BYTES: u64 = 4 << 20;

/// A small disk, and what is configured for it: the members of a run of some minutes fit, and a run fills it in a moment.
const SMALL_DISK_BYTES: u64 = 512 << 20;
const SMALL_BUFFER_BYTES: u64 = 4 << 20;

/// Below that much free space members with a small disk want no writes that grow the store. Half of it has to be enough for
/// what goes on all the same: segments of the log, a flush of every buffer, a compaction.
pub const SMALL_RESERVE_BYTES: u64 = 64 << 20;

/// More than any run writes.
const ALL_ENTRIES: u64 = 100_000_000;

impl Settings {
    /// `members` founding members and otherwise the defaults.
    pub fn of(members: u64) -> Settings {
        Settings {
            members,
            snapshot_log_bytes: None,
            keep_log_entries: None,
            data_root: None,
            whole_logs: Vec::new(),
            own_network: false,
            own_clocks: false,
            disk_bytes: None,
            small_segments: false,
            binary: None,
            certificates: None,
            more_toml: String::new(),
        }
    }

    /// Snapshots after little log and hardly any entries kept, so that a member that was away needs a snapshot.
    pub fn with_early_snapshots(mut self) -> Settings {
        self.snapshot_log_bytes = Some(64 << 10);
        self.keep_log_entries = Some(10);
        self
    }

    /// Members can be cut off from one another; needs root.
    pub fn in_own_network(mut self) -> Settings {
        self.own_network = true;
        self
    }

    /// The wall clocks of members can be set; needs `libfaketime`.
    pub fn with_own_clocks(mut self) -> Settings {
        self.own_clocks = true;
        self
    }

    /// Each member has a small disk, which can be filled; needs root.
    pub fn with_small_disks(mut self) -> Settings {
        self.disk_bytes = Some(SMALL_DISK_BYTES);
        self
    }

    /// The configuration of a member. Founders are listed by peer address; a member that joins lists nobody.
    pub(super) fn node_toml(&self, own: &Addresses, data: &Path, founders: &[(u64, String)]) -> String {
        let Addresses { id, client, peer, http } = own;
        let mut text = format!(
            "member_id = {id}\ndata_directory = {data:?}\nlisten_client = {client:?}\nlisten_peer = {peer:?}\n\
             listen_http = {http:?}\n\n"
        );
        if self.own_network {
            text.push_str("insecure_allow_non_loopback = true\n");
        }
        match founders {
            [] => text.push_str("[cluster]\njoin = true\n"),
            founders => {
                for (id, peer) in founders {
                    let _ = writeln!(text, "[[cluster.members]]\nid = {id}\npeer = {peer:?}");
                }
            }
        }
        text.push_str("\n[raft]\nheartbeat_ms = 40\nelection_min_ms = 120\nelection_max_ms = 200\n");
        if let Some(bytes) = self.snapshot_log_bytes {
            let _ = writeln!(text, "snapshot_log_bytes = {bytes}");
        }
        let whole = self.whole_logs.contains(id).then_some(ALL_ENTRIES);
        if let Some(entries) = whole.or(self.keep_log_entries) {
            let _ = writeln!(text, "keep_log_entries = {entries}");
        }
        if self.small_segments || self.disk_bytes.is_some() {
            let _ = writeln!(text, "\n[storage]\nlog_segment_bytes = {SMALL_SEGMENT_BYTES}");
        }
        if self.disk_bytes.is_some() {
            let _ = writeln!(
                text,
                "space_reserve_bytes = {SMALL_RESERVE_BYTES}\nwrite_buffer_bytes = {SMALL_BUFFER_BYTES}"
            );
        }
        if let Some(certificates) = &self.certificates {
            text.push_str(&certificates.toml(*id));
        }
        text.push('\n');
        text.push_str(&self.more_toml);
        text
    }
}

/// Where a member listens.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub id: u64,
    pub client: String,
    pub peer: String,
    /// Or `off`.
    pub http: String,
}

/// Runs a server that is expected to refuse its configuration, and returns how it ended and what it printed. One
/// that has not ended within `deadline` is killed, and that is the error.
pub async fn run_to_exit(configuration: &str, deadline: Duration) -> Result<(ExitStatus, String), HarnessError> {
    run_to_exit_with(&server_binary()?, configuration, &[], deadline).await
}

/// The same with a server and an environment that are named.
pub async fn run_to_exit_with(
    binary: &Path,
    configuration: &str,
    environment: &[(&str, &str)],
    deadline: Duration,
) -> Result<(ExitStatus, String), HarnessError> {
    let directory = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
    let path = directory.path().join("node.toml");
    let log = directory.path().join("output.log");
    std::fs::write(&path, configuration).map_err(HarnessError::io("write node.toml"))?;
    let output = std::fs::File::create(&log).map_err(HarnessError::io("create output.log"))?;
    let errors = output.try_clone().map_err(HarnessError::io("open output.log twice"))?;
    let mut child = Command::new(binary)
        .args(["server", "--config"])
        .arg(&path)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(HarnessError::io("start the server"))?;
    let ended = wait::until(
        "the server to refuse its configuration",
        deadline,
        async || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    )
    .await;
    if ended.is_err() {
        // It may have ended by itself since; either way it is reaped here.
        let _ = child.kill();
        let _ = child.wait();
    }
    let printed = std::fs::read_to_string(&log).map_err(HarnessError::io("read output.log"))?;
    Ok((ended?, printed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joining_member_lists_nobody_and_says_that_it_joins() {
        let own = Addresses {
            id: 4,
            client: "127.0.0.1:1".to_owned(),
            peer: "127.0.0.1:2".to_owned(),
            http: "off".to_owned(),
        };
        let settings = Settings::of(3).with_early_snapshots();
        let joining = settings.node_toml(&own, Path::new("/d"), &[]);
        assert!(joining.contains("[cluster]\njoin = true") && !joining.contains("cluster.members"));
        assert!(joining.contains("keep_log_entries = 10"));
        let founding = settings.node_toml(&own, Path::new("/d"), &[(1, "127.0.0.1:3".to_owned())]);
        assert!(founding.contains("[[cluster.members]]\nid = 1\npeer = \"127.0.0.1:3\""));
        assert!(founding.starts_with("member_id = 4\ndata_directory = \"/d\"\n"));
    }
}
