//! How far members have what the others have.

use std::sync::atomic::Ordering;
use std::time::Duration;

use quorate_eventual::ShardNumber;
use quorate_proto::v1::{Error, ErrorCode, HealReport, PeerSync, SyncForceResponse, SyncStatusResponse};

use super::check;
use super::level::ms;
use crate::eventual::{Heal, Peer, WaitFor};
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
        self.is_even(&wait).await.map_err(|_| {
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
