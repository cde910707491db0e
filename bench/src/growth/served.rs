//! When a member serves a read: asked over and over from before it is started, and done with the first answer.
//!
//! Whoever starts the member takes the time, from the start of its process to the end of this one. A linearizable read says
//! that it has a leader and has applied what that had committed; a local one, that it serves what it has.

use std::time::Duration;

use clap::ValueEnum;
use quorate_proto::v1;
use quorate_proto::v1::kv_client::KvClient;
use serde::Serialize;
use tokio::time::Instant;

use crate::target::{System, etcd_range};
use crate::work::key;

/// Between two attempts: what it adds to the time, at most, beside that of the read.
const ATTEMPT_EVERY: Duration = Duration::from_millis(2);
/// An attempt that takes longer is given up.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);

/// What a read promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReadKind {
    /// Everything that was acknowledged before it.
    Linearizable,
    /// What the member has; in etcd, a serializable read.
    Local,
}

/// A wait.
#[derive(Clone, Debug)]
pub struct Served {
    /// The system.
    pub system: System,
    /// The member, `host:port`.
    pub endpoint: String,
    /// The read.
    pub read: ReadKind,
    /// The number of a key that was written before.
    pub key: u64,
    /// Gives up after this.
    pub timeout: Duration,
}

/// How it ended.
#[derive(Debug, Serialize)]
pub struct ServedReport {
    /// Reads that were not answered, or not with the key.
    pub attempts_failed: u64,
}

impl Served {
    /// Waits until the key is there.
    pub async fn run(&self) -> Result<ServedReport, String> {
        let deadline = Instant::now() + self.timeout;
        let mut attempts_failed = 0;
        loop {
            let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, self.read_once()).await;
            let why = match attempt {
                Ok(Ok(true)) => return Ok(ServedReport { attempts_failed }),
                Ok(Ok(false)) => format!("key {} is not there", self.key),
                Ok(Err(why)) => why,
                Err(_) => format!("a read took longer than {ATTEMPT_TIMEOUT:?}"),
            };
            attempts_failed += 1;
            if Instant::now() >= deadline {
                return Err(format!(
                    "{} served nothing within {:?}: {why}",
                    self.endpoint, self.timeout
                ));
            }
            tokio::time::sleep(ATTEMPT_EVERY).await;
        }
    }

    async fn read_once(&self) -> Result<bool, String> {
        // A channel that failed waits before it connects again; a new one does not.
        let channel = crate::target::lasting_channel(&self.endpoint).await?;
        let linearizable = self.read == ReadKind::Linearizable;
        match self.system {
            System::Etcd | System::EtcdBalanced => etcd_range(channel, key(self.key), linearizable).await,
            System::Quorate | System::QuorateUnary => {
                let level = match linearizable {
                    true => v1::Level::Strong,
                    false => v1::Level::Local,
                };
                let request = v1::GetRequest {
                    key: key(self.key),
                    read: Some(v1::ReadOptions {
                        level: level.into(),
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                let reply = KvClient::new(channel).get(request).await;
                let reply = reply.map_err(|error| error.message().to_owned())?;
                Ok(reply.into_inner().record.is_some())
            }
            System::Redis => Err("of redis, only the queue is measured".to_owned()),
        }
    }
}
