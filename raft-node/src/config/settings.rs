//! Every key there is: its kind, its range, what it means.

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within these bounds, inclusive.
    Integer {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
    /// `true` or `false`.
    Boolean,
    /// A path that is not empty.
    Path,
    /// A path, or empty.
    File,
    /// `IP:PORT` to listen on.
    ListenAddress,
    /// `IP:PORT` to listen on, or `off`.
    ListenAddressOrOff,
    /// `HOST:PORT`, or empty.
    Address,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The founding members.
    Members,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Sections and name, joined with dots.
    pub key: &'static str,
    /// What the value must be.
    pub kind: Kind,
    /// One line for people.
    pub about: &'static str,
}

impl Setting {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// The row of a key.
    pub fn named(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// What every environment variable of Quorate starts with.
pub(super) const VARIABLE_PREFIX: &str = "QUORATE_";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The largest whole number that TOML can write.
const TOML_MAX: u64 = i64::MAX as u64;

const fn integer(key: &'static str, min: u64, max: u64, about: &'static str) -> Setting {
    Setting {
        key,
        kind: Kind::Integer { min, max },
        about,
    }
}

const fn other(key: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { key, kind, about }
}

/// Every key, in the order in which `config print` shows them.
pub const SETTINGS: &[Setting] = &[
    integer(
        "member_id",
        1,
        TOML_MAX,
        "this member's id, never reused in the cluster",
    ),
    other("data_directory", Kind::Path, "where log and state live"),
    other("listen_client", Kind::ListenAddress, "where clients connect"),
    other("listen_peer", Kind::ListenAddress, "where the other members connect"),
    other(
        "listen_http",
        Kind::ListenAddressOrOff,
        "where /metrics, /livez and /readyz are, or off",
    ),
    other(
        "advertise_client",
        Kind::Address,
        "what clients are told to use; empty: listen_client",
    ),
    other(
        "insecure_allow_non_loopback",
        Kind::Boolean,
        "allow addresses beyond loopback without TLS",
    ),
    other(
        "cluster.members",
        Kind::Members,
        "the founding members, the same list on each",
    ),
    other(
        "cluster.join",
        Kind::Boolean,
        "wait for `member add` instead of founding a cluster",
    ),
    other(
        "tls.client.certificate",
        Kind::File,
        "certificate for clients; empty: clients connect without TLS",
    ),
    other("tls.client.key", Kind::File, "private key of that certificate"),
    other(
        "tls.client.client_ca",
        Kind::File,
        "authority that must have signed the certificates of clients; empty: they need none",
    ),
    other(
        "tls.client.allow_tls_1_2",
        Kind::Boolean,
        "let clients in that have no TLS 1.3",
    ),
    other(
        "tls.peer.certificate",
        Kind::File,
        "certificate for the other members; empty: they connect without TLS",
    ),
    other("tls.peer.key", Kind::File, "private key of that certificate"),
    other(
        "tls.peer.ca",
        Kind::File,
        "authority that must have signed the certificates of all members",
    ),
    integer(
        "tls.reload_interval_ms",
        100,
        3_600_000,
        "time between two looks at the files of certificates",
    ),
    integer("raft.heartbeat_ms", 5, 10_000, "a leader's heartbeat"),
    integer(
        "raft.election_min_ms",
        15,
        60_000,
        "shortest silence before an election",
    ),
    integer(
        "raft.election_max_ms",
        20,
        120_000,
        "longest silence before an election",
    ),
    integer(
        "raft.snapshot_log_bytes",
        16 * KIB,
        64 * GIB,
        "most log bytes between two snapshots; a member draws its own, up to a quarter less",
    ),
    integer(
        "raft.keep_log_entries",
        0,
        100_000_000,
        "log entries kept behind a snapshot",
    ),
    integer(
        "raft.threads",
        0,
        64,
        "threads of consensus and of what members say to one another; 0: one on up to two processors, otherwise two",
    ),
    integer("limits.request_bytes_max", 16 * KIB, 64 * MIB, "bytes of one request"),
    integer("limits.key_bytes_max", 16, 64 * KIB, "bytes of a key"),
    integer("limits.value_bytes_max", KIB, 32 * MIB, "bytes of a value"),
    integer(
        "limits.txn_operations_max",
        1,
        4096,
        "operations in a branch of a transaction",
    ),
    integer("limits.range_records_max", 1, 1_000_000, "records in a page"),
    integer("limits.range_bytes_max", KIB, 64 * MIB, "bytes in a page"),
    integer("limits.tags_max", 0, 256, "tags of a key"),
    integer("limits.tag_bytes_max", 1, 4 * KIB, "bytes of a tag"),
    integer(
        "limits.calls_outstanding_max",
        1,
        1_000_000,
        "calls a member works on at a time",
    ),
    integer(
        "limits.calls_waiting_max",
        1,
        1_000_000,
        "calls that wait at a member for something to happen",
    ),
    integer("limits.connections_max", 1, 1_000_000, "connections of clients"),
    integer(
        "limits.streams_max",
        8,
        65_536,
        "calls and streams that are open on a connection",
    ),
    integer(
        "limits.header_bytes_max",
        4 * KIB,
        MIB,
        "bytes of the headers of a call",
    ),
    integer(
        "limits.request_arrival_ms_max",
        100,
        3_600_000,
        "a request is whole so long after it began",
    ),
    integer(
        "limits.arriving_bytes_max",
        MIB,
        64 * GIB,
        "bytes of requests that are not whole yet",
    ),
    integer(
        "limits.requests_bytes_max",
        MIB,
        64 * GIB,
        "bytes of requests that are whole and not answered",
    ),
    integer(
        "limits.answers_unread_bytes_max",
        16 * MIB,
        64 * GIB,
        "bytes of answers that clients have not read yet",
    ),
    // At most the state machine's own bound, `CLIENTS_MAX`.
    integer("limits.clients_max", 1, 65_536, "registered clients in the cluster"),
    integer(
        "limits.watches_max",
        1,
        1_000_000,
        "watches that are open at this member",
    ),
    integer(
        "limits.watch_stall_ms_max",
        100,
        86_400_000,
        "a watch ends when its events waited unread for so long",
    ),
    integer(
        "storage.block_cache_bytes",
        MIB,
        256 * GIB,
        "cache of the state machine's store",
    ),
    integer(
        "storage.write_buffer_bytes",
        MIB,
        4 * GIB,
        "write buffer of the state machine's store; a member draws its own, up to a quarter less",
    ),
    integer("storage.log_segment_bytes", MIB, 2 * GIB, "size of a log segment"),
    integer("storage.log_tail_bytes", MIB, 16 * GIB, "newest log kept in memory"),
    integer(
        "storage.space_reserve_bytes",
        MIB,
        1024 * GIB,
        "free disk below which growth is refused",
    ),
    integer(
        "compaction.keep_revisions",
        0,
        TOML_MAX,
        "newest revisions that stay readable",
    ),
    integer(
        "compaction.keep_ms",
        0,
        TOML_MAX,
        "how long a revision stays readable, at least",
    ),
    integer("compaction.interval_ms", 10, 86_400_000, "time between two looks"),
    integer(
        "eventual.flush_interval_ms",
        10,
        60_000,
        "what was written is on disk after this long",
    ),
    integer(
        "eventual.log_bytes_max",
        MIB,
        64 * GIB,
        "operations remembered for members that were away",
    ),
    integer(
        "eventual.orphan_bytes_max",
        MIB,
        64 * GIB,
        "values kept only for members that lack them",
    ),
    integer(
        "eventual.peer_queue_bytes_max",
        MIB,
        GIB,
        "what waits to be sent to one member",
    ),
    integer(
        "eventual.beat_interval_ms",
        10,
        10_000,
        "members tell each other how far they are",
    ),
    integer(
        "eventual.frame_bytes_max",
        MIB,
        // A frame says its length in four bytes.
        4 * GIB - 1,
        "what one shard sends at once, at most",
    ),
    integer(
        "cache.lease_ms",
        100,
        60_000,
        "a coherent cache may answer for so long after a proof",
    ),
    integer(
        "metrics.names_max",
        0,
        10_000,
        "queues and domains that metrics tell apart",
    ),
    other(
        "log.level",
        Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        "least important kind of line written",
    ),
    other(
        "log.format",
        Kind::Word(&["text", "json"]),
        "text for people, json for machines",
    ),
    integer(
        "log.slow_call_ms",
        0,
        3_600_000,
        "a call that took so long is written of; 0: none",
    ),
    other(
        "tracing.otlp_endpoint",
        Kind::Address,
        "collector that takes spans by OTLP over gRPC; empty: none are made",
    ),
    other(
        "tracing.otlp_ca",
        Kind::File,
        "authority of the collector's certificate; empty: it has no TLS",
    ),
    integer(
        "tracing.sample_per_million",
        0,
        1_000_000,
        "requests in a million that spans are made of",
    ),
];
