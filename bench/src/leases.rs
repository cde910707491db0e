//! What it costs to keep many leases alive.
//!
//! Leases are granted, and then each is renewed every third of its time to live, as sessions are: in calls that renew many
//! at once. Reported are the share of a core that each process spends on it, and how far the log grew meanwhile.

use std::time::Duration;

use quorate::{Client, LeaseOp, LeaseOpReply, OpReply};
use serde::Serialize;
use tokio::time::Instant;

use crate::cpu::{CpuWindow, Process};

/// Grants in one transaction.
const GRANTS_PER_CALL: usize = 128;
/// Renewals in one call: what one client's sessions would share.
const RENEWALS_PER_CALL: usize = 1000;
/// Renewals a time to live.
const RENEWALS_PER_TTL: u32 = 3;

/// A run.
#[derive(Debug)]
pub struct Leases {
    /// Members.
    pub endpoints: Vec<String>,
    /// How many leases live.
    pub leases: usize,
    /// Their time to live.
    pub ttl: Duration,
    /// How long they are renewed and measured.
    pub window: Duration,
    /// Servers whose CPU time is measured.
    pub servers: Vec<Process>,
}

/// What it cost.
#[derive(Debug, Serialize)]
pub struct LeasesReport {
    /// Leases that lived.
    pub leases: usize,
    /// Time to live, in milliseconds.
    pub ttl_ms: u128,
    /// Renewals made.
    pub renewals: u64,
    /// Leases that were found ended.
    pub lost: u64,
    /// Entries that the log grew by.
    pub log_entries: u64,
    /// Share of one core that each process spent.
    pub cores: Vec<ProcessShare>,
}

/// Share of one core.
#[derive(Debug, Serialize)]
pub struct ProcessShare {
    /// `client` for the generator itself.
    pub role: String,
    /// 1.0 is a whole core.
    pub cores: f64,
}

impl Leases {
    /// Grants the leases and renews them for as long as the window is.
    pub async fn run(self) -> Result<LeasesReport, String> {
        let said = |error: quorate::Error| error.to_string();
        let client = Client::builder()
            .endpoints(self.endpoints.clone())
            .connect()
            .await
            .map_err(said)?;
        let leases = self.grant(&client).await?;
        // One whole time to live first, so that every lease is renewed by its own clock when the window opens.
        let pause = self.ttl / RENEWALS_PER_TTL;
        renew_for(&client, &leases, self.ttl, pause).await?;
        let endpoint = self.endpoints.first().ok_or("no endpoint")?;
        let applied = async || Ok::<_, String>(client.status(endpoint).await.map_err(said)?.applied_index);
        let before = applied().await?;
        let cpu = CpuWindow::open(&self.servers)?;
        let began = Instant::now();
        let (renewals, lost) = renew_for(&client, &leases, self.window, pause).await?;
        let seconds = began.elapsed().as_secs_f64();
        let cores = cpu.close()?.into_iter().map(|(process, spent)| ProcessShare {
            role: process.role,
            cores: (spent.user_us + spent.system_us) as f64 / 1e6 / seconds,
        });
        Ok(LeasesReport {
            leases: self.leases,
            ttl_ms: self.ttl.as_millis(),
            renewals,
            lost,
            cores: cores.collect(),
            log_entries: applied().await?.saturating_sub(before),
        })
    }

    async fn grant(&self, client: &Client) -> Result<Vec<u64>, String> {
        let mut leases = Vec::with_capacity(self.leases);
        let mut renewed = Instant::now();
        while leases.len() < self.leases {
            let mut txn = client.txn();
            for _ in 0..GRANTS_PER_CALL.min(self.leases - leases.len()) {
                txn = txn.then(LeaseOp::grant(self.ttl));
            }
            let reply = txn.await.map_err(|error| error.to_string())?;
            leases.extend(reply.results.iter().filter_map(|result| match result {
                OpReply::Lease(LeaseOpReply::Granted { lease, .. }) => Some(*lease),
                _ => None,
            }));
            if renewed.elapsed() > self.ttl / RENEWALS_PER_TTL {
                renewed = Instant::now();
                renew(client, &leases).await?;
            }
        }
        Ok(leases)
    }
}

/// Renews every lease once a `pause`, the calls spread evenly over it. Returns renewals made, and leases found ended.
async fn renew_for(client: &Client, leases: &[u64], window: Duration, pause: Duration) -> Result<(u64, u64), String> {
    let (mut renewals, mut lost) = (0, 0);
    let end = Instant::now() + window;
    let calls: Vec<&[u64]> = leases.chunks(RENEWALS_PER_CALL).collect();
    let step = pause / u32::try_from(calls.len()).map_err(|error| error.to_string())?.max(1);
    let mut next = Instant::now();
    for call in calls.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        tokio::time::sleep_until(next).await;
        next += step;
        lost += renew(client, call).await?;
        renewals += call.len() as u64;
    }
    Ok((renewals, lost))
}

/// Returns how many were found ended.
async fn renew(client: &Client, leases: &[u64]) -> Result<u64, String> {
    let mut lost = 0;
    for call in leases.chunks(RENEWALS_PER_CALL) {
        let answers = client.keep_alive(call).await.map_err(|error| error.to_string())?;
        lost += answers.iter().filter(|answer| answer.is_none()).count() as u64;
    }
    Ok(lost)
}
