//! Events that are encoded once and shared.

use bytes::Bytes;

/// `quorate.v1.WatchEvents`, with its events as the bytes of [`WatchEvent`](crate::v1::WatchEvent): the same on the wire.
/// A member encodes an event once, however many watches get it, and a client decodes it when somebody looks.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct WatchEvents {
    /// The watches that get them.
    #[prost(uint64, repeated, tag = "1")]
    pub watch_ids: Vec<u64>,
    /// The revision.
    #[prost(uint64, tag = "2")]
    pub revision: u64,
    /// The wall clock of the leader that proposed it, in milliseconds since 1970.
    #[prost(uint64, tag = "3")]
    pub wall_ms: u64,
    /// Each an encoded `WatchEvent`.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub events: Vec<Bytes>,
    /// More events of this revision follow.
    #[prost(bool, tag = "5")]
    pub more: bool,
}
