"""Which rows there are, and which systems do each."""

from . import eventual_rows

# operation, clients, connections; Redis has one connection a client. For watch: watchers of what one writer puts, and
# connections that the watchers share, for every system alike.
ROWS = {
    "put-c1": ("put", 1, 1),
    "put-c64": ("put", 64, 16),
    "put-c256": ("put", 256, 16),
    "get-c64": ("get", 64, 16),
    "cas-c64": ("cas", 64, 16),
    "lock-c64": ("lock", 64, 16),
    "contended-c16": ("contended", 16, 4),
    "lease-c64": ("lease", 64, 16),
    "queue-c64": ("queue", 64, 16),
    "watch-w1": ("watch", 1, 1),
    "watch-w10": ("watch", 10, 1),
    "watch-w100": ("watch", 100, 1),
    "watch-w100-apart": ("watch", 100, 100),
    "sdk-put-64": ("put", 64, 1),
    "sdk-get-64": ("get", 64, 1),
    "cached-read": ("look-up", 1, 1),
    "cached-read-awaited": ("awaited", 1, 1),
    "cache-memory": ("memory", 1, 1),
    **eventual_rows.ROWS,
}
# A fleet that is full of small keys: what it occupies, and how long a member takes to serve again.
SIZE_ROW = "million-keys"
SIZE_KEYS = 1_000_000
SIZE_VALUE_BYTES = 16
# Puts that begin when it is their time, at half the rate that is the peer's best in the same run.
OPEN_ROW = "put-open"
# The same for minutes, while snapshots are made and history is compacted.
LONG_ROW = "put-open-long"
OPEN_ROWS = (OPEN_ROW, LONG_ROW)
PEAK_ROWS = ("put-c64", "put-c256")
OPEN_SHARE = 0.5
OPEN_CONNECTIONS = 16
LONG_SETTINGS = {"raft": {"snapshot_log_bytes": 64 << 20}, "compaction": {"keep_ms": 10_000}}
# What needs no server: one process, one core.
ALONE_ROWS = ("eventual-store", "eventual-resolve")
FAILOVER_ROW = "fail-over"
# etcd as a program has it that shares one client of the usual library: one channel over all members.
SDK_PEER = "etcd-balanced"
# The cache of the SDK has no peer: each row is one of its measurements.
CACHE_ROWS = ("cached-read", "cached-read-awaited", "cache-memory")
# Entries whose memory is measured.
CACHE_ENTRIES = 100_000
CACHE_KEYS = 1_000
SYSTEMS = ("etcd", SDK_PEER, "redis", eventual_rows.PEER, "quorate", "quorate-unary")
PEERS = ("etcd", SDK_PEER, "redis", eventual_rows.PEER)
# Through the SDK calls share messages, so that one connection is the plain way to use it.
SDK_CONNECTIONS = 1
NODES = 3


def peer_of(row):
    """Whom Quorate is compared with."""
    if row in eventual_rows.ROWS:
        return eventual_rows.PEER
    if row.startswith("sdk-"):
        return SDK_PEER
    return "redis" if row == "queue-c64" else "etcd"


def systems_of(row, systems):
    """Those of the systems that do this row."""
    if row in ALONE_ROWS:
        return [system for system in systems if system == "quorate"]
    if row == LONG_ROW:
        return [system for system in systems if system == "quorate"]
    if row == OPEN_ROW:
        return [system for system in systems if system in ("etcd", "quorate")]
    if row == SIZE_ROW:
        return [system for system in systems if system in ("etcd", "quorate")]
    if row.startswith("watch"):
        return [system for system in systems if system in ("etcd", "quorate")]
    if row.startswith("sdk-"):
        return [system for system in systems if system in (SDK_PEER, "quorate")]
    if row in CACHE_ROWS:
        return [system for system in systems if system == "quorate"]
    if row in eventual_rows.ROWS:
        return [system for system in systems if system in (eventual_rows.PEER, "quorate")]
    return [system for system in systems if system not in PEERS or system == peer_of(row)]
