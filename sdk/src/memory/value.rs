//! Values as they are kept: JSON.

use std::any::type_name;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::consistency::Source;
use crate::domain::Tier;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// A value that was read. It stands for the value itself wherever that is looked at: `state.status`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryValue<T> {
    /// The value.
    pub value: T,
    /// The tier that it is in.
    pub tier: Tier,
    /// The revision of its last write, for [`MemoryWrite::expected_revision`](crate::MemoryWrite::expected_revision); 0 in
    /// the eventual tier, which has none.
    pub revision: u64,
    /// How old the answer may be; zero for a strong read, absent if it cannot be told.
    pub staleness: Option<Duration>,
    /// Who answered: the cache, or a member.
    pub source: Source,
    /// Its tags.
    pub tags: Vec<String>,
}

impl<T> MemoryValue<T> {
    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for MemoryValue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The JSON of a value that is to be written under a key.
pub(super) fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| {
        let message = format!("the value for {key} cannot be written as JSON: {error}");
        Error::new(ErrorKind::Json, Outcome::NotApplied, message)
    })
}

/// A value that was read under a key. If it is none of this type, the error names the key, the type and the place.
pub(super) fn decode<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let offset = offset_of(json, error.line(), error.column());
        let wanted = type_name::<T>();
        let message = format!("the value of {key} cannot be read as {wanted}: at byte {offset}: {error}");
        Error::new(ErrorKind::Json, Outcome::NotAMutation, message)
    })
}

/// The place in bytes of a line and a column, both counted from 1.
fn offset_of(json: &[u8], line: usize, column: usize) -> usize {
    let lines_before = line.saturating_sub(1);
    let before: usize = json
        .split(|byte| *byte == b'\n')
        .take(lines_before)
        .map(|text| text.len() + 1)
        .sum();
    before + column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_refused_with_key_type_and_place() {
        let error = decode::<Vec<u8>>("plan", b"[1,\n2, \"x\"]").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Json);
        assert_eq!(error.outcome(), Outcome::NotAMutation);
        let message = error.message();
        assert!(
            message.starts_with("the value of plan cannot be read as alloc::vec::Vec<u8>: at byte 10: invalid type"),
            "{message}"
        );
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(decode::<u8>("k", b"").unwrap_err().message().contains("at byte 0"));
        let keyed_by_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert_eq!(encode("k", &keyed_by_lists).unwrap_err().kind(), &ErrorKind::Json);
    }
}
