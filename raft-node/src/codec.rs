//! Everything that is logged or stored is an envelope around a bincode payload.
//!
//! ```text
//! id: u16 | version: u8 | length: u32 | crc32c: u32 | payload        (integers little-endian)
//! ```
//!
//! The checksum covers id, version, length and payload. A payload that changes gets a new id or version, never an
//! edit; golden bytes in the tests freeze each. A record that this build does not know is an error that stops the
//! node: guessing would fork the replicas. Ids are listed in `docs/formats.md`.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Decode, Encode};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 11;

/// No record is longer, so that a flipped bit in a length cannot ask for the whole memory.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<PAYLOAD_BYTES_MAX>> =
    bincode::config::standard().with_limit::<PAYLOAD_BYTES_MAX>();

/// A payload with its frozen id and version.
pub trait Record: Encode + Decode<()> {
    /// Never reused.
    const ID: u16;
    /// Raised when the payload changes.
    const VERSION: u8;
}

/// Why bytes are not the record that was expected.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than the header says.
    #[error("record is cut short: {have} bytes of {need}")]
    Truncated {
        /// Bytes there are.
        have: usize,
        /// Bytes there should be.
        need: usize,
    },
    /// The bytes are not those that were written.
    #[error("checksum of record {id} is {found:08x}, should be {expected:08x}")]
    Checksum {
        /// Id in the header.
        id: u16,
        /// Of the bytes as they are.
        found: u32,
        /// In the header.
        expected: u32,
    },
    /// Written by a newer version, or not by Quorate.
    #[error("record id {id} version {version} is not known to this version of Quorate")]
    Unknown {
        /// Id in the header.
        id: u16,
        /// Version in the header.
        version: u8,
    },
    /// The payload does not decode although its checksum holds.
    #[error("record id {id} does not decode: {reason}")]
    Payload {
        /// Id in the header.
        id: u16,
        /// What bincode says.
        reason: String,
    },
    /// The payload could not be encoded: it is over the limit.
    #[error("record id {id} is too long: {bytes} bytes, the limit is {PAYLOAD_BYTES_MAX}")]
    TooLong {
        /// Its id.
        id: u16,
        /// Its size.
        bytes: usize,
    },
}

/// The head of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which record.
    pub id: u16,
    /// Which version of it.
    pub version: u8,
    /// Bytes of payload that follow.
    pub payload_bytes: usize,
    crc: u32,
}

/// Reads the head without checking the payload.
pub fn header(bytes: &[u8]) -> Result<Header, CodecError> {
    let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(CodecError::Truncated {
            have: bytes.len(),
            need: HEADER_BYTES,
        });
    };
    let header = Header {
        id: u16::from_le_bytes([head[0], head[1]]),
        version: head[2],
        payload_bytes: u32::from_le_bytes([head[3], head[4], head[5], head[6]]) as usize,
        crc: u32::from_le_bytes([head[7], head[8], head[9], head[10]]),
    };
    if header.payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(CodecError::TooLong {
            id: header.id,
            bytes: header.payload_bytes,
        });
    }
    Ok(header)
}

/// Checks the envelope at the start of `bytes` and returns its head, its payload and what follows it.
pub fn open(bytes: &[u8]) -> Result<(Header, &[u8], &[u8]), CodecError> {
    let header = header(bytes)?;
    let need = HEADER_BYTES + header.payload_bytes;
    if bytes.len() < need {
        return Err(CodecError::Truncated {
            have: bytes.len(),
            need,
        });
    }
    let (envelope, rest) = bytes.split_at(need);
    let payload = &envelope[HEADER_BYTES..];
    let found = checksum(&envelope[..7], payload);
    if found != header.crc {
        return Err(CodecError::Checksum {
            id: header.id,
            found,
            expected: header.crc,
        });
    }
    Ok((header, payload, rest))
}

/// Appends `record` in its envelope to `out`.
pub fn encode_into<R: Record>(record: &R, out: &mut Vec<u8>) -> Result<(), CodecError> {
    seal(R::ID, R::VERSION, out, |payload| {
        bincode::encode_into_std_write(record, payload, CONFIG)
            .map(|_| ())
            .map_err(|error| CodecError::Payload {
                id: R::ID,
                reason: error.to_string(),
            })
    })
}

/// `record` in its envelope.
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(128);
    encode_into(record, &mut out)?;
    Ok(out)
}

/// Appends an envelope whose payload `write` appends.
pub fn seal(
    id: u16,
    version: u8,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&id.to_le_bytes());
    out.push(version);
    out.extend_from_slice(&[0; 8]);
    write(out)?;
    let payload_bytes = out.len() - start - HEADER_BYTES;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        out.truncate(start);
        return Err(CodecError::TooLong {
            id,
            bytes: payload_bytes,
        });
    }
    let length = u32::try_from(payload_bytes).map_err(|_| CodecError::TooLong {
        id,
        bytes: payload_bytes,
    })?;
    out[start + 3..start + 7].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&out[start..start + 7], &out[start + HEADER_BYTES..]);
    out[start + 7..start + HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// The record in the envelope at the start of `bytes`, which must hold nothing else.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, CodecError> {
    let (header, payload, rest) = open(bytes)?;
    if header.id != R::ID || header.version != R::VERSION || !rest.is_empty() {
        return Err(CodecError::Unknown {
            id: header.id,
            version: header.version,
        });
    }
    payload_as(header.id, payload)
}

/// Decodes a payload whose envelope was opened.
pub fn payload_as<R: Decode<()>>(id: u16, payload: &[u8]) -> Result<R, CodecError> {
    let (record, used) = bincode::decode_from_slice(payload, CONFIG).map_err(|error| CodecError::Payload {
        id,
        reason: error.to_string(),
    })?;
    if used != payload.len() {
        return Err(CodecError::Payload {
            id,
            reason: format!("{} bytes left over", payload.len() - used),
        });
    }
    Ok(record)
}

/// Decodes a payload whose envelope was opened, borrowing from it.
pub fn payload_ref<'a, R: BorrowDecode<'a, ()>>(id: u16, payload: &'a [u8]) -> Result<R, CodecError> {
    let (record, used) = bincode::borrow_decode_from_slice(payload, CONFIG).map_err(|error| CodecError::Payload {
        id,
        reason: error.to_string(),
    })?;
    if used != payload.len() {
        return Err(CodecError::Payload {
            id,
            reason: format!("{} bytes left over", payload.len() - used),
        });
    }
    Ok(record)
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Sample {
        number: u64,
        text: Vec<u8>,
    }

    impl Record for Sample {
        const ID: u16 = 0xFFFE;
        const VERSION: u8 = 3;
    }

    fn sample() -> Sample {
        Sample {
            number: 300,
            text: b"abc".to_vec(),
        }
    }

    #[test]
    fn the_envelope_is_frozen() {
        let bytes = encode(&sample()).unwrap();
        assert_eq!(
            bytes,
            [
                0xFE, 0xFF, 3, 7, 0, 0, 0, bytes[7], bytes[8], bytes[9], bytes[10], 0xFB, 0x2C, 0x01, 3, b'a', b'b',
                b'c'
            ]
        );
        assert_eq!(decode::<Sample>(&bytes).unwrap(), sample());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encode(&sample()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Sample>(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = encode(&sample()).unwrap();
        for length in 0..bytes.len() {
            assert!(
                matches!(decode::<Sample>(&bytes[..length]), Err(CodecError::Truncated { .. })),
                "{length}"
            );
        }
    }

    #[test]
    fn another_version_is_unknown() {
        let mut bytes = Vec::new();
        seal(Sample::ID, 4, &mut bytes, |_| Ok(())).unwrap();
        assert!(matches!(
            decode::<Sample>(&bytes),
            Err(CodecError::Unknown { version: 4, .. })
        ));
    }
}
