//! Writes every key once, so that there is something to hold, to restart with, or to grow from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::target::{Session, System, Target};
use crate::work::{key, value};

/// Times that a write is tried: writing a key twice does no harm, and a busy machine may take too long for one.
const ATTEMPTS: u32 = 5;

/// A fill.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The system.
    pub system: System,
    /// Its members, `host:port`.
    pub endpoints: Vec<String>,
    /// Keys.
    pub keys: u64,
    /// Bytes of a value; all are the same.
    pub value_bytes: usize,
    /// Clients, each with one call at a time.
    pub clients: usize,
    /// Connections that they share.
    pub connections: usize,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct FillReport {
    /// The system.
    pub target: &'static str,
    /// Keys that were written.
    pub keys: u64,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// How long it took.
    pub seconds: f64,
    /// Keys a second.
    pub keys_per_second: f64,
}

impl Fill {
    /// Runs it. A write that fails again and again ends it.
    pub async fn run(&self) -> Result<FillReport, String> {
        let target = Target::connect(self.system, &self.endpoints, self.connections).await?;
        let began = Instant::now();
        fill(&target, self.keys, &Bytes::from(value(self.value_bytes)), self.clients).await?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(FillReport {
            target: self.system.name(),
            keys: self.keys,
            key_bytes: key(0).len(),
            value_bytes: self.value_bytes,
            seconds,
            keys_per_second: self.keys as f64 / seconds,
        })
    }
}

/// Writes every key once, with so many clients.
pub(crate) async fn fill(target: &Target, keys: u64, value: &Bytes, clients: usize) -> Result<(), String> {
    let next = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..keys.min(clients as u64) {
        let mut session = target.session(writer as usize);
        let (next, value) = (Arc::clone(&next), value.clone());
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return Ok(());
                }
                put(&mut session, number, &value).await?;
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        let written: Result<(), String> = written.map_err(|error| format!("the fill stopped: {error}"))?;
        written.map_err(|error| format!("the fill: {error}"))?;
    }
    Ok(())
}

async fn put(session: &mut Session, number: u64, value: &Bytes) -> Result<(), String> {
    let mut attempt = 1;
    loop {
        match session.put(key(number), value.clone()).await {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            ended => return ended,
        }
    }
}
