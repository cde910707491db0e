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
    /// Calls that wait at one member for something to happen, such as a lock to be free, over all its clients; they do
    /// nothing, so they count apart. Default 65,536.
    pub calls_waiting_max: u64,
    /// Connections of clients to one member; the next is refused and may go to another member. Where the process may open
    /// fewer files than that, fewer are let in. Default 32,768.
    pub connections_max: u64,
    /// Calls and streams that are open on one connection at a time; what a client begins beyond it is refused by HTTP/2.
    /// Default 1,024.
    pub streams_max: u64,
    /// Bytes of the headers of one call, 32 more for each of them as HTTP/2 counts. Default 16,384.
    pub header_bytes_max: u64,
    /// A request has to be whole so long after its first byte, or after its call began; in milliseconds. Default 30,000.
    pub request_arrival_ms_max: u64,
    /// Bytes of all requests that are not whole yet, over all clients of a member; beyond it the oldest is given up.
    /// Default 268,435,456 (256 MiB).
    pub arriving_bytes_max: u64,
    /// Bytes of all requests that are whole and not answered, over all clients of a member; the next is refused as overloaded.
    /// Default 268,435,456 (256 MiB).
    pub requests_bytes_max: u64,
    /// Bytes of all answers that wait to be read, over all clients of a member; beyond it the connection is cut whose client
    /// has read nothing for longest. Default 536,870,912 (512 MiB).
    pub answers_unread_bytes_max: u64,
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
            calls_waiting_max: 65_536,
            connections_max: 32_768,
            streams_max: 1024,
            header_bytes_max: 16_384,
            request_arrival_ms_max: 30_000,
            arriving_bytes_max: 256 << 20,
            requests_bytes_max: 256 << 20,
            answers_unread_bytes_max: 512 << 20,
            clients_max: 65_536,
            watches_max: 10_000,
            watch_stall_ms_max: 30_000,
        }
    }
}
