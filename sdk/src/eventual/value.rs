//! What is kept under an eventual key, and how values become one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;

use crate::error::{Error, Result};

/// What a name stands for. A key is addressed by domain, type and name: a counter and a register of one name are two
/// things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventualType {
    /// One value, or several that were written concurrently. The default.
    #[default]
    Register,
    /// A sum that grows and shrinks.
    Counter,
    /// Members; one that is added and removed concurrently stays.
    Set,
    /// Fields, each the last that was written.
    Map,
    /// On or off; switched on and off concurrently, it is on.
    Flag,
}

/// How values of a register that were written concurrently become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// The newest; the others are discarded and counted.
    LastWrite,
    /// JSON arrays: every element of each, once.
    Union,
    /// JSON objects: fields of each, those of nested objects too; for other values the newest.
    Merge,
    /// JSON numbers: the greatest.
    Max,
    /// JSON numbers: the least.
    Min,
    /// All are kept until a client writes with the context of a read of them.
    Siblings,
}

/// What a read or a write of a key has seen of it. A write with it replaces exactly that, and nothing that was written
/// since. Opaque; it may be stored and sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventualContext(pub(super) Bytes);

/// One of the values that stand beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualSibling {
    /// The value.
    pub value: Bytes,
    /// When it was written, by the clock of the member that took it, in milliseconds since 1970.
    pub written_at_ms: u64,
    /// The process that took it.
    pub process: u64,
    /// Its number there.
    pub number: u64,
    /// When it goes, in milliseconds since 1970; absent: never.
    pub expires_at_ms: Option<u64>,
}

/// What is kept under a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualEntry {
    /// The key.
    pub key: Bytes,
    /// What it stands for, which says what of the rest there is.
    pub entry_type: EventualType,
    /// Of a register: what its strategy makes of all siblings; for [`Strategy::Siblings`] of several, the newest.
    pub value: Bytes,
    /// Of a register: its strategy, if this client knows it.
    pub strategy: Option<Strategy>,
    /// Of a register: siblings of which nothing is in the value.
    pub discarded: u32,
    /// Of a register with [`Strategy::Siblings`]: all values, newest first, if there are several.
    pub siblings: Vec<EventualSibling>,
    /// Of a counter: the sum.
    pub counter: i64,
    /// Of a set: its members.
    pub members: Vec<Bytes>,
    /// Of a map: names and values.
    pub fields: Vec<(Bytes, Bytes)>,
    /// Of a flag: whether it is on.
    pub flag: bool,
    /// To replace exactly what was read.
    pub context: EventualContext,
    /// When it goes, in milliseconds since 1970; absent: never.
    pub expires_at_ms: Option<u64>,
    /// When the newest of it was written, by the clock of the member that took it, in milliseconds since 1970.
    pub written_at_ms: u64,
}

const TYPES: [(EventualType, v1::EventualType, &str); 5] = [
    (EventualType::Register, v1::EventualType::Register, "register"),
    (EventualType::Counter, v1::EventualType::Counter, "counter"),
    (EventualType::Set, v1::EventualType::Set, "set"),
    (EventualType::Map, v1::EventualType::Map, "map"),
    (EventualType::Flag, v1::EventualType::Flag, "flag"),
];

const STRATEGIES: [(Strategy, v1::EventualStrategy, &str); 6] = [
    (Strategy::LastWrite, v1::EventualStrategy::LastWrite, "last-write"),
    (Strategy::Union, v1::EventualStrategy::Union, "union"),
    (Strategy::Merge, v1::EventualStrategy::Merge, "merge"),
    (Strategy::Max, v1::EventualStrategy::Max, "max"),
    (Strategy::Min, v1::EventualStrategy::Min, "min"),
    (Strategy::Siblings, v1::EventualStrategy::Siblings, "siblings"),
];

macro_rules! named {
    ($type:ident, $wire:ident, $table:ident, $field:literal) => {
        impl $type {
            /// Its name, as in the command line.
            pub fn name(self) -> &'static str {
                $table.iter().find(|row| row.0 == self).map_or("", |row| row.2)
            }

            pub(crate) fn to_wire(self) -> v1::$wire {
                $table
                    .iter()
                    .find(|row| row.0 == self)
                    .map_or_else(Default::default, |row| row.1)
            }

            pub(crate) fn of_wire(wire: v1::$wire) -> Option<Self> {
                $table.iter().find(|row| row.1 == wire).map(|row| row.0)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let names: Vec<&str> = $table.iter().map(|row| row.2).collect();
                let found = $table.iter().find(|row| row.2 == text).map(|row| row.0);
                found.ok_or_else(|| {
                    let message = format!("{text:?} is no {}; there are {}", $field, names.join(", "));
                    Error::invalid($field, message)
                })
            }
        }
    };
}

named!(EventualType, EventualType, TYPES, "type");
named!(Strategy, EventualStrategy, STRATEGIES, "strategy");

impl EventualContext {
    /// What is stored or sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What was stored or sent.
    pub fn from_bytes(bytes: impl crate::record::IntoBytes) -> Self {
        Self(bytes.into_bytes())
    }
}

impl From<v1::EventualEntry> for EventualEntry {
    fn from(entry: v1::EventualEntry) -> Self {
        let (entry_type, strategy) = (entry.r#type(), entry.strategy());
        Self {
            key: entry.key,
            entry_type: EventualType::of_wire(entry_type).unwrap_or_default(),
            value: entry.value,
            strategy: Strategy::of_wire(strategy),
            discarded: entry.discarded,
            siblings: entry.siblings.into_iter().map(EventualSibling::from).collect(),
            counter: entry.counter,
            members: entry.members,
            fields: entry
                .fields
                .into_iter()
                .map(|field| (field.name, field.value))
                .collect(),
            flag: entry.flag,
            context: EventualContext(entry.context),
            expires_at_ms: (entry.expires_at_ms != 0).then_some(entry.expires_at_ms),
            written_at_ms: entry.written_at_ms,
        }
    }
}

impl From<v1::EventualSibling> for EventualSibling {
    fn from(sibling: v1::EventualSibling) -> Self {
        Self {
            value: sibling.value,
            written_at_ms: sibling.written_at_ms,
            process: sibling.process,
            number: sibling.number,
            expires_at_ms: (sibling.expires_at_ms != 0).then_some(sibling.expires_at_ms),
        }
    }
}

/// How old an answer may be; absent if that cannot be told.
pub(super) fn age_of(age_ms: Option<u64>) -> Option<Duration> {
    age_ms.map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_a_wrong_one_is_refused_with_those_that_there_are() {
        for (strategy, _, name) in STRATEGIES {
            assert_eq!(name.parse::<Strategy>().unwrap(), strategy);
            assert_eq!(Strategy::of_wire(strategy.to_wire()), Some(strategy));
        }
        let error = "sets".parse::<EventualType>().unwrap_err();
        assert_eq!(
            error.message(),
            "\"sets\" is no type; there are register, counter, set, map, flag"
        );
    }
}
