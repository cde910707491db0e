//! Calls whose writes are decoded by who does them.

/// `quorate.v1.EventualCall`, with its write request as the bytes of
/// [`EventualWriteRequest`](crate::v1::EventualWriteRequest): the same on the wire. Hundreds of writes come in one request,
/// and a member that reads them where they are makes nothing of each.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct EventualCall {
    /// Chosen by the client, unique among its outstanding calls on this stream.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What is asked.
    #[prost(oneof = "eventual_call::Request", tags = "2, 3, 4")]
    pub request: Option<eventual_call::Request>,
}

/// What an [`EventualCall`] asks.
pub mod eventual_call {
    use bytes::Bytes;

    use crate::v1;

    /// One of the requests.
    #[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
    pub enum Request {
        /// An encoded [`EventualWriteRequest`](v1::EventualWriteRequest).
        #[prost(bytes = "bytes", tag = "2")]
        Write(Bytes),
        /// A read.
        #[prost(message, tag = "3")]
        Read(v1::EventualReadRequest),
        /// A scan.
        #[prost(message, tag = "4")]
        Scan(v1::EventualScanRequest),
    }
}
