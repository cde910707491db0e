//! What one request, and all clients together, may ask of a member.

use serde::{Deserialize, Serialize};

/// Limits that the server checks before it proposes or reads anything; each refusal names the limit and the value.
///
/// They guard a member's memory. None is looked at when a committed command is applied, so members with different
/// limits do not diverge; a client merely meets the limits of the member that it asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one request as encoded. Default 1,572,864 (1.5 MiB).
    pub request_bytes_max: u64,
    /// Bytes of a key. Default 4,096.
    pub key_bytes_max: u64,
    /// Bytes of a value. Default 1,048,576 (1 MiB).
    pub value_bytes_max: u64,
    /// Operations in either branch of a transaction, and compares. Default 128.
    pub txn_operations_max: u64,
    /// Records in one page of a range. Default 10,000.
    pub range_records_max: u64,
    /// Bytes of keys and values in one page of a range; one record always fits. Default 4,194,304 (4 MiB).
    pub range_bytes_max: u64,
    /// Tags of one key. Default 16.
    pub tags_max: u64,
    /// Bytes of one tag. Default 128.
    pub tag_bytes_max: u64,
    /// Calls that one member works on at a time, over all its clients; the next is refused as overloaded.
    /// Default 16,384.
    pub calls_outstanding_max: u64,
    /// Registered clients in the cluster, as the member that is asked counts them before it proposes a registration.
    /// Default 65,536, which is also the most: the state machine itself registers no more (`CLIENTS_MAX`).
    pub clients_max: u64,
    /// Watches that are open at one member. Default 10,000.
    pub watches_max: u64,
    /// A watch ends, with the revision to resume from, when its events have waited for so long while nothing of its
    /// stream was read; in milliseconds. Default 30,000.
    pub watch_stall_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 1_572_864,
            key_bytes_max: 4096,
            value_bytes_max: 1_048_576,
            txn_operations_max: 128,
            range_records_max: 10_000,
            range_bytes_max: 4_194_304,
            tags_max: 16,
            tag_bytes_max: 128,
            calls_outstanding_max: 16_384,
            clients_max: 65_536,
            watches_max: 10_000,
            watch_stall_ms_max: 30_000,
        }
    }
}
