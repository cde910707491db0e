//! What a value has to look like for a strategy.

use serde_json::{Number, Value};

use super::json::Fields;
use crate::Strategy;

/// Why a value cannot be written with a strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// It does not parse, is nested deeper than 127 levels, or has a number that no double can hold.
    #[error("the value must be {expected} for strategy {strategy}, and is not JSON: {reason}")]
    NotJson {
        /// The strategy that was asked for.
        strategy: &'static str,
        /// What it works on.
        expected: &'static str,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// It is JSON of another kind.
    #[error("the value must be {expected} for strategy {strategy}, and is {found}")]
    WrongKind {
        /// The strategy that was asked for.
        strategy: &'static str,
        /// What it works on.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}

/// Says whether a value can be written with a strategy: anything for last write and siblings, a JSON array for union, an
/// object for merge, a number for max and min.
///
/// Integers are exact from -2^63 to 2^64 - 1; any other number is taken as the nearest double.
pub fn check(strategy: Strategy, value: &[u8]) -> Result<(), BadValue> {
    let fits = match strategy {
        Strategy::LastWrite | Strategy::Siblings => true,
        Strategy::Union => array(value).is_some(),
        Strategy::Merge => object(value).is_some(),
        Strategy::Max | Strategy::Min => number(value).is_some(),
    };
    if fits { Ok(()) } else { Err(complaint(strategy, value)) }
}

/// The elements, if the value is an array.
pub(super) fn array(value: &[u8]) -> Option<Vec<Value>> {
    serde_json::from_slice(value).ok()
}

/// The fields, if the value is an object.
pub(super) fn object(value: &[u8]) -> Option<Fields<'_>> {
    // One look at the whole text is cheaper than one at each string in it, which `from_slice` takes.
    serde_json::from_str(std::str::from_utf8(value).ok()?).ok()
}

/// The number, if the value is one.
pub(super) fn number(value: &[u8]) -> Option<Number> {
    serde_json::from_slice(value).ok()
}

fn complaint(strategy: Strategy, value: &[u8]) -> BadValue {
    let (strategy, expected) = match strategy {
        Strategy::LastWrite => ("last-write", "bytes"),
        Strategy::Siblings => ("siblings", "bytes"),
        Strategy::Union => ("union", "a JSON array"),
        Strategy::Merge => ("merge", "a JSON object"),
        Strategy::Max => ("max", "a JSON number"),
        Strategy::Min => ("min", "a JSON number"),
    };
    let found = match serde_json::from_slice::<Value>(value) {
        Err(error) => {
            let reason = error.to_string();
            return BadValue::NotJson {
                strategy,
                expected,
                reason,
            };
        }
        Ok(Value::Null) => "null",
        Ok(Value::Bool(_)) => "true or false",
        Ok(Value::Number(_)) => "a number",
        Ok(Value::String(_)) => "a string",
        Ok(Value::Array(_)) => "an array",
        Ok(Value::Object(_)) => "an object",
    };
    BadValue::WrongKind {
        strategy,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(strategy: Strategy, value: &str) -> String {
        check(strategy, value.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn any_bytes_do_for_last_write_and_for_siblings() {
        for value in [&b""[..], b"\xff\x00", b"{", b"[1]"] {
            assert_eq!(check(Strategy::LastWrite, value), Ok(()));
            assert_eq!(check(Strategy::Siblings, value), Ok(()));
        }
    }

    #[test]
    fn the_others_want_json_of_their_kind() {
        assert_eq!(check(Strategy::Union, b" [1, {\"a\": 2}] "), Ok(()));
        assert_eq!(check(Strategy::Merge, b"{}"), Ok(()));
        for number in [&b"0"[..], b"-7", b"18446744073709551615", b"1.5e3"] {
            assert_eq!(check(Strategy::Max, number), Ok(()));
            assert_eq!(check(Strategy::Min, number), Ok(()));
        }
        assert_eq!(
            refusal(Strategy::Union, "{}"),
            "the value must be a JSON array for strategy union, and is an object"
        );
        assert_eq!(
            refusal(Strategy::Merge, "[]"),
            "the value must be a JSON object for strategy merge, and is an array"
        );
        assert_eq!(
            refusal(Strategy::Max, "\"7\""),
            "the value must be a JSON number for strategy max, and is a string"
        );
        assert_eq!(
            refusal(Strategy::Min, "null"),
            "the value must be a JSON number for strategy min, and is null"
        );
    }

    #[test]
    fn what_is_not_json_is_told_where() {
        assert_eq!(
            refusal(Strategy::Union, "[1,"),
            "the value must be a JSON array for strategy union, and is not JSON: EOF while parsing a value at line 1 column 3"
        );
        assert!(refusal(Strategy::Max, "NaN").contains("is not JSON"));
        assert!(refusal(Strategy::Max, "1e999").contains("number out of range"));
        assert!(refusal(Strategy::Max, "1 2").contains("trailing characters"));
        assert!(refusal(Strategy::Merge, "").contains("EOF"));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check(Strategy::Union, deep(127).as_bytes()), Ok(()));
        assert!(refusal(Strategy::Union, &deep(128)).contains("recursion limit"));
        assert!(refusal(Strategy::Union, &deep(1 << 20)).contains("recursion limit"));
    }
}
