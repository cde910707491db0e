//! What a request of the eventual tier must be like.

use std::time::Duration;

use quorate_eventual::{ForeignContext, ForeignToken, Hlc, Refused, Space, Strategy, TOKEN_BYTES_TAKEN_MAX, Token};
use quorate_proto::v1::{Error, ErrorCode, EventualStrategy, EventualType, Outcome};

use crate::config::Limits;
use crate::eventual::NotWritten;
use crate::grpc::error::{self, invalid, refused, too_large};
use crate::mvcc::{DomainTable, EventualDomain};

/// Name of the domain that calls without one mean.
pub(super) const DEFAULT_DOMAIN: &str = "default-eventual";
/// Writes or keys in one request.
pub(super) const KEYS_PER_REQUEST_MAX: usize = 4096;
/// How far a client's clock may be ahead of this member's.
const AHEAD_MS_MAX: u64 = 500;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

pub(super) fn domain<'t>(table: &'t DomainTable, name: &str) -> Result<&'t EventualDomain, Error> {
    let name = if name.is_empty() { DEFAULT_DOMAIN } else { name };
    table.eventual(name).map_err(|rejection| error::rejection(&rejection))
}

pub(super) fn timeout(timeout_ms: u64) -> Duration {
    match timeout_ms {
        0 => TIMEOUT_DEFAULT,
        asked => Duration::from_millis(asked).min(TIMEOUT_MAX),
    }
}

pub(super) fn count(field: &str, count: usize) -> Result<(), Error> {
    if count == 0 {
        return Err(invalid(field, format!("there are no {field}")));
    }
    if count > KEYS_PER_REQUEST_MAX {
        let (limit, value) = (KEYS_PER_REQUEST_MAX as u64, count as u64);
        let message = format!("{field} has {value} elements; the limit of a request is {limit}");
        return Err(Error {
            field: field.to_owned(),
            limit,
            value,
            ..refused(ErrorCode::TooLarge, message)
        });
    }
    Ok(())
}

pub(super) fn key(limits: &Limits, key: &[u8]) -> Result<(), Error> {
    if key.is_empty() {
        return Err(invalid("key", "the key is empty"));
    }
    bytes("key", "limits.key_bytes_max", limits.key_bytes_max, key)
}

/// A member of a set, or the name of a field.
pub(super) fn element(limits: &Limits, field: &str, element: &[u8]) -> Result<(), Error> {
    bytes(field, "limits.key_bytes_max", limits.key_bytes_max, element)
}

pub(super) fn value(limits: &Limits, value: &[u8]) -> Result<(), Error> {
    bytes("value", "limits.value_bytes_max", limits.value_bytes_max, value)
}

fn bytes(field: &str, setting: &str, limit: u64, value: &[u8]) -> Result<(), Error> {
    if value.len() as u64 > limit {
        return Err(too_large(field, setting, limit, value.len() as u64, "bytes"));
    }
    Ok(())
}

pub(super) fn space(number: i32) -> Result<Space, Error> {
    match EventualType::try_from(number) {
        Ok(EventualType::Unspecified | EventualType::Register) => Ok(Space::Register),
        Ok(EventualType::Counter) => Ok(Space::Counter),
        Ok(EventualType::Set) => Ok(Space::Set),
        Ok(EventualType::Map) => Ok(Space::Map),
        Ok(EventualType::Flag) => Ok(Space::Flag),
        Err(_) => Err(invalid("type", format!("there is no type {number}"))),
    }
}

pub(super) fn wire_type(space: Space) -> EventualType {
    match space {
        Space::Register => EventualType::Register,
        Space::Counter => EventualType::Counter,
        Space::Set => EventualType::Set,
        Space::Map => EventualType::Map,
        Space::Flag => EventualType::Flag,
    }
}

pub(super) fn strategy(number: i32, domain: &EventualDomain) -> Result<Strategy, Error> {
    match EventualStrategy::try_from(number) {
        Ok(EventualStrategy::Unspecified) => Ok(domain.strategy),
        Ok(EventualStrategy::LastWrite) => Ok(Strategy::LastWrite),
        Ok(EventualStrategy::Union) => Ok(Strategy::Union),
        Ok(EventualStrategy::Merge) => Ok(Strategy::Merge),
        Ok(EventualStrategy::Max) => Ok(Strategy::Max),
        Ok(EventualStrategy::Min) => Ok(Strategy::Min),
        Ok(EventualStrategy::Siblings) => Ok(Strategy::Siblings),
        Err(_) => Err(invalid("strategy", format!("there is no strategy {number}"))),
    }
}

/// When a client says that it made a value.
pub(super) fn written_at(written_at_ms: u64, now_ms: u64) -> Result<Option<Hlc>, Error> {
    if written_at_ms == 0 {
        return Ok(None);
    }
    if written_at_ms > now_ms + AHEAD_MS_MAX {
        let ahead_ms = written_at_ms - now_ms;
        let message = format!(
            "written_at_ms is {ahead_ms} ms ahead of this member's clock; the limit is {AHEAD_MS_MAX} ms: set the client's \
             clock, or leave it out"
        );
        return Err(Error {
            limit: AHEAD_MS_MAX,
            value: ahead_ms,
            ..invalid("written_at_ms", message)
        });
    }
    Ok(Some(Hlc::at_ms(written_at_ms)))
}

/// When what is written now ends; 0: never.
pub(super) fn expires_at_ms(ttl_ms: u64, domain: &EventualDomain, now_ms: u64) -> Result<u64, Error> {
    let ttl_ms = if ttl_ms == 0 { domain.ttl_ms_default } else { ttl_ms };
    match ttl_ms {
        0 if domain.ttl_required => Err(invalid(
            "ttl_ms",
            format!("what is written to domain {:?} must have a ttl", domain.name),
        )),
        0 => Ok(0),
        ttl_ms => Ok(now_ms.saturating_add(ttl_ms)),
    }
}

pub(super) fn token(bytes: &[u8], cluster: u64) -> Result<Token, Error> {
    Token::decode(bytes, cluster).map_err(|foreign| {
        let message = foreign.to_string();
        match foreign {
            ForeignToken::TooLong { bytes } => Error {
                field: "token".into(),
                limit: TOKEN_BYTES_TAKEN_MAX as u64,
                value: bytes as u64,
                ..refused(ErrorCode::TooLarge, message)
            },
            ForeignToken::Damaged(_) | ForeignToken::Cluster => invalid("token", message),
        }
    })
}

pub(super) fn context(foreign: ForeignContext) -> Error {
    invalid("context", foreign.to_string())
}

/// A write was not done.
pub(super) fn not_written(refusal: &NotWritten) -> Error {
    match refusal {
        NotWritten::Refused(refused) => refusal_of_shard(refused),
        NotWritten::Full(full) => Error {
            field: "domain".into(),
            limit: full.limit,
            value: full.value,
            ..refused(ErrorCode::DomainFull, full.to_string())
        },
        NotWritten::Lost(lost) => Error {
            outcome: Outcome::NotApplied.into(),
            ..error::storage(lost)
        },
    }
}

fn refusal_of_shard(refusal: &Refused) -> Error {
    let message = refusal.to_string();
    match refusal {
        Refused::BadValue(_) => invalid("value", message),
        Refused::TooManySiblings { siblings } => Error {
            field: "key".into(),
            limit: quorate_eventual::SIBLINGS_MAX as u64,
            value: *siblings as u64 + 1,
            ..refused(ErrorCode::TooManySiblings, message)
        },
        Refused::TooLarge { bytes, bytes_max } => Error {
            field: "value".into(),
            limit: *bytes_max as u64,
            value: *bytes as u64,
            ..refused(ErrorCode::TooLarge, message)
        },
        Refused::Counter(_) => invalid("add", message),
        Refused::Cold => refused(ErrorCode::Unavailable, message),
    }
}

/// A sum cannot be repeated where it was not tried first.
pub(super) fn tried_elsewhere(first_process: u64, process: u64) -> Error {
    Error {
        outcome: Outcome::Unknown.into(),
        ..refused(
            ErrorCode::TriedElsewhere,
            format!(
                "the request adds to a counter and was tried at process {first_process:016x}; this is process \
                 {process:016x}, which cannot tell whether it was counted: read the counter"
            ),
        )
    }
}
