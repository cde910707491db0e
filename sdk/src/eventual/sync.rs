//! What members say about their eventual tiers.

use quorate_proto::v1;
use serde::Serialize;

use super::value::Strategy;

/// How far one member and each other have what the other has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SyncStatus {
    /// Id of the member.
    pub member: u64,
    /// Its process, drawn at its start.
    pub process: u64,
    /// Everything that any member acknowledged longer ago than this many milliseconds is here; absent if a member has not
    /// been heard of.
    pub age_ms: Option<u64>,
    /// The other members.
    pub peers: Vec<PeerSync>,
    /// What became of it when two members could reach each other again, the newest last.
    pub heals: Vec<HealReport>,
    /// Shards whose state differs from a peer's though their clocks are equal. Anything but 0 is a bug to report.
    pub diverged_shards: u64,
    /// Operations of this process that the slowest peer lacks.
    pub unsent_operations: u64,
    /// It has taken over what the others had when it started.
    pub caught_up: bool,
}

/// One other member, as a member sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PeerSync {
    /// Its id.
    pub member: u64,
    /// Its process; absent: not known yet.
    pub process: Option<u64>,
    /// There is a connection to it.
    pub connected: bool,
    /// How many milliseconds ago it had everything that the member has; absent: not since it was connected.
    pub behind_ms: Option<u64>,
    /// How many milliseconds ago the member had everything that it has; absent: not since it was connected.
    pub age_ms: Option<u64>,
    /// Operations of the member's process that it lacks.
    pub unsent_operations: u64,
    /// Of the repaired shards, those that were sent whole so far, because the operations that it lacked were not kept any more.
    pub shards_whole: u32,
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Shards of which it was sent what it lacked, outside of the order in which it was written, so far.
    pub repaired_shards: u64,
}

/// What became of it when two members could reach each other again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealReport {
    /// The member that reports.
    pub member: u64,
    /// The member that it could reach again.
    pub peer: u64,
    /// When they were connected again, in milliseconds since 1970.
    pub healed_at_ms: u64,
    /// How long they had been apart, in milliseconds.
    pub apart_ms: u64,
    /// How long it took until each had what the other had, in milliseconds.
    pub duration_ms: u64,
    /// Shards that differed.
    pub shards: u32,
    /// Entries that changed here.
    pub merged: u64,
    /// Entries in which values met that had been written concurrently, and became one.
    pub conflicts_resolved: u64,
    /// Entries in which they stand beside each other.
    pub siblings_left: u64,
    /// Values that last-write-wins discarded.
    pub discarded: u64,
    /// Bytes exchanged.
    pub bytes: u64,
    /// `log`: operations were enough; `state`: at least one shard was sent whole.
    pub mode: String,
}

/// What one member has in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemberMemory {
    /// Its id.
    pub member: u64,
    /// Its domains.
    pub domains: Vec<DomainMemory>,
    /// Operations that are kept to be sent.
    pub log_operations: u64,
    /// Their bytes.
    pub log_bytes: u64,
    /// Bytes of values that are kept only until every peer has them.
    pub orphan_bytes: u64,
    /// Why it could not be asked; absent if it could.
    pub unreachable: Option<String>,
}

/// What one domain has in a member's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DomainMemory {
    /// Its name.
    pub domain: String,
    /// Its entries.
    pub entries: u64,
    /// Bytes of keys, values and what is kept with them, in memory.
    pub bytes: u64,
    /// How many bytes it may have; absent: there is no limit.
    pub bytes_max: Option<u64>,
    /// Values that are on the member's disk alone.
    pub cold_values: u64,
    /// Bytes of those.
    pub cold_bytes: u64,
    /// `low`, `medium`, `high` or `critical`.
    pub pressure: String,
    /// Entries evicted.
    pub evicted: u64,
    /// Writes refused for want of memory.
    pub refused: u64,
    /// Entries whose time was over.
    pub expired: u64,
    /// Values written concurrently that met.
    pub conflicts: u64,
    /// The same by strategy; those of which there were none, or that this client does not know, are left out.
    pub conflicts_by_strategy: Vec<StrategyConflicts>,
}

/// Values that were written concurrently and met at one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StrategyConflicts {
    /// Its name.
    pub strategy: &'static str,
    /// How many.
    pub conflicts: u64,
}

impl From<v1::PeerSync> for PeerSync {
    fn from(peer: v1::PeerSync) -> Self {
        Self {
            member: peer.member_id,
            process: (peer.process != 0).then_some(peer.process),
            connected: peer.connected,
            behind_ms: peer.behind_ms,
            age_ms: peer.age_ms,
            unsent_operations: peer.unsent_operations,
            shards_whole: peer.shards_whole,
            sent_bytes: peer.sent_bytes,
            received_bytes: peer.received_bytes,
            repaired_shards: peer.repaired_shards,
        }
    }
}

impl From<v1::HealReport> for HealReport {
    fn from(heal: v1::HealReport) -> Self {
        Self {
            member: heal.member_id,
            peer: heal.peer_id,
            healed_at_ms: heal.healed_at_ms,
            apart_ms: heal.apart_ms,
            duration_ms: heal.duration_ms,
            shards: heal.shards,
            merged: heal.merged,
            conflicts_resolved: heal.conflicts_resolved,
            siblings_left: heal.siblings_left,
            discarded: heal.discarded,
            bytes: heal.bytes,
            mode: heal.mode,
        }
    }
}

impl From<v1::MemberMemory> for MemberMemory {
    fn from(memory: v1::MemberMemory) -> Self {
        Self {
            member: memory.member_id,
            domains: memory.domains.into_iter().map(DomainMemory::from).collect(),
            log_operations: memory.log_operations,
            log_bytes: memory.log_bytes,
            orphan_bytes: memory.orphan_bytes,
            unreachable: (!memory.unreachable.is_empty()).then_some(memory.unreachable),
        }
    }
}

impl From<v1::DomainMemory> for DomainMemory {
    fn from(memory: v1::DomainMemory) -> Self {
        Self {
            domain: memory.domain,
            entries: memory.entries,
            bytes: memory.bytes,
            bytes_max: (memory.bytes_max != 0).then_some(memory.bytes_max),
            cold_values: memory.cold_values,
            cold_bytes: memory.cold_bytes,
            pressure: memory.pressure,
            evicted: memory.evicted,
            refused: memory.refused,
            expired: memory.expired,
            conflicts: memory.conflicts,
            conflicts_by_strategy: memory
                .conflicts_by_strategy
                .into_iter()
                .filter_map(|of_strategy| {
                    Some(StrategyConflicts {
                        strategy: Strategy::of_wire(of_strategy.strategy())?.name(),
                        conflicts: of_strategy.conflicts,
                    })
                })
                .collect(),
        }
    }
}
