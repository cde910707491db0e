//! What was written here, on its way to all peers: encoded once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use quorate_eventual::frame::Forgotten;
use quorate_eventual::{SHARDS, ShardNumber};

use super::clocks;
use super::queue::{Item, Queue};
use crate::eventual::Tier;
use crate::eventual::freshness::Echo;
use crate::failpoints;
use crate::types::MemberId;

/// A message of frames is closed when it passes this.
const MESSAGE_BYTES: usize = 128 << 10;
/// After something was sent, so long is waited for more: operations of one shard share a frame.
const GATHER: Duration = Duration::from_millis(1);
/// The same under load: a frame of few operations costs peers more than the operations.
const GATHER_UNDER_LOAD: Duration = Duration::from_millis(10);
/// Operations in a millisecond that are load.
const LOAD_OPERATIONS_PER_MS: u64 = 50;

/// The queues of all peers.
pub(super) type Queues = Arc<RwLock<BTreeMap<MemberId, Arc<Queue>>>>;

/// Hands what was written to the queues of peers, and beats behind it.
pub(super) struct Pusher {
    tier: Arc<Tier>,
    queues: Queues,
    /// How far each shard was handed on.
    pushed: Vec<u64>,
}

impl Pusher {
    pub(super) fn new(tier: Arc<Tier>, queues: Queues) -> Self {
        Pusher {
            tier,
            queues,
            pushed: vec![0; usize::from(SHARDS)],
        }
    }

    /// Runs until the member ends.
    pub(super) async fn run(mut self) {
        let mut next_beat = self.tier.monotonic();
        let mut next_compare = next_beat;
        let mut gathered = GATHER;
        loop {
            let now = self.tier.monotonic();
            self.tier.until_written(next_beat.saturating_sub(now)).await;
            let now = self.tier.monotonic();
            // Before what was written is looked for: a beat says that everything older than its echo is ahead of it.
            let echoes = (now >= next_beat).then(|| self.echoes());
            let _ = failpoints::pass("eventual-push").await;
            let operations = self.push();
            if let Some(echoes) = echoes {
                next_beat = now + self.tier.options.beat;
                let shards = if now >= next_compare {
                    next_compare = now + self.tier.options.compare;
                    clocks::hashes(&self.tier)
                } else {
                    Bytes::new()
                };
                self.beat(&echoes, &shards);
            } else {
                gathered = gather_after(operations, gathered);
                tokio::time::sleep(gathered).await;
            }
        }
    }

    /// Encodes everything that was written up to now. Returns how many operations that was.
    fn push(&mut self) -> u64 {
        let mut frames = Vec::new();
        let mut operations = 0;
        let mut forgotten = Vec::new();
        for number in self.tier.store.take_unpushed() {
            match self.encode(number, &mut frames) {
                Ok(encoded) => operations += encoded,
                Err(Forgotten) => forgotten.push(number),
            }
            if frames.len() >= MESSAGE_BYTES {
                self.put(&Item::Frames(Bytes::from(std::mem::take(&mut frames))));
            }
        }
        if !frames.is_empty() {
            self.put(&Item::Frames(Bytes::from(frames)));
        }
        if !forgotten.is_empty() {
            self.put(&Item::Repair(forgotten));
        }
        operations
    }

    /// Returns how many operations it took.
    fn encode(&mut self, number: ShardNumber, frames: &mut Vec<u8>) -> Result<u64, Forgotten> {
        let shard = self.tier.store.lock(number);
        let own = shard.own_number();
        let pushed = std::mem::replace(&mut self.pushed[number.index()], own);
        shard.encode_own(number, pushed, frames)?;
        Ok(own.saturating_sub(pushed))
    }

    fn echoes(&self) -> BTreeMap<MemberId, Echo> {
        let peers = self.tier.peers.all();
        peers
            .iter()
            .map(|peer| (peer.member, peer.freshness.to_echo()))
            .collect()
    }

    fn beat(&self, echoes: &BTreeMap<MemberId, Echo>, shards: &Bytes) {
        for (member, queue) in self.queues.read().iter() {
            queue.put(Item::Beat {
                echo: echoes.get(member).copied().unwrap_or_default(),
                shards: shards.clone(),
            });
        }
    }

    fn put(&self, item: &Item) {
        for queue in self.queues.read().values() {
            queue.put(item.clone());
        }
    }
}

/// How long to gather after a push of so many operations, which had been gathered for so long.
fn gather_after(operations: u64, gathered: Duration) -> Duration {
    let is_load = u128::from(operations) > u128::from(LOAD_OPERATIONS_PER_MS) * gathered.as_millis();
    if is_load { GATHER_UNDER_LOAD } else { GATHER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gathers_longer_only_as_long_as_there_is_load() {
        assert_eq!(gather_after(10, GATHER), GATHER);
        assert_eq!(gather_after(100, GATHER), GATHER_UNDER_LOAD);
        assert_eq!(gather_after(1_000, GATHER_UNDER_LOAD), GATHER_UNDER_LOAD);
        assert_eq!(gather_after(100, GATHER_UNDER_LOAD), GATHER);
    }
}
