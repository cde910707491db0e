//! What no store on this machine gets below: a sync, a gRPC call that does nothing, a copy.
//!
//! A put of one client waits for a sync and for two calls, one inside the other. A put of many shares its sync with others, and
//! costs at least its share of the messages.

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::cpu::CpuWindow;
use crate::figures::{LatencyUs, Tally};
use crate::target::lasting_channel;

/// A put of one client in the log, and a group of those of 64.
const SYNCED_BYTES: [usize; 2] = [700, 9_000];
/// One member with a disk to itself, and three on one disk.
const FILES: [usize; 2] = [1, 3];
/// Clients of the empty call, on one connection.
const CLIENTS: [usize; 2] = [1, 64];
/// What a member writes to its disk for a put.
const COPIED_BYTES: usize = 1_040;
/// Each file is written to from its beginning to its end and over again: all of its blocks are there.
const FILE_BYTES: usize = 16 << 20;
const COPIES: u32 = 1_000_000;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Floor {
    /// Where files are written.
    pub directory: PathBuf,
    /// How long each measurement takes.
    pub window: Duration,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct FloorReport {
    /// Writes that are synced, by their bytes and by how many do so at the same time.
    pub syncs: Vec<SyncFloor>,
    /// Empty calls.
    pub calls: Vec<CallFloor>,
    /// A copy of 1,040 bytes, in nanoseconds.
    pub copy_ns: f64,
}

/// A write that is synced.
#[derive(Debug, Serialize)]
pub struct SyncFloor {
    /// Bytes that were written before each sync.
    pub bytes: usize,
    /// Files of the disk that were synced at the same time, each one sync after the other.
    pub files: usize,
    /// How long it took.
    pub latency_us: LatencyUs,
}

/// A call that does nothing, within one process.
#[derive(Debug, Serialize)]
pub struct CallFloor {
    /// Clients that each awaited their calls, on one connection.
    pub clients: usize,
    /// Calls a second.
    pub calls_per_second: f64,
    /// How long one took.
    pub latency_us: LatencyUs,
    /// CPU time of both ends for a call, in microseconds.
    pub cpu_us_per_call: f64,
}

impl Floor {
    /// Measures.
    pub async fn run(&self) -> Result<FloorReport, String> {
        let (directory, window) = (self.directory.clone(), self.window);
        let syncs = tokio::task::spawn_blocking(move || all_syncs(&directory, window)).await;
        let syncs = syncs.map_err(|error| format!("the syncs stopped: {error}"))?;
        let mut calls = Vec::new();
        for clients in CLIENTS {
            calls.push(empty_calls(clients, self.window).await?);
        }
        Ok(FloorReport {
            syncs: syncs.map_err(|error| format!("sync files in {}: {error}", self.directory.display()))?,
            calls,
            copy_ns: copy_ns(),
        })
    }
}

impl FloorReport {
    /// For a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for SyncFloor {
            bytes,
            files,
            latency_us: l,
        } in &self.syncs
        {
            let _ = writeln!(
                text,
                "sync of {bytes} bytes, {files} at a time: p50 {:.0} us  p99 {:.0} us  max {:.0} us",
                l.p50, l.p99, l.max
            );
        }
        for call in &self.calls {
            let _ = writeln!(
                text,
                "empty call, {} clients: {:.0}/s  p50 {:.0} us  {:.1} us CPU",
                call.clients, call.calls_per_second, call.latency_us.p50, call.cpu_us_per_call
            );
        }
        text + &format!("copy of {COPIED_BYTES} bytes: {:.0} ns", self.copy_ns)
    }
}

fn all_syncs(directory: &Path, window: Duration) -> io::Result<Vec<SyncFloor>> {
    let mut syncs = Vec::new();
    for files in FILES {
        for bytes in SYNCED_BYTES {
            let prepared = (0..files).map(|_| prepare(directory)).collect::<io::Result<Vec<_>>>()?;
            let tallies = std::thread::scope(|scope| {
                let threads: Vec<_> = prepared
                    .iter()
                    .map(|file| scope.spawn(move || sync_over_and_over(file, bytes, window)))
                    .collect();
                let joined = threads.into_iter().map(|thread| match thread.join() {
                    Ok(tally) => tally,
                    Err(_) => Err(io::Error::other("a thread stopped")),
                });
                joined.collect::<io::Result<Vec<Tally>>>()
            })?;
            let latency_us = sum(tallies).latency();
            syncs.push(SyncFloor {
                bytes,
                files,
                latency_us,
            });
        }
    }
    Ok(syncs)
}

fn prepare(directory: &Path) -> io::Result<File> {
    let file = tempfile::tempfile_in(directory)?;
    file.write_all_at(&vec![0; FILE_BYTES], 0)?;
    file.sync_all()?;
    Ok(file)
}

fn sync_over_and_over(file: &File, bytes: usize, window: Duration) -> io::Result<Tally> {
    let written = vec![0xa5; bytes];
    let (mut tally, mut offset) = (Tally::default(), 0);
    let end = Instant::now() + window;
    while Instant::now() < end {
        let began = Instant::now();
        file.write_all_at(&written, offset as u64)?;
        file.sync_data()?;
        tally.answered(began.elapsed());
        offset = (offset + bytes) % (FILE_BYTES - bytes);
    }
    Ok(tally)
}

fn sum(tallies: impl IntoIterator<Item = Tally>) -> Tally {
    let mut all = Tally::default();
    tallies.into_iter().for_each(|tally| all.add(tally));
    all
}

/// Health checks: they are what gRPC itself costs.
async fn empty_calls(clients: usize, window: Duration) -> Result<CallFloor, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(|error| format!("listen for empty calls: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let served = Server::builder().add_service(health);
    let server = tokio::spawn(served.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = lasting_channel(&address.to_string()).await?;
    let cpu = CpuWindow::open(&[])?;
    let callers = (0..clients).map(|_| call_over_and_over(channel.clone(), window));
    let tally = sum(try_join_all(callers.map(|caller| async {
        let called = tokio::spawn(caller).await;
        called.map_err(|error| format!("a caller stopped: {error}"))?
    }))
    .await?);
    let spent: u64 = cpu.close()?.iter().map(|(_, time)| time.user_us + time.system_us).sum();
    server.abort();
    let calls = tally.operations();
    Ok(CallFloor {
        clients,
        calls_per_second: calls as f64 / window.as_secs_f64(),
        latency_us: tally.latency(),
        cpu_us_per_call: spent as f64 / calls.max(1) as f64,
    })
}

async fn call_over_and_over(channel: Channel, window: Duration) -> Result<Tally, String> {
    let mut client = HealthClient::new(channel);
    let mut tally = Tally::default();
    let end = Instant::now() + window;
    while Instant::now() < end {
        let began = Instant::now();
        let answer = client.check(HealthCheckRequest::default()).await;
        answer.map_err(|error| format!("an empty call: {}", error.message()))?;
        tally.answered(began.elapsed());
    }
    Ok(tally)
}

fn copy_ns() -> f64 {
    let from = black_box([7_u8; COPIED_BYTES]);
    let mut to = [0_u8; COPIED_BYTES];
    let began = Instant::now();
    for _ in 0..COPIES {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(COPIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_floor_is_measured_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let floor = Floor {
            directory: directory.path().to_owned(),
            window: Duration::from_millis(50),
        };
        let report = floor.run().await.unwrap();
        assert_eq!(report.syncs.len(), FILES.len() * SYNCED_BYTES.len());
        assert!(report.syncs.iter().all(|sync| sync.latency_us.p50 > 0.0), "{report:?}");
        assert!(
            report.calls.iter().all(|call| call.calls_per_second > 0.0),
            "{report:?}"
        );
        assert!(report.copy_ns > 0.0);
        assert_eq!(report.text().lines().count(), 7, "{}", report.text());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_named() {
        let floor = Floor {
            directory: PathBuf::from("/nowhere/at/all"),
            window: Duration::from_millis(1),
        };
        let refused = floor.run().await.unwrap_err();
        assert!(refused.contains("/nowhere/at/all"), "{refused}");
    }
}
