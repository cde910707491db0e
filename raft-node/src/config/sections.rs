//! The sections of the file, one struct each. Ranges and one-line descriptions stand in [`super::SETTINGS`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Consensus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raft {
    /// A leader sends a heartbeat this often, in milliseconds. Default 40.
    pub heartbeat_ms: u64,
    /// A follower that hears nothing for a random time between this and `election_max_ms` stands for election.
    /// Default 120.
    pub election_min_ms: u64,
    /// See `election_min_ms`. Default 200.
    pub election_max_ms: u64,
    /// A snapshot is made after this many bytes of log, or after up to a quarter less, which is drawn, so that members are not
    /// all busy with theirs at the same time. Default 268,435,456 (256 MiB).
    pub snapshot_log_bytes: u64,
    /// Entries kept behind a snapshot, so that a member that was away for a moment needs no snapshot. Default 50,000.
    pub keep_log_entries: u64,
    /// Threads of consensus and of what members say to one another. Default 0: one on up to two processors, where a second
    /// would only take turns with the first, otherwise two.
    pub threads: u64,
}

impl Default for Raft {
    fn default() -> Self {
        Self {
            heartbeat_ms: 40,
            election_min_ms: 120,
            election_max_ms: 200,
            snapshot_log_bytes: 268_435_456,
            keep_log_entries: 50_000,
            threads: 0,
        }
    }
}

/// Memory and disk of the two stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Cache of blocks read from the state machine's store. Default 67,108,864 (64 MiB).
    pub block_cache_bytes: u64,
    /// Bytes of writes kept in memory before the state machine's store flushes them, or up to a quarter less, which is drawn as for
    /// snapshots. Default 33,554,432 (32 MiB).
    pub write_buffer_bytes: u64,
    /// Size of one segment of the log. Default 67,108,864 (64 MiB).
    pub log_segment_bytes: u64,
    /// Newest part of the log kept in memory for replication. Default 33,554,432 (32 MiB).
    pub log_tail_bytes: u64,
    /// Writes that grow the store are refused when less than this is free on the disk; it is what log, snapshot and
    /// compaction need to get out of that state. Default 268,435,456 (256 MiB).
    pub space_reserve_bytes: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            block_cache_bytes: 67_108_864,
            write_buffer_bytes: 33_554_432,
            log_segment_bytes: 67_108_864,
            log_tail_bytes: 33_554_432,
            space_reserve_bytes: 268_435_456,
        }
    }
}

/// How much history stays readable. A revision goes when it is beyond both bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compaction {
    /// This many of the newest revisions stay. Default 100,000.
    pub keep_revisions: u64,
    /// Revisions stay for this long, in milliseconds of log time. Default 3,600,000 (an hour).
    pub keep_ms: u64,
    /// Time between two looks, in milliseconds. Default 1,000.
    pub interval_ms: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            keep_revisions: 100_000,
            keep_ms: 3_600_000,
            interval_ms: 1000,
        }
    }
}

/// What the eventual tier keeps in memory beside its entries, and how often it does what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Eventual {
    /// What was written is on disk after this long, in milliseconds; while so much is written that bringing it there takes
    /// more than a tenth of that, after ten times as long as it takes, but not after more than a second more. Until then it
    /// is lost if the process is killed, unless another member has it. Default 100.
    pub flush_interval_ms: u64,
    /// Operations that are remembered for members that were away for a moment, over all shards. One that was away for
    /// longer gets whole shards. Default 67,108,864 (64 MiB).
    pub log_bytes_max: u64,
    /// Values that are kept only for members that lack them, over all shards. Default 67,108,864 (64 MiB).
    pub orphan_bytes_max: u64,
    /// What waits to be sent to one member; past it, the member gets what it lacks when it reads again. Default
    /// 33,554,432 (32 MiB).
    pub peer_queue_bytes_max: u64,
    /// Members tell each other this often how far they are, in milliseconds: what a read can be proved to be no older than.
    /// Default 50.
    pub beat_interval_ms: u64,
    /// What one shard sends at once, at most: a shard that is larger cannot be brought to another member. Default
    /// 268,435,456 (256 MiB).
    pub frame_bytes_max: u64,
}

impl Default for Eventual {
    fn default() -> Self {
        Self {
            flush_interval_ms: 100,
            log_bytes_max: 67_108_864,
            orphan_bytes_max: 67_108_864,
            peer_queue_bytes_max: 33_554_432,
            beat_interval_ms: 50,
            frame_bytes_max: 268_435_456,
        }
    }
}

/// What clients cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// A coherent cache may answer for so long after a proof, in milliseconds: what a write of a coherent domain waits at most
    /// for a cache that is silent, and what a new leader waits before it answers such writes. The same at every member, and
    /// changed while no domain is coherent. Default 1,000.
    pub lease_ms: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self { lease_ms: 1000 }
    }
}

/// What the server says about itself, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important kind of line that is written. Default `info`.
    pub level: LogLevel,
    /// `text` for people, `json` for machines. Default `text`.
    pub format: LogFormat,
    /// A call that took so long is slow, in milliseconds: it is written of with the time of each of its stages, at most ten of
    /// them a second. What a call asked to wait does not count. 0: no call is slow. Default 500.
    pub slow_call_ms: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::default(),
            format: LogFormat::default(),
            slow_call_ms: 500,
        }
    }
}

/// See [`Log::level`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What may soon need one.
    Warn,
    /// Elections, snapshots, members that come and go.
    #[default]
    Info,
    /// One line a decision.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.name() == name)
    }

    /// The name, as in the file.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// See [`Log::format`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Spans for OpenTelemetry. They name methods, members, log indexes and times, never a key or a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// `host:port` of the collector that takes spans by OTLP over gRPC. Default: empty, which makes none.
    pub otlp_endpoint: String,
    /// The authority that must have signed the collector's certificate, as PEM; read when the member starts. Default: empty, for a
    /// collector without TLS.
    pub otlp_ca: PathBuf,
    /// Of so many requests in a million spans are made. The choice follows from the request, so that all members that have the
    /// same share choose the same requests. Default 10,000, which is one in a hundred.
    pub sample_per_million: u64,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            otlp_ca: PathBuf::new(),
            sample_per_million: 10_000,
        }
    }
}

/// What the server says about itself in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Queues, and as many domains, that metrics tell apart; those beyond count together as `other`. Default 100.
    pub names_max: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { names_max: 100 }
    }
}
