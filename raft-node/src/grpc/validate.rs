//! The limits of one request.

use quorate_proto::v1::{Error, ErrorCode, KeySelector, Level, PutRequest, ReadOptions, key_selector};

use super::error::{invalid, refused, too_large};
use crate::config::Limits;
use crate::mvcc::{DefaultLevel, DomainTable, Selector};
use crate::state_machine::Announced;
use crate::types::Tier;

/// Name of the domain that calls without one mean.
pub(super) const DEFAULT_DOMAIN: &str = "default";
/// Bytes of a domain's name.
const DOMAIN_BYTES_MAX: usize = 128;

pub(super) fn request_size(limits: &Limits, bytes: usize) -> Result<(), Error> {
    let bytes = bytes as u64;
    if bytes > limits.request_bytes_max {
        return Err(too_large(
            "request",
            "limits.request_bytes_max",
            limits.request_bytes_max,
            bytes,
            "bytes",
        ));
    }
    Ok(())
}

pub(super) fn domain(name: &str) -> Result<String, Error> {
    if name.len() > DOMAIN_BYTES_MAX {
        let message = format!("a domain's name has at most {DOMAIN_BYTES_MAX} bytes");
        return Err(invalid("domain", message));
    }
    Ok(if name.is_empty() {
        DEFAULT_DOMAIN.to_owned()
    } else {
        name.to_owned()
    })
}

pub(super) fn key(limits: &Limits, key: &[u8]) -> Result<Vec<u8>, Error> {
    if key.is_empty() {
        return Err(invalid("key", "the key is empty"));
    }
    key_size(limits, "key", key)
}

fn key_size(limits: &Limits, field: &str, key: &[u8]) -> Result<Vec<u8>, Error> {
    if key.len() as u64 > limits.key_bytes_max {
        return Err(too_large(
            field,
            "limits.key_bytes_max",
            limits.key_bytes_max,
            key.len() as u64,
            "bytes",
        ));
    }
    Ok(key.to_vec())
}

pub(super) fn value(limits: &Limits, value: &[u8]) -> Result<Vec<u8>, Error> {
    if value.len() as u64 > limits.value_bytes_max {
        return Err(too_large(
            "value",
            "limits.value_bytes_max",
            limits.value_bytes_max,
            value.len() as u64,
            "bytes",
        ));
    }
    Ok(value.to_vec())
}

/// Sorted and without duplicates, as the store keeps them.
pub(super) fn tags(limits: &Limits, put: &PutRequest) -> Result<Vec<String>, Error> {
    if put.tags.len() as u64 > limits.tags_max {
        return Err(too_large(
            "tags",
            "limits.tags_max",
            limits.tags_max,
            put.tags.len() as u64,
            "tags",
        ));
    }
    for tag in &put.tags {
        tag_size(limits, tag)?;
    }
    let mut tags = put.tags.clone();
    tags.sort();
    tags.dedup();
    Ok(tags)
}

pub(super) fn tag_size(limits: &Limits, tag: &str) -> Result<(), Error> {
    if tag.is_empty() {
        return Err(invalid("tags", "a tag is empty"));
    }
    if tag.len() as u64 > limits.tag_bytes_max {
        return Err(too_large(
            "tags",
            "limits.tag_bytes_max",
            limits.tag_bytes_max,
            tag.len() as u64,
            "bytes",
        ));
    }
    Ok(())
}

pub(super) fn selector(limits: &Limits, keys: Option<&KeySelector>) -> Result<Selector, Error> {
    match keys.and_then(|keys| keys.kind.as_ref()) {
        None => Err(invalid(
            "keys",
            "no keys are selected: give a key, a prefix, an interval or a pattern",
        )),
        Some(key_selector::Kind::Key(one)) => Ok(Selector::Key(key(limits, one)?)),
        Some(key_selector::Kind::Prefix(prefix)) => Ok(Selector::Prefix(key_size(limits, "keys.prefix", prefix)?)),
        Some(key_selector::Kind::Interval(interval)) => {
            let start = key_size(limits, "keys.interval.start", &interval.start)?;
            let end = key_size(limits, "keys.interval.end", &interval.end)?;
            if !end.is_empty() && end <= start {
                return Err(invalid(
                    "keys.interval",
                    "the interval is empty: its end is not after its start",
                ));
            }
            Ok(Selector::Interval { start, end })
        }
        Some(key_selector::Kind::Pattern(pattern)) => {
            if pattern.is_empty() {
                return Err(invalid("keys.pattern", "the pattern is empty; `**` matches every key"));
            }
            key_size(limits, "keys.pattern", pattern.as_bytes())?;
            Ok(Selector::Pattern(pattern.clone()))
        }
    }
}

/// What a read promises, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadLevel {
    Strong,
    BoundedStale { max_staleness_ms: u64 },
    Local,
}

impl ReadLevel {
    pub(super) fn on_the_wire(self) -> Level {
        match self {
            Self::Strong => Level::Strong,
            Self::BoundedStale { .. } => Level::BoundedStale,
            Self::Local => Level::Local,
        }
    }
}

/// Of a read of keys: what it does not say itself, its domain says.
pub(super) fn level_in(
    domain: &str,
    table: &Announced<DomainTable>,
    options: Option<&ReadOptions>,
) -> Result<ReadLevel, Error> {
    match options.map_or(Level::Unspecified as i32, |options| options.level) {
        level if level == Level::Unspecified as i32 => {
            // A domain that this member does not know yet is looked for once it has caught up.
            let default = table
                .load()
                .strong(domain)
                .map_or(DefaultLevel::Strong, |domain| domain.level);
            Ok(match default {
                DefaultLevel::Strong => ReadLevel::Strong,
                DefaultLevel::BoundedStale { max_staleness_ms } => ReadLevel::BoundedStale { max_staleness_ms },
                DefaultLevel::Local => ReadLevel::Local,
            })
        }
        level if level == Level::Eventual as i32 => Err(eventual_level(domain, table.load().tier(domain))),
        _ => level(options),
    }
}

/// Keys are read here at the levels of the strong tier, whatever the tier of their domain.
fn eventual_level(domain: &str, tier: Option<Tier>) -> Error {
    let message = match tier {
        Some(Tier::Eventual) => format!("domain {domain:?} is eventual: it is read through the service Eventual"),
        Some(Tier::Strong) => format!("domain {domain:?} is strong: it cannot give the level eventual"),
        None => {
            format!("domain {domain:?} cannot be read at the level eventual here, but through the service Eventual")
        }
    };
    Error {
        field: "read.level".into(),
        ..refused(ErrorCode::TierMismatch, message)
    }
}

/// Of a read of what has no domain.
pub(super) fn level(options: Option<&ReadOptions>) -> Result<ReadLevel, Error> {
    let Some(options) = options else {
        return Ok(ReadLevel::Strong);
    };
    let Ok(level) = Level::try_from(options.level) else {
        let message = format!(
            "level {} is unknown: 1 strong, 2 bounded stale, 3 local, 4 eventual",
            options.level
        );
        return Err(invalid("read.level", message));
    };
    match level {
        Level::Unspecified | Level::Strong => Ok(ReadLevel::Strong),
        Level::BoundedStale if options.max_staleness_ms == 0 => Err(invalid(
            "read.max_staleness_ms",
            "a bound of 0 ms cannot be met: ask for a strong read",
        )),
        Level::BoundedStale => Ok(ReadLevel::BoundedStale {
            max_staleness_ms: options.max_staleness_ms,
        }),
        Level::Local => Ok(ReadLevel::Local),
        Level::Eventual => Err(refused(
            ErrorCode::TierMismatch,
            "the eventual level belongs to the eventual tier; what this call reads is in the strong one",
        )),
    }
}
