//! The wire contract of Quorate and nothing else: messages and services generated from `proto/`.

pub mod eventual;
mod request_id;
pub mod watch;

pub use request_id::{CONNECTION_HEADER, NotARequestId, RequestId, SPANS_HEADER};

/// The API for clients. Additions only; a field is never renumbered.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("quorate.v1");
}

/// Between members of a cluster. No promise to clients.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
pub mod internal {
    tonic::include_proto!("quorate.internal.v1");
}

/// The compiled descriptors of every file, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/quorate.descriptor.bin"));

/// What this build can read and write; a cluster works at the lowest of its members.
pub const FEATURE_LEVEL: u32 = 1;
