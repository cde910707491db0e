//! A message of calls, as it comes from a client.

use bytes::Bytes;
use prost::Message;
use quorate_proto::v1::{Call, CallBatch, ClientStamp, PutRequest, call};

use super::{Piece, value};

const PUTS: usize = 32;
const VALUE_BYTES: usize = 256;

/// Decodes it.
pub(super) fn decode_calls() -> Piece {
    let call = |number: u64| Call {
        id: number + 1,
        timeout_ms: 0,
        request: Some(call::Request::Put(PutRequest {
            key: format!("bench/{number:012}").into_bytes().into(),
            value: value(VALUE_BYTES, number).into(),
            stamp: Some(ClientStamp {
                sequence: number + 1,
                ..ClientStamp::default()
            }),
            ..PutRequest::default()
        })),
    };
    let batch = CallBatch {
        calls: (0..PUTS as u64).map(call).collect(),
    };
    let bytes = Bytes::from(batch.encode_to_vec());
    let step = move || {
        let decoded = CallBatch::decode(bytes.clone()).map_err(|error| error.to_string())?;
        match decoded.calls.len() {
            PUTS => Ok(()),
            other => Err(format!("{other} calls were decoded, of {PUTS}")),
        }
    };
    Piece {
        operations: 1,
        warm: 8,
        steps: 64,
        step: Box::new(step),
    }
}
