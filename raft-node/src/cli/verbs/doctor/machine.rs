//! What a member would find on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;

use super::check::Check;
use super::{certificates, disk};
use crate::cli::exit::Failure;
use crate::config::NodeConfig;
use crate::{space, tls};

const REACH_TIMEOUT: Duration = Duration::from_secs(2);
/// Files of the store, of the log and what is listened at; each client takes one more.
const FILES_MIN: u64 = 8192;
/// Beyond this part of a machine's memory, what the store keeps there leaves too little for everything else.
const MEMORY_PERCENT_MAX: u64 = 60;
/// What `statfs` says of a file system that is gone with the power.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
/// And of one that is at the other end of a network.
const NFS: u64 = 0x6969;

/// Settings that cannot be used are an error of their own, before anything is looked at.
pub(super) async fn examine(config: NodeConfig) -> Result<Vec<Check>, Failure> {
    let mut checks = vec![Check::good("settings", "they can be used")];
    checks.push(match tls::check(&config) {
        Err(error) => Check::bad("certificates", error.to_string(), "see the guide's page on TLS"),
        Ok(Some(problem)) => Check::warning("certificates", problem, "see the guide's page on TLS"),
        Ok(None) if config.tls.client.is_set() || config.tls.peer.is_set() => {
            Check::good("certificates", "others will accept them")
        }
        Ok(None) => Check::good("certificates", "none: nothing is encrypted"),
    });
    let tls = &config.tls;
    for (name, path) in [
        ("tls.client.certificate", &tls.client.certificate),
        ("tls.client.client_ca", &tls.client.client_ca),
        ("tls.peer.certificate", &tls.peer.certificate),
        ("tls.peer.ca", &tls.peer.ca),
    ] {
        if !path.as_os_str().is_empty() {
            checks.extend(certificates::in_file(name, path));
        }
    }
    let election_min = Duration::from_millis(config.raft.election_min_ms);
    let directory = standing(&config.data_directory);
    let of_disk = tokio::task::spawn_blocking({
        let reserve_bytes = config.storage.space_reserve_bytes;
        move || {
            let mut checks = vec![disk::sync_times(&directory, election_min)];
            checks.extend(file_system(&directory));
            checks.push(room(&directory, reserve_bytes));
            checks
        }
    });
    checks.extend(of_disk.await.map_err(|error| Failure::local(error.to_string()))?);
    checks.push(open_files(
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
    ));
    checks.extend(memory(&config));
    checks.extend(peers(&config).await);
    Ok(checks)
}

/// The directory, or before the first start the one above it that is there.
fn standing(directory: &Path) -> PathBuf {
    let there = directory.ancestors().find(|path| path.is_dir());
    match there {
        Some(path) if !path.as_os_str().is_empty() => path.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn file_system(directory: &Path) -> Option<Check> {
    let kind = rustix::fs::statfs(directory).ok()?.f_type as u64;
    let shown = directory.display();
    match kind {
        TMPFS | RAMFS => Some(Check::bad(
            "file system",
            format!("{shown} is in memory: everything is lost with the power"),
            "name a data_directory on a disk",
        )),
        NFS => Some(Check::warning(
            "file system",
            format!("{shown} is at the other end of a network"),
            "name a data_directory on a local disk: members replicate by themselves",
        )),
        _ => None,
    }
}

fn room(directory: &Path, reserve_bytes: u64) -> Check {
    let free = match space::free_bytes(directory) {
        Ok(free) => free,
        Err(error) => return Check::bad("disk space", format!("{}: {error}", directory.display()), ""),
    };
    let found = format!(
        "{} MiB are free, and storage.space_reserve_bytes is {} MiB",
        free >> 20,
        reserve_bytes >> 20
    );
    let advice = "make room: writes that grow the store are refused while a majority has less than its reserve";
    if free < reserve_bytes {
        return Check::bad("disk space", found, advice);
    }
    if free < reserve_bytes.saturating_mul(4) {
        return Check::warning("disk space", found, advice);
    }
    Check::good("disk space", found)
}

/// None is no limit.
fn open_files(limit: Option<u64>) -> Check {
    match limit {
        Some(limit) if limit < FILES_MIN => Check::warning(
            "open files",
            format!("a process may have {limit} here"),
            format!("allow {FILES_MIN} or more (`ulimit -n`, LimitNOFILE= of a unit): each client takes one"),
        ),
        Some(limit) => Check::good("open files", format!("a process may have {limit}")),
        None => Check::good("open files", "a process may have as many as it likes"),
    }
}

/// What the settings let the member keep in memory, beside what clients write to the eventual tier.
fn memory(config: &NodeConfig) -> Option<Check> {
    let total = memory_bytes()?;
    let (storage, eventual) = (&config.storage, &config.eventual);
    let planned = [
        storage.block_cache_bytes,
        // One is being filled while another is written out.
        storage.write_buffer_bytes.saturating_mul(2),
        storage.log_tail_bytes,
        eventual.log_bytes_max,
        eventual.orphan_bytes_max,
        eventual.peer_queue_bytes_max.saturating_mul(2),
    ];
    let planned = planned.into_iter().fold(0, u64::saturating_add);
    let found = format!(
        "{} MiB are planned for caches and buffers, of {} MiB; domains in memory come on top",
        planned >> 20,
        total >> 20
    );
    if planned > total / 100 * MEMORY_PERCENT_MAX {
        return Some(Check::warning(
            "memory",
            found,
            "lower [storage] and [eventual], or give it more memory",
        ));
    }
    Some(Check::good("memory", found))
}

/// Of this machine, or of the group of processes that this one belongs to if that has less.
fn memory_bytes() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = kib.split_ascii_whitespace().next()?.parse().ok()?;
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    Some((kib << 10).min(group.unwrap_or(u64::MAX)))
}

/// Whether the other founders can be reached. They need not run yet.
async fn peers(config: &NodeConfig) -> Vec<Check> {
    let others = config
        .cluster
        .members
        .iter()
        .filter(|member| member.id != config.member_id);
    join_all(others.map(|other| async move {
        let of = format!("peer {}", other.id);
        let connecting = tokio::time::timeout(REACH_TIMEOUT, TcpStream::connect(&other.peer)).await;
        let reason = match connecting {
            Ok(Ok(_)) => return Check::good(of, format!("{} takes connections", other.peer)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", REACH_TIMEOUT.as_secs()),
        };
        Check::warning(
            of,
            format!("{}: {reason}", other.peer),
            "start it; if it runs, look at its listen_peer and at the firewalls between",
        )
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn before_the_first_start_the_directory_above_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(standing(&directory.path().join("a/b")), directory.path());
        assert_eq!(standing(directory.path()), directory.path());
        assert_eq!(standing(Path::new("not/here")), Path::new("."));
    }

    #[test]
    fn a_disk_with_less_than_the_reserve_is_bad() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(room(directory.path(), 1).verdict, Verdict::Good);
        assert_eq!(room(directory.path(), u64::MAX).verdict, Verdict::Bad);
        let free = space::free_bytes(directory.path()).unwrap();
        assert_eq!(room(directory.path(), free / 2).verdict, Verdict::Warning);
    }

    #[test]
    fn few_open_files_are_worth_a_word() {
        assert_eq!(open_files(Some(1024)).verdict, Verdict::Warning);
        assert_eq!(open_files(Some(65_536)).verdict, Verdict::Good);
        assert_eq!(open_files(None).verdict, Verdict::Good);
    }

    #[test]
    fn buffers_that_take_most_of_the_memory_are_worth_a_word() {
        let mut config = NodeConfig::default();
        assert_eq!(memory(&config).unwrap().verdict, Verdict::Good);
        config.storage.block_cache_bytes = 1 << 50;
        assert_eq!(memory(&config).unwrap().verdict, Verdict::Warning);
    }

    #[tokio::test]
    async fn founders_are_called_at_their_addresses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap().to_string();
        let founder = |id, peer: &str| crate::config::FoundingMember {
            id,
            peer: peer.to_owned(),
        };
        let mut config = NodeConfig {
            member_id: 1,
            ..NodeConfig::default()
        };
        config.cluster.members = vec![founder(1, "127.0.0.1:1"), founder(2, &there), founder(3, "127.0.0.1:1")];
        let verdicts: Vec<_> = peers(&config).await.into_iter().map(|check| check.verdict).collect();
        assert_eq!(verdicts, [Verdict::Good, Verdict::Warning]);
    }
}
