//! How far members have what the others have.

use std::sync::atomic::Ordering;
use std::time::Duration;

use quorate_eventual::ShardNumber;
use quorate_proto::v1::{Error, ErrorCode, HealReport, PeerSync, SyncForceResponse, SyncStatusResponse};

use super::check;
use super::level::ms;
use crate::eventual::{Clocks, Heal, Peer, Tier, Unmet, WaitFor};
use crate::grpc::api::Api;
use crate::grpc::error::refused;

impl Api {
    pub(super) fn sync_status(&self) -> SyncStatusResponse {
        let peers = self.peers();
        let me = self.roster.me().member;
        SyncStatusResponse {
            header: Some(self.eventual_header()),
            age_ms: self.tier.age().map(ms),
            unsent_operations: peers.iter().map(|peer| peer.unsent_operations).max().unwrap_or(0),
            peers,
            heals: self.tier.heals().into_iter().map(|heal| report(me, &heal)).collect(),
            diverged_shards: self.tier.diverged_shards(),
            caught_up: self.tier.is_caught_up(),
        }
    }

    /// Returns once this member has what each other had when it was asked, and each other what this one had.
    pub(super) async fn sync_force(&self, timeout_ms: u64) -> Result<SyncForceResponse, Error> {
        let timeout = check::timeout(timeout_ms);
        let wait = WaitFor::new(&self.tier, timeout);
        let mine = clocks_here(&self.tier);
        let both_ways = async {
            self.everything(&wait).await?;
            self.others_have(&mine, &wait).await
        };
        both_ways.await.map_err(|_: Unmet| {
            let behind: Vec<String> = self
                .peers()
                .iter()
                .filter(|peer| !peer.connected)
                .map(|peer| format!("member {}", peer.member_id))
                .collect();
            let who = if behind.is_empty() {
                "some member is still being sent to".to_owned()
            } else {
                format!("{} cannot be reached", behind.join(", "))
            };
            refused(
                ErrorCode::Stale,
                format!("not even with every member within {} ms: {who}", ms(timeout)),
            )
        })?;
        Ok(SyncForceResponse {
            header: Some(self.eventual_header()),
            peers: self.peers(),
        })
    }

    /// Until every other member has what these clocks say.
    async fn others_have(&self, mine: &Clocks, wait: &WaitFor<'_>) -> Result<(), Unmet> {
        const LOOK: Duration = Duration::from_millis(20);
        loop {
            let asked = tokio::time::timeout(wait.left(), self.tier_network.all_clocks(&self.tier)).await;
            let asked = asked.map_err(|_| Unmet::Token)?;
            if asked
                .iter()
                .all(|(_, theirs)| theirs.as_ref().is_some_and(|theirs| include(theirs, mine)))
            {
                return Ok(());
            }
            if wait.left().is_zero() {
                return Err(Unmet::Token);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn peers(&self) -> Vec<PeerSync> {
        let own: Vec<(ShardNumber, u64)> = ShardNumber::all()
            .map(|shard| (shard, self.tier.store.lock(shard).own_number()))
            .collect();
        let now_us = self.tier.monotonic_us();
        self.tier
            .peers
            .all()
            .iter()
            .map(|peer| peer_sync(peer, &own, now_us))
            .collect()
    }
}

fn clocks_here(tier: &Tier) -> Clocks {
    ShardNumber::all()
        .map(|shard| (shard, tier.store.lock(shard).clock().clone()))
        .collect()
}

/// `theirs` have all that `mine` have. Both are of all shards, in order.
fn include(theirs: &Clocks, mine: &Clocks) -> bool {
    theirs.len() == mine.len()
        && theirs
            .iter()
            .zip(mine)
            .all(|((_, theirs), (_, mine))| theirs.includes(mine))
}

fn peer_sync(peer: &Peer, own: &[(ShardNumber, u64)], now_us: u64) -> PeerSync {
    let since = |us: u64| (us != 0).then(|| ms(Duration::from_micros(now_us.saturating_sub(us))));
    let lacks = own
        .iter()
        .map(|(shard, number)| number.saturating_sub(peer.acked(*shard)));
    PeerSync {
        member_id: peer.member,
        process: peer.process().map_or(0, |process| process.0),
        connected: peer.is_connected(),
        behind_ms: since(peer.freshness.there_us()),
        age_ms: since(peer.freshness.here_us()),
        unsent_operations: lacks.sum(),
        shards_whole: u32::try_from(peer.traffic.whole_shards.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
        sent_bytes: peer.traffic.sent_bytes.load(Ordering::Relaxed),
        received_bytes: peer.traffic.received_bytes.load(Ordering::Relaxed),
        repaired_shards: peer.traffic.repaired_shards.load(Ordering::Relaxed),
    }
}

fn report(me: u64, heal: &Heal) -> HealReport {
    HealReport {
        member_id: me,
        peer_id: heal.peer,
        healed_at_ms: heal.healed_at_ms,
        apart_ms: ms(heal.apart),
        duration_ms: ms(heal.duration),
        shards: heal.shards,
        merged: heal.applied.merged,
        conflicts_resolved: heal.applied.conflicts,
        siblings_left: heal.applied.siblings,
        discarded: heal.applied.discarded,
        bytes: heal.bytes,
        mode: heal.mode().to_owned(),
    }
}
