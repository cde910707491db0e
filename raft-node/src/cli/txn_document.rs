//! The JSON document of `quorate txn`, and its translation into a transaction of the SDK.

use std::time::Duration;

use quorate::{Compare, CompareNumber, CompareValue, Keys, LockHold, LockOp, Op, Txn};
use serde::Deserialize;

use super::bytes::from_hex;
use super::exit::Failure;

/// A transaction as people write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TxnDocument {
    compares: Vec<CompareDocument>,
    then: Vec<OperationDocument>,
    otherwise: Vec<OperationDocument>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CompareDocument {
    /// Empty: the default one.
    domain: String,
    key: Option<String>,
    key_hex: Option<String>,
    operator: Operator,
    value: Option<String>,
    value_hex: Option<String>,
    version: Option<u64>,
    create_revision: Option<u64>,
    mod_revision: Option<u64>,
    lease: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operator {
    #[default]
    Equal,
    NotEqual,
    Greater,
    Less,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OperationDocument {
    Put(PutDocument),
    Delete(DeleteDocument),
    Get(GetDocument),
    Range(RangeDocument),
    Fence(FenceDocument),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PutDocument {
    /// Empty: the default one.
    domain: String,
    key: Option<String>,
    key_hex: Option<String>,
    value: Option<String>,
    value_hex: Option<String>,
    ttl_ms: Option<u64>,
    tags: Vec<String>,
    previous: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DeleteDocument {
    domain: String,
    #[serde(flatten)]
    keys: KeysDocument,
    previous: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GetDocument {
    domain: String,
    key: Option<String>,
    key_hex: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RangeDocument {
    domain: String,
    #[serde(flatten)]
    keys: KeysDocument,
    /// 0: the member's limit.
    limit: u64,
    keys_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FenceDocument {
    lock: String,
    lease: u64,
    token: u64,
}

/// Exactly one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeysDocument {
    key: Option<String>,
    key_hex: Option<String>,
    prefix: Option<String>,
    pattern: Option<String>,
    interval: Option<(String, String)>,
}

impl TxnDocument {
    /// Reads the JSON.
    pub fn parse(text: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(text).map_err(|error| Failure::usage(format!("the transaction: {error}")))
    }

    /// Adds everything to a transaction.
    pub fn apply_to(self, mut txn: Txn<'_>) -> Result<Txn<'_>, Failure> {
        for (place, compare) in self.compares.into_iter().enumerate() {
            txn = txn.when(compare.build().map_err(within("compares", place))?);
        }
        for (place, operation) in self.then.into_iter().enumerate() {
            txn = txn.then(operation.build().map_err(within("then", place))?);
        }
        for (place, operation) in self.otherwise.into_iter().enumerate() {
            txn = txn.otherwise(operation.build().map_err(within("otherwise", place))?);
        }
        Ok(txn)
    }
}

/// Says where in the document the mistake is.
fn within(list: &'static str, place: usize) -> impl FnOnce(Failure) -> Failure {
    move |failure| Failure::usage(format!("the transaction: {list}[{place}]: {failure}"))
}

impl CompareDocument {
    fn build(self) -> Result<Compare, Failure> {
        const ONE: &str =
            "exactly one of value, value_hex, version, create_revision, mod_revision and lease must be there";
        let key = bytes(self.key, self.key_hex, "key")?;
        let value = match (self.value, self.value_hex) {
            (None, None) => None,
            (text, hex) => Some(bytes(text, hex, "value")?),
        };
        let operator = self.operator;
        let compare = match (value, self.version, self.create_revision, self.mod_revision, self.lease) {
            (Some(value), None, None, None, None) => operator.of_value(Compare::value(key), value),
            (None, Some(number), None, None, None) => operator.of_number(Compare::version(key), number),
            (None, None, Some(number), None, None) => operator.of_number(Compare::create_revision(key), number),
            (None, None, None, Some(number), None) => operator.of_number(Compare::mod_revision(key), number),
            (None, None, None, None, Some(number)) => operator.of_number(Compare::lease(key), number),
            _ => return Err(Failure::usage(ONE)),
        };
        Ok(compare.domain(self.domain))
    }
}

impl Operator {
    fn of_value(self, compare: CompareValue, value: Vec<u8>) -> Compare {
        match self {
            Operator::Equal => compare.equals(value),
            Operator::NotEqual => compare.not_equals(value),
            Operator::Greater => compare.greater_than(value),
            Operator::Less => compare.less_than(value),
        }
    }

    fn of_number(self, compare: CompareNumber, number: u64) -> Compare {
        match self {
            Operator::Equal => compare.equals(number),
            Operator::NotEqual => compare.not_equals(number),
            Operator::Greater => compare.greater_than(number),
            Operator::Less => compare.less_than(number),
        }
    }
}

impl OperationDocument {
    fn build(self) -> Result<Op, Failure> {
        match self {
            OperationDocument::Put(put) => {
                let key = bytes(put.key, put.key_hex, "key")?;
                let value = bytes(put.value, put.value_hex, "value")?;
                let mut op = Op::put(key, value).domain(put.domain).tags(put.tags);
                if let Some(ttl_ms) = put.ttl_ms {
                    op = op.ttl(Duration::from_millis(ttl_ms));
                }
                Ok(if put.previous { op.previous().into() } else { op.into() })
            }
            OperationDocument::Delete(delete) => {
                let op = Op::delete(delete.keys.keys()?).domain(delete.domain);
                Ok(if delete.previous {
                    op.previous().into()
                } else {
                    op.into()
                })
            }
            OperationDocument::Get(get) => {
                let key = bytes(get.key, get.key_hex, "key")?;
                Ok(Op::get(key).domain(get.domain).into())
            }
            OperationDocument::Fence(fence) => {
                let hold = LockHold {
                    lock: fence.lock,
                    lease: fence.lease,
                    token: fence.token,
                    ..LockHold::default()
                };
                Ok(LockOp::fence(&hold).into())
            }
            OperationDocument::Range(range) => {
                let op = Op::range(range.keys.keys()?).domain(range.domain).limit(range.limit);
                Ok(if range.keys_only {
                    op.keys_only().into()
                } else {
                    op.into()
                })
            }
        }
    }
}

impl KeysDocument {
    fn keys(self) -> Result<Keys, Failure> {
        match (self.key, self.key_hex, self.prefix, self.pattern, self.interval) {
            (None, None, Some(prefix), None, None) => Ok(Keys::prefix(prefix)),
            (None, None, None, Some(pattern), None) => Ok(Keys::pattern(pattern)),
            (None, None, None, None, Some((start, end))) => Ok(Keys::interval(start, end)),
            (Some(key), None, None, None, None) => Ok(Keys::key(key)),
            (None, Some(hex), None, None, None) => Ok(Keys::key(from_hex(hex.as_bytes())?)),
            _ => Err(Failure::usage(
                "exactly one of key, key_hex, prefix, pattern and interval must be there",
            )),
        }
    }
}

/// Exactly one of a field and its hexadecimal twin.
fn bytes(text: Option<String>, hex: Option<String>, name: &str) -> Result<Vec<u8>, Failure> {
    match (text, hex) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(hex)) => from_hex(hex.as_bytes()),
        _ => Err(Failure::usage(format!(
            "exactly one of {name} and {name}_hex must be there"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::verbs::txn::EXAMPLE;

    /// Compares, then, otherwise.
    type Parts = (Vec<Compare>, Vec<Op>, Vec<Op>);

    /// Builds every part, as `apply_to` does with a transaction at hand.
    fn build(text: &str) -> Result<Parts, Failure> {
        let document = TxnDocument::parse(text.as_bytes())?;
        Ok((
            document
                .compares
                .into_iter()
                .map(CompareDocument::build)
                .collect::<Result<_, _>>()?,
            document
                .then
                .into_iter()
                .map(OperationDocument::build)
                .collect::<Result<_, _>>()?,
            document
                .otherwise
                .into_iter()
                .map(OperationDocument::build)
                .collect::<Result<_, _>>()?,
        ))
    }

    #[test]
    fn the_example_of_the_help_is_a_transaction() {
        let start = EXAMPLE.find("  {").unwrap();
        let end = EXAMPLE.find("\n  }\n").unwrap() + 4;
        let (compares, then, otherwise) = build(&EXAMPLE[start..end]).unwrap();
        assert_eq!(
            compares,
            [
                Compare::version("stock").greater_than(0),
                Compare::value("holder").equals("worker-1")
            ]
        );
        let put = Op::put("stock", "41")
            .ttl(Duration::from_secs(60))
            .tags(["shop"])
            .previous();
        assert_eq!(then, [put.into(), Op::delete(Keys::prefix("reserved/")).into()]);
        let range = Op::range(Keys::prefix("reserved/")).limit(10);
        assert_eq!(otherwise, [Op::get("holder").into(), range.into()]);
    }

    #[test]
    fn bytes_can_be_written_in_hexadecimal() {
        let (compares, then, _) = build(
            r#"{"compares": [{"key_hex": "ff", "operator": "not_equal", "value_hex": "00"}],
                "then": [{"put": {"key_hex": "ff", "value_hex": "01"}}, {"delete": {"key_hex": "fe"}}]}"#,
        )
        .unwrap();
        assert_eq!(compares, [Compare::value([0xff]).not_equals([0])]);
        assert_eq!(
            then,
            [Op::put([0xff], [1]).into(), Op::delete(Keys::key([0xfe])).into()]
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("{", "the transaction: EOF"),
            (r#"{"when": []}"#, "unknown field `when`"),
            (
                r#"{"compares": [{"key": "a"}]}"#,
                "exactly one of value, value_hex, version",
            ),
            (
                r#"{"compares": [{"key": "a", "version": 1, "lease": 2}]}"#,
                "exactly one of value",
            ),
            (r#"{"compares": [{"version": 1}]}"#, "exactly one of key and key_hex"),
            (
                r#"{"compares": [{"key": "a", "operator": "like", "version": 1}]}"#,
                "unknown variant `like`",
            ),
            (
                r#"{"then": [{"increment": {"key": "a"}}]}"#,
                "unknown variant `increment`",
            ),
            (
                r#"{"then": [{"put": {"key": "a"}}]}"#,
                "exactly one of value and value_hex",
            ),
            (
                r#"{"then": [{"put": {"key": "a", "value": "b", "limit": 3}}]}"#,
                "unknown field `limit`",
            ),
            (
                r#"{"then": [{"delete": {"key": "a", "prefix": "b"}}]}"#,
                "exactly one of key, key_hex, prefix",
            ),
            (
                r#"{"then": [{"delete": {"key": "a", "limit": 3}}]}"#,
                "unknown field `limit`",
            ),
            (
                r#"{"then": [{"range": {"previous": true, "prefix": ""}}]}"#,
                "unknown field `previous`",
            ),
            (
                r#"{"then": [{"put": {"key_hex": "0", "value": "b"}}]}"#,
                "is not hexadecimal",
            ),
        ] {
            let failure = build(text).unwrap_err();
            assert!(failure.message.contains(expected), "{text} => {failure}");
        }
    }
}
