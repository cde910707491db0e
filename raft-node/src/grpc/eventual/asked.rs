//! Write requests, read where they came.
//!
//! By far the most writes of large requests are puts. To decode them the general way makes three counted slices and a place
//! in a list of each, which costs as much as doing them. So a request that has nothing but puts is read in place, and all
//! others, and any bytes that are not as encoders write them, are decoded. Both read the same: what comes twice and would be
//! merged, or is of a kind that is not known here, is left to the decoder.

use bytes::Bytes;
use prost::Message;
use quorate_proto::v1::{
    Error, EventualPut, EventualStamp, EventualWrite, EventualWriteRequest, eventual_write::Change,
};

use crate::grpc::error::invalid;

/// A write request.
#[derive(Debug, PartialEq)]
pub(super) struct WriteAsked<'a> {
    pub(super) domain: &'a str,
    pub(super) acks: u32,
    pub(super) timeout_ms: u64,
    pub(super) token: &'a [u8],
    pub(super) quiet: bool,
    pub(super) stamp: EventualStamp,
    pub(super) writes: Vec<Asked<'a>>,
}

/// One of its writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Asked<'a> {
    pub(super) key: &'a [u8],
    pub(super) ttl_ms: u64,
    pub(super) context: &'a [u8],
    pub(super) change: AskedChange<'a>,
}

/// What a write changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AskedChange<'a> {
    /// It does not say, or is of a later version.
    Nothing,
    Put(AskedPut<'a>),
    Other(&'a Change),
}

/// A put.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AskedPut<'a> {
    pub(super) value: &'a [u8],
    pub(super) strategy: i32,
    pub(super) written_at_ms: u64,
}

impl<'a> Asked<'a> {
    /// One that was decoded.
    pub(super) fn of(write: &'a EventualWrite) -> Self {
        Asked {
            key: &write.key,
            ttl_ms: write.ttl_ms,
            context: &write.context,
            change: match &write.change {
                None => AskedChange::Nothing,
                Some(Change::Put(put)) => AskedChange::Put(AskedPut {
                    value: &put.value,
                    strategy: put.strategy,
                    written_at_ms: put.written_at_ms,
                }),
                Some(other) => AskedChange::Other(other),
            },
        }
    }

    /// The same, decoded.
    pub(super) fn to_wire(self) -> EventualWrite {
        EventualWrite {
            key: Bytes::copy_from_slice(self.key),
            ttl_ms: self.ttl_ms,
            context: Bytes::copy_from_slice(self.context),
            change: match self.change {
                AskedChange::Nothing => None,
                AskedChange::Put(put) => Some(Change::Put(EventualPut {
                    value: Bytes::copy_from_slice(put.value),
                    strategy: put.strategy,
                    written_at_ms: put.written_at_ms,
                })),
                AskedChange::Other(other) => Some(other.clone()),
            },
        }
    }
}

impl<'a> WriteAsked<'a> {
    /// One that was decoded.
    pub(super) fn of(request: &'a EventualWriteRequest) -> Self {
        WriteAsked {
            domain: &request.domain,
            acks: request.acks,
            timeout_ms: request.timeout_ms,
            token: &request.token,
            quiet: request.quiet,
            stamp: request.stamp.unwrap_or_default(),
            writes: request.writes.iter().map(Asked::of).collect(),
        }
    }

    /// One that has nothing but puts; otherwise it has to be decoded.
    pub(super) fn of_puts(bytes: &'a [u8]) -> Option<Self> {
        let mut asked = WriteAsked {
            domain: "",
            acks: 0,
            timeout_ms: 0,
            token: &[],
            quiet: false,
            stamp: EventualStamp::default(),
            writes: Vec::new(),
        };
        let mut stamped = false;
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (2, Field::Bytes(write)) => asked.writes.push(put(write)?),
                (1, Field::Bytes(domain)) => asked.domain = std::str::from_utf8(domain).ok()?,
                (3, Field::Number(acks)) => asked.acks = acks as u32,
                (4, Field::Number(timeout_ms)) => asked.timeout_ms = timeout_ms,
                (5, Field::Bytes(token)) => asked.token = token,
                (6, Field::Number(quiet)) => asked.quiet = quiet != 0,
                (7, Field::Bytes(stamp)) if !stamped => {
                    asked.stamp = EventualStamp::decode(stamp).ok()?;
                    stamped = true;
                }
                _ => return None,
            }
        }
        Some(asked)
    }
}

fn put(bytes: &[u8]) -> Option<Asked<'_>> {
    let (mut key, mut ttl_ms, mut context, mut put) = (&[][..], 0, &[][..], None);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(bytes)) => key = bytes,
            (2, Field::Bytes(bytes)) if put.is_none() => put = Some(value(bytes)?),
            (8, Field::Number(number)) => ttl_ms = number,
            (9, Field::Bytes(bytes)) => context = bytes,
            _ => return None,
        }
    }
    Some(Asked {
        key,
        ttl_ms,
        context,
        change: AskedChange::Put(put?),
    })
}

fn value(bytes: &[u8]) -> Option<AskedPut<'_>> {
    let mut put = AskedPut::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(value)) => put.value = value,
            (2, Field::Number(strategy)) => put.strategy = strategy as i32,
            (3, Field::Number(written_at_ms)) => put.written_at_ms = written_at_ms,
            _ => return None,
        }
    }
    Some(put)
}

/// A request as it came on a stream, decoded.
pub(super) fn decode(bytes: Bytes) -> Result<EventualWriteRequest, Error> {
    EventualWriteRequest::decode(bytes).map_err(|error| invalid("write", format!("it cannot be decoded: {error}")))
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Fields of a protobuf message, in their order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The next with its tag, `Some(None)` at the end; `None` if it is of another kind, or no field.
    #[allow(clippy::option_option, reason = "the end is none of the failures")]
    fn next(&mut self) -> Option<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.number()?;
        let field = match key & 7 {
            0 => Field::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        Some(Some((key >> 3, field)))
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for (place, byte) in self.0.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if place == 9 && *byte > 1 {
                return None;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
