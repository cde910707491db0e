//! A member that cannot be reached while the others are written to, and one that lost what it had.
//!
//! The member is stopped by a signal: it is silent, its connections stay open, and what is sent to it piles up in buffers
//! first. What the others hold for it is bounded; this shows by how much, and what it takes until all are even again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::eventual_client::EventualClient;
use rustix::process::Signal;
use serde::Serialize;
use tokio::task::JoinSet;

use super::batch::until_even;
use super::nodes::Nodes;
use super::pipe::{Pipe, Writes};
use crate::cpu::resident_bytes;
use crate::target::lasting_channel;
use crate::work;

/// Writes of one request.
const PER_REQUEST: usize = 512;
/// Requests under way at each of the members that are written to.
const IN_FLIGHT: usize = 2;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(1);

/// A run.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Writes while the member cannot be reached, half of them at each other member.
    pub writes: u64,
    /// Keys, each written once before.
    pub keys: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// The program that is measured.
    pub quorate: PathBuf,
    /// Where data goes.
    pub directory: PathBuf,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct PartitionReport {
    /// Writes while the member could not be reached.
    pub writes: u64,
    /// Keys.
    pub keys: u64,
    /// Seconds that they took.
    pub write_seconds: f64,
    /// Of each member, in order; the last is the one that could not be reached.
    pub members: Vec<MemberPeak>,
    /// From when it went on until all were even.
    pub even_again: Again,
    /// From when it was started again, without anything of the eventual tier, until all were even.
    pub joined: Again,
}

/// The most that was seen of a member while the other could not be reached.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MemberPeak {
    /// Resident bytes before.
    pub resident_bytes_before: u64,
    /// Resident bytes.
    pub resident_bytes_max: u64,
    /// Operations that are remembered.
    pub log_operations_max: u64,
    /// Bytes of them.
    pub log_bytes_max: u64,
    /// Bytes of values that are kept only for members that lack them.
    pub orphan_bytes_max: u64,
}

/// How members became even.
#[derive(Debug, Serialize)]
pub struct Again {
    /// Until then, in milliseconds.
    pub even_ms: f64,
    /// Bytes that the others sent to the member meanwhile.
    pub sent_bytes: u64,
    /// Shards that they sent whole.
    pub shards_whole: u64,
    /// "log" or "state", as each other member reports it; empty where it was not apart for long enough to be reported.
    pub modes: Vec<String>,
}

impl Partition {
    /// Runs it.
    pub async fn run(&self) -> Result<PartitionReport, String> {
        let mut nodes = Nodes::start(&self.quorate, &self.directory).await?;
        let endpoints = nodes.endpoints();
        let (lost, others) = endpoints.split_last().ok_or("there are no members")?;
        until_even(&others[0]).await?;
        let writes = Writes {
            keys: (0..self.keys).map(work::key).collect(),
            value: Bytes::from(work::value(self.value_bytes)),
            per_request: PER_REQUEST,
            in_flight: IN_FLIGHT,
        };
        // Most keys exist then, at every member.
        self.write(&others[..1], &writes, 2 * self.keys).await?;
        until_even(&others[0]).await?;

        let mut members = Vec::new();
        for node in &nodes.nodes {
            members.push(MemberPeak {
                resident_bytes_before: resident_bytes(node.pid())?,
                ..MemberPeak::default()
            });
        }
        nodes.nodes[others.len()].signal(Signal::STOP)?;
        let pids = nodes.nodes.iter().map(super::nodes::Node::pid).collect();
        let done = Arc::new(AtomicBool::new(false));
        let looking = tokio::spawn(look(others.to_vec(), pids, members, Arc::clone(&done)));
        let began = Instant::now();
        let written = self.write(others, &writes, self.writes).await;
        let write_seconds = began.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let members = looking.await.map_err(|error| format!("the look stopped: {error}"))??;
        let total = written?;

        let before = sent_to_last(others).await?;
        let began = Instant::now();
        nodes.nodes[others.len()].signal(Signal::CONT)?;
        let even_again = again(others, lost, began, before).await?;

        let before = sent_to_last(others).await?;
        let began = Instant::now();
        nodes.nodes[others.len()].lose_and_restart()?;
        let joined = again(others, lost, began, before).await?;
        Ok(PartitionReport {
            writes: total,
            keys: self.keys,
            write_seconds,
            members,
            even_again,
            joined,
        })
    }

    /// Writes so often, spread evenly over the members. Returns how often it was.
    async fn write(&self, endpoints: &[String], writes: &Writes, count: u64) -> Result<u64, String> {
        let requests = count.div_ceil(PER_REQUEST as u64 * endpoints.len() as u64);
        let mut pipes = JoinSet::new();
        for endpoint in endpoints {
            let pipe = Pipe::open(lasting_channel(endpoint).await?, writes.clone()).await?;
            pipes.spawn(pipe.run_requests(requests));
        }
        while let Some(tally) = pipes.join_next().await {
            let tally = tally.map_err(|error| format!("a writer stopped: {error}"))??;
            if let Some(error) = tally.first_error {
                return Err(format!("{} requests failed, the first: {error}", tally.errors));
            }
        }
        Ok(requests * PER_REQUEST as u64 * endpoints.len() as u64)
    }
}

/// Looks at the memory until it is told that it is done, and once more.
async fn look(
    others: Vec<String>,
    pids: Vec<u32>,
    mut members: Vec<MemberPeak>,
    done: Arc<AtomicBool>,
) -> Result<Vec<MemberPeak>, String> {
    let began = Instant::now();
    loop {
        let last = done.load(Ordering::Relaxed);
        for (member, pid) in members.iter_mut().zip(&pids) {
            member.resident_bytes_max = member.resident_bytes_max.max(resident_bytes(*pid)?);
        }
        for (member, endpoint) in members.iter_mut().zip(&others) {
            let memory = memory(endpoint).await?;
            member.log_operations_max = member.log_operations_max.max(memory.log_operations);
            member.log_bytes_max = member.log_bytes_max.max(memory.log_bytes);
            member.orphan_bytes_max = member.orphan_bytes_max.max(memory.orphan_bytes);
        }
        let resident: Vec<String> = members
            .iter()
            .map(|member| format!("{} MiB", member.resident_bytes_max >> 20))
            .collect();
        eprintln!(
            "{:>4} s: resident at most {}",
            began.elapsed().as_secs(),
            resident.join(", ")
        );
        if last {
            return Ok(members);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn memory(endpoint: &str) -> Result<v1::MemberMemory, String> {
    let mut client = EventualClient::new(lasting_channel(endpoint).await?);
    let answer = client.memory(v1::MemoryRequest { cluster: false }).await;
    let answer = answer.map_err(|status| format!("memory of {endpoint}: {}", status.message()))?;
    let member = answer.into_inner().members.into_iter().next();
    member.ok_or_else(|| format!("{endpoint} answered without its memory"))
}

async fn status(endpoint: &str) -> Result<v1::SyncStatusResponse, String> {
    let mut client = EventualClient::new(lasting_channel(endpoint).await?);
    let answer = client.sync_status(v1::SyncStatusRequest {}).await;
    let answer = answer.map_err(|status| format!("sync status of {endpoint}: {}", status.message()))?;
    Ok(answer.into_inner())
}

/// Bytes and whole shards that were sent to the last member, and reports of what healed, of each other one.
async fn sent_to_last(others: &[String]) -> Result<Vec<(u64, u32, usize)>, String> {
    let mut sent = Vec::new();
    for endpoint in others {
        let status = status(endpoint).await?;
        let peer = status.peers.iter().max_by_key(|peer| peer.member_id);
        let (bytes, whole) = peer.map_or((0, 0), |peer| (peer.sent_bytes, peer.shards_whole));
        sent.push((bytes, whole, status.heals.len()));
    }
    Ok(sent)
}

/// Waits until the member has what the others have, and each of them what it has.
async fn again(others: &[String], lost: &str, began: Instant, before: Vec<(u64, u32, usize)>) -> Result<Again, String> {
    for endpoint in others {
        until_even(endpoint).await?;
    }
    until_answers(lost).await?;
    until_even(lost).await?;
    let even_ms = began.elapsed().as_secs_f64() * 1e3;
    let after = sent_to_last(others).await?;
    let mut modes = Vec::new();
    for (endpoint, (_, _, reports)) in others.iter().zip(&before) {
        let heals = status(endpoint).await?.heals;
        modes.extend(heals.into_iter().skip(*reports).map(|heal| heal.mode));
    }
    let both = || before.iter().zip(&after);
    Ok(Again {
        even_ms,
        sent_bytes: both().map(|(before, after)| after.0.saturating_sub(before.0)).sum(),
        shards_whole: both()
            .map(|(before, after)| u64::from(after.1.saturating_sub(before.1)))
            .sum(),
        modes,
    })
}

/// A member that was just started does not listen yet.
async fn until_answers(endpoint: &str) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match status(endpoint).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
