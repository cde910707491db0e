//! Union: every element of several arrays, once.

use std::cmp::Ordering;

use serde_json::Value;

use super::candidate::Candidate;
use super::{check, number};

/// Distinct elements in their canonical order.
///
/// Elements are equal if they are the same JSON: spaces, escapes and the order of fields do not matter, and `1` is `1.0`.
/// The order is: null, false, true, numbers, strings by their bytes, arrays element by element, objects field by field
/// with the fields in order of their names. It has to depend on the elements alone, since the order in which they were
/// added differs from member to member.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Elements(Vec<Value>);

impl Elements {
    /// Those of the candidates that are arrays, and how many are not.
    pub(super) fn of(candidates: &[Candidate<'_>], places: &[usize]) -> (Option<Self>, u32) {
        let mut elements = Vec::new();
        let mut others = 0;
        for &place in places {
            match check::array(candidates[place].value) {
                Some(array) => elements.extend(array),
                None => others += 1,
            }
        }
        let found = (others as usize) < places.len();
        (found.then(|| Self::new(elements)), others)
    }

    fn new(mut elements: Vec<Value>) -> Self {
        elements.iter_mut().for_each(make_canonical);
        elements.sort_by(compare);
        elements.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
        Elements(elements)
    }

    /// As canonical JSON, without spaces.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        Value::Array(self.0).to_string().into_bytes()
    }
}

/// One spelling for equal values. The parser bounds the depth.
fn make_canonical(value: &mut Value) {
    match value {
        Value::Number(found) => *found = number::canonical(found),
        Value::Array(elements) => elements.iter_mut().for_each(make_canonical),
        Value::Object(fields) => {
            fields.sort_keys();
            fields.values_mut().for_each(make_canonical);
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A total order of canonical values.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => number::compare(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let fields = a.iter().zip(b);
            let mut orders = fields.map(|((name, a), (other, b))| name.cmp(other).then_with(|| compare(a, b)));
            let unequal = orders.find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => kind(a).cmp(&kind(b)),
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(array: &str) -> String {
        let elements = Elements::new(serde_json::from_str(array).unwrap());
        String::from_utf8(elements.into_bytes()).unwrap()
    }

    #[test]
    fn elements_are_in_one_order_whatever_order_they_came_in() {
        let ordered =
            r#"[null,false,true,-1,0.5,2,"","a","b",[],[1],[1,2],[2],{},{"a":1},{"a":1,"b":0},{"a":2},{"b":0}]"#;
        let mut elements: Vec<Value> = serde_json::from_str(ordered).unwrap();
        for _ in 0..elements.len() {
            elements.rotate_left(1);
            assert_eq!(canonical(&Value::Array(elements.clone()).to_string()), ordered);
        }
        elements.reverse();
        assert_eq!(canonical(&Value::Array(elements).to_string()), ordered);
    }

    #[test]
    fn the_same_json_spelled_differently_is_one_element() {
        assert_eq!(canonical(r#"[1, 1.0, 10e-1]"#), "[1]");
        assert_eq!(canonical(r#"["é", "\u00e9"]"#), r#"["é"]"#);
        assert_eq!(
            canonical(r#"[{"a":1.0,"b":[2]}, {"b" : [2.0], "a" : 1}]"#),
            r#"[{"a":1,"b":[2]}]"#
        );
        assert_eq!(
            canonical("[9007199254740993, 9007199254740992.0]"),
            "[9007199254740992,9007199254740993]"
        );
        assert_eq!(canonical("[0.1, 0.10000000000000002]"), "[0.1,0.10000000000000002]");
    }
}
