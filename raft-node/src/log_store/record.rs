//! Records of the stream, and their bytes.
//!
//! ```text
//! envelope( sequence: u64 | synced: u64 | body )          (integers little-endian)
//!
//!   0x0301  vote            term: u64 | member: u64 | committed: u8
//!   0x0302  entry           term: u64 | index: u64 | payload (see payload.rs)
//!   0x0303  truncate after  log id or nothing
//!   0x0304  purge           term: u64 | index: u64
//!   0x0305  committed       log id or nothing
//!   0x0306  segment head    vote or nothing | committed or nothing | purged or nothing
//! ```
//!
//! "Or nothing" is a byte 0, or a byte 1 and the value. `sequence` counts records from 1 without a gap. `synced` is the
//! newest sequence that was known to be durable when the record was written: that is how a reader tells the unfinished
//! end of the log from damage.

use bytes::Bytes;

use super::payload::{decode_entry_payload, encode_payload_into};
use crate::codec::{self, CodecError, HEADER_BYTES};
use crate::consensus::{Entry, LogId, Vote};

pub(super) const RECORD_VERSION: u8 = 1;
const VOTE_ID: u16 = 0x0301;
const ENTRY_ID: u16 = 0x0302;
const TRUNCATE_ID: u16 = 0x0303;
const PURGE_ID: u16 = 0x0304;
const COMMITTED_ID: u16 = 0x0305;
const HEAD_ID: u16 = 0x0306;

/// Bytes of a record before its body: envelope, sequence and synced.
pub(super) const BODY_OFFSET: usize = HEADER_BYTES + 16;

/// The shortest record: nothing is truncated after or committed.
pub(super) const RECORD_BYTES_MIN: usize = BODY_OFFSET + 1;

/// One thing that the log remembers.
#[derive(Clone, Debug)]
pub enum LogRecord {
    /// The vote from now on.
    Vote(Vote),
    /// The next entry.
    Entry(Entry),
    /// Entries after this one are gone; all of them if there is none.
    TruncateAfter(Option<LogId>),
    /// Entries up to and including this one are not needed any more.
    Purge(LogId),
    /// What is known to be committed.
    Committed(Option<LogId>),
}

/// What must survive the deletion of older segments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SegmentHead {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
}

/// A record or the head of a segment.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Head(SegmentHead),
    Record(LogRecord),
}

/// Where a record stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its number.
    pub sequence: u64,
    /// The newest number known to be durable when it was written.
    pub synced: u64,
}

pub(super) fn encode_record(record: &LogRecord, position: Position, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let id = match record {
        LogRecord::Vote(_) => VOTE_ID,
        LogRecord::Entry(_) => ENTRY_ID,
        LogRecord::TruncateAfter(_) => TRUNCATE_ID,
        LogRecord::Purge(_) => PURGE_ID,
        LogRecord::Committed(_) => COMMITTED_ID,
    };
    codec::seal(id, RECORD_VERSION, out, |out| {
        put_position(position, out);
        match record {
            LogRecord::Vote(vote) => put_vote(vote, out),
            LogRecord::Entry(entry) => {
                put_log_id(&entry.log_id, out);
                encode_payload_into(&entry.payload, out)?;
            }
            LogRecord::TruncateAfter(id) | LogRecord::Committed(id) => put_option(id.as_ref(), out, put_log_id),
            LogRecord::Purge(id) => put_log_id(id, out),
        }
        Ok(())
    })
}

pub(super) fn encode_head(head: &SegmentHead, position: Position, out: &mut Vec<u8>) -> Result<(), CodecError> {
    codec::seal(HEAD_ID, RECORD_VERSION, out, |out| {
        put_position(position, out);
        put_option(head.vote.as_ref(), out, put_vote);
        put_option(head.committed.as_ref(), out, put_log_id);
        put_option(head.purged.as_ref(), out, put_log_id);
        Ok(())
    })
}

/// The position in a record that starts `bytes`, if they can be one; its checksum is not looked at.
pub(super) fn plausible_position(bytes: &[u8]) -> Option<Position> {
    let header = codec::header(bytes).ok()?;
    let known = (VOTE_ID..=HEAD_ID).contains(&header.id) && header.version == RECORD_VERSION;
    if !known || header.payload_bytes < RECORD_BYTES_MIN - HEADER_BYTES {
        return None;
    }
    let mut body = Body {
        id: header.id,
        rest: bytes.get(HEADER_BYTES..)?,
    };
    body.position().ok()
}

/// The record that is the whole of `bytes`. A group in it keeps a slice of them.
pub(super) fn decode_record(bytes: &Bytes) -> Result<(Position, Stored), CodecError> {
    let (header, payload, rest) = codec::open(bytes)?;
    if header.version != RECORD_VERSION || !rest.is_empty() {
        return Err(CodecError::Unknown {
            id: header.id,
            version: header.version,
        });
    }
    let mut body = Body {
        id: header.id,
        rest: payload,
    };
    let position = body.position()?;
    let record = match header.id {
        VOTE_ID => LogRecord::Vote(body.vote()?),
        ENTRY_ID => {
            let log_id = body.log_id()?;
            let payload = decode_entry_payload(bytes.slice_ref(body.rest))?;
            return Ok((position, Stored::Record(LogRecord::Entry(Entry { log_id, payload }))));
        }
        TRUNCATE_ID => LogRecord::TruncateAfter(body.option(Body::log_id)?),
        PURGE_ID => LogRecord::Purge(body.log_id()?),
        COMMITTED_ID => LogRecord::Committed(body.option(Body::log_id)?),
        HEAD_ID => {
            let head = SegmentHead {
                vote: body.option(Body::vote)?,
                committed: body.option(Body::log_id)?,
                purged: body.option(Body::log_id)?,
            };
            return body.end().map(|()| (position, Stored::Head(head)));
        }
        id => {
            return Err(CodecError::Unknown {
                id,
                version: header.version,
            });
        }
    };
    body.end().map(|()| (position, Stored::Record(record)))
}

fn put_position(position: Position, out: &mut Vec<u8>) {
    out.extend_from_slice(&position.sequence.to_le_bytes());
    out.extend_from_slice(&position.synced.to_le_bytes());
}

fn put_vote(vote: &Vote, out: &mut Vec<u8>) {
    out.extend_from_slice(&vote.leader_id.term.to_le_bytes());
    out.extend_from_slice(&vote.leader_id.voted_for.to_le_bytes());
    out.push(u8::from(vote.committed));
}

fn put_log_id(id: &LogId, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.leader_id.to_le_bytes());
    out.extend_from_slice(&id.index.to_le_bytes());
}

fn put_option<T>(value: Option<&T>, out: &mut Vec<u8>, put: impl FnOnce(&T, &mut Vec<u8>)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(value, out);
    }
}

/// What is left of a payload.
struct Body<'a> {
    id: u16,
    rest: &'a [u8],
}

impl Body<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.wrong(format!("{N} bytes wanted, {} left", self.rest.len())));
        };
        self.rest = rest;
        Ok(*taken)
    }

    fn word(&mut self) -> Result<u64, CodecError> {
        self.take().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, CodecError> {
        match self.take::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(self.wrong(format!("flag is {other}"))),
        }
    }

    fn option<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T, CodecError>) -> Result<Option<T>, CodecError> {
        if self.flag()? { take(self).map(Some) } else { Ok(None) }
    }

    fn position(&mut self) -> Result<Position, CodecError> {
        Ok(Position {
            sequence: self.word()?,
            synced: self.word()?,
        })
    }

    fn vote(&mut self) -> Result<Vote, CodecError> {
        let (term, member) = (self.word()?, self.word()?);
        let mut vote = Vote::new(term, member);
        vote.committed = self.flag()?;
        Ok(vote)
    }

    fn log_id(&mut self) -> Result<LogId, CodecError> {
        let (term, index) = (self.word()?, self.word()?);
        Ok(LogId::new_term_index(term, index))
    }

    fn end(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.wrong(format!("{} bytes left over", self.rest.len())))
    }

    fn wrong(&self, reason: String) -> CodecError {
        CodecError::Payload { id: self.id, reason }
    }
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;

    const AT: Position = Position {
        sequence: 0x0201,
        synced: 0x0200,
    };

    fn id(term: u64, index: u64) -> LogId {
        LogId::new_term_index(term, index)
    }

    /// Id, and the payload after sequence and synced.
    fn frozen(record: &LogRecord) -> (u16, Vec<u8>) {
        let mut bytes = Vec::new();
        encode_record(record, AT, &mut bytes).unwrap();
        let header = codec::header(&bytes).unwrap();
        assert_eq!(bytes[2], 1);
        assert_eq!(bytes[11..27], [1, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(plausible_position(&bytes), Some(AT));
        let (position, read) = decode_record(&Bytes::from(bytes.clone())).unwrap();
        assert_eq!(position, AT);
        let Stored::Record(read) = read else {
            panic!("not a record")
        };
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
        (header.id, bytes[BODY_OFFSET..].to_vec())
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn every_record_is_frozen() {
        let with_byte = |first: u8, mut rest: Vec<u8>| {
            rest.insert(0, first);
            rest
        };
        let mut vote = words(&[5, 2]);
        vote.push(1);
        assert_eq!(frozen(&LogRecord::Vote(Vote::new_committed(5, 2))), (0x0301, vote));

        let mut entry = words(&[5, 9]);
        entry.extend_from_slice(&[0x11, 0x03, 1]);
        let blank = Entry {
            log_id: id(5, 9),
            payload: EntryPayload::Blank,
        };
        assert_eq!(frozen(&LogRecord::Entry(blank)), (0x0302, entry));

        let some = with_byte(1, words(&[5, 8]));
        assert_eq!(frozen(&LogRecord::TruncateAfter(None)), (0x0303, vec![0]));
        assert_eq!(
            frozen(&LogRecord::TruncateAfter(Some(id(5, 8)))),
            (0x0303, some.clone())
        );
        assert_eq!(frozen(&LogRecord::Purge(id(5, 8))), (0x0304, words(&[5, 8])));
        assert_eq!(frozen(&LogRecord::Committed(None)), (0x0305, vec![0]));
        assert_eq!(frozen(&LogRecord::Committed(Some(id(5, 8)))), (0x0305, some));
    }

    #[test]
    fn the_head_of_a_segment_is_frozen() {
        let head = SegmentHead {
            vote: Some(Vote::new(5, 2)),
            committed: None,
            purged: Some(id(4, 3)),
        };
        let mut bytes = Vec::new();
        encode_head(&head, AT, &mut bytes).unwrap();
        let mut body = vec![1];
        body.extend(words(&[5, 2]));
        body.extend([0, 0, 1]);
        body.extend(words(&[4, 3]));
        assert_eq!(bytes[..3], [0x06, 0x03, 1]);
        assert_eq!(bytes[BODY_OFFSET..], body);
        let (_, Stored::Head(read)) = decode_record(&Bytes::from(bytes)).unwrap() else {
            panic!("not a head")
        };
        assert_eq!(read, head);
    }

    #[test]
    fn the_bytes_of_a_whole_record_are_frozen() {
        let mut bytes = Vec::new();
        encode_record(&LogRecord::Committed(None), AT, &mut bytes).unwrap();
        assert_eq!(bytes[..7], [0x05, 0x03, 1, 17, 0, 0, 0]);
        assert_eq!(bytes.len(), RECORD_BYTES_MIN);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..7]), &bytes[11..]);
        assert_eq!(bytes[7..11], crc.to_le_bytes());
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_noticed() {
        let mut bytes = Vec::new();
        encode_record(&LogRecord::Purge(id(5, 8)), AT, &mut bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_record(&Bytes::from(flipped)).is_err(), "bit {bit}");
        }
    }
}
