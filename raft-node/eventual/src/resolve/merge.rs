//! Merge: the fields of several objects, those of nested objects too.

use serde_json::{Map, Value};

use super::candidate::Candidate;
use super::check;

/// Objects that are nested deeper than this many levels are not merged: the newest is taken whole.
pub const MERGE_DEPTH_MAX: usize = 32;

/// A JSON object.
pub(super) type Fields = Map<String, Value>;

/// Lays the candidates that are objects over each other, the oldest first, and counts those of which nothing is left.
/// Nothing if none is an object.
///
/// A field that is an object in both is merged; otherwise the newer one takes the place whole. What is not an object at
/// all is counted and otherwise ignored, so that a value of another strategy does not cut off what is older than it.
pub(super) fn merge(candidates: &[Candidate<'_>], places: &[usize]) -> Option<(Fields, u32)> {
    let objects: Vec<Fields> = places
        .iter()
        .filter_map(|place| check::object(candidates[*place].value))
        .collect();
    let mut merged = objects.first()?.clone();
    for newer in &objects[1..] {
        lay_over(&mut merged, newer, 1);
    }
    let lost = objects.iter().filter(|fields| !shows(fields, &merged)).count();
    Some((merged, (places.len() - objects.len() + lost) as u32))
}

/// As JSON without spaces, fields in order of their names at every level.
pub(super) fn into_bytes(mut fields: Fields) -> Vec<u8> {
    fields.sort_keys();
    fields.values_mut().for_each(Value::sort_all_objects);
    Value::Object(fields).to_string().into_bytes()
}

fn lay_over(older: &mut Fields, newer: &Fields, depth: usize) {
    for (name, above) in newer {
        match (older.get_mut(name), above) {
            (Some(Value::Object(below)), Value::Object(above)) if depth < MERGE_DEPTH_MAX => {
                lay_over(below, above, depth + 1);
            }
            (Some(below), above) => *below = above.clone(),
            (None, above) => {
                older.insert(name.clone(), above.clone());
            }
        }
    }
}

/// Whether anything of `fields` is in `merged`. Where there is nothing, nothing is lost.
fn shows(fields: &Fields, merged: &Fields) -> bool {
    let in_merged = |(name, value): (&String, &Value)| match (value, merged.get(name)) {
        (Value::Object(fields), Some(Value::Object(merged))) => shows(fields, merged),
        (value, found) => found == Some(value),
    };
    fields.is_empty() || fields.iter().any(in_merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hlc, Strategy};

    fn merged(values: &[&str]) -> (String, u32) {
        let candidates: Vec<Candidate<'_>> = values
            .iter()
            .zip(1..)
            .map(|(value, number)| Candidate {
                value: value.as_bytes(),
                strategy: Strategy::Merge,
                hlc: Hlc(number),
                actor: 1,
                number,
            })
            .collect();
        let places: Vec<usize> = (0..candidates.len()).collect();
        let (fields, discarded) = merge(&candidates, &places).unwrap();
        (String::from_utf8(into_bytes(fields)).unwrap(), discarded)
    }

    #[test]
    fn fields_of_all_are_there_and_of_one_field_the_newest() {
        let values = [r#"{"step": 1, "host": "a"}"#, r#"{"step": 2, "by": {"id": 7}}"#];
        assert_eq!(merged(&values), (r#"{"by":{"id":7},"host":"a","step":2}"#.into(), 0));
    }

    #[test]
    fn nested_objects_are_merged_and_arrays_are_not() {
        let values = [r#"{"a": {"x": 1, "y": [1]}}"#, r#"{"a": {"y": [2], "z": 3}}"#];
        assert_eq!(merged(&values), (r#"{"a":{"x":1,"y":[2],"z":3}}"#.into(), 0));
    }

    #[test]
    fn a_newer_value_that_is_no_object_takes_the_place_of_an_object() {
        let object = r#"{"a": {"x": 1}}"#;
        assert_eq!(merged(&[object, r#"{"a": null}"#]), (r#"{"a":null}"#.into(), 1));
        assert_eq!(merged(&[r#"{"a": null}"#, object]), (r#"{"a":{"x":1}}"#.into(), 1));
        // What was under it does not come back with the object that follows.
        assert_eq!(
            merged(&[object, r#"{"a": 0}"#, r#"{"a": {"y": 2}}"#]),
            (r#"{"a":{"y":2}}"#.into(), 2)
        );
    }

    #[test]
    fn a_candidate_is_discarded_if_nothing_of_it_is_left() {
        assert_eq!(merged(&[r#"{"a": 1}"#, r#"{"a": 2}"#]).1, 1);
        assert_eq!(
            merged(&[r#"{"a": 2}"#, r#"{"a": 2, "b": 1}"#]).1,
            0,
            "the same value is there"
        );
        assert_eq!(merged(&["{}", r#"{"a": 2}"#]).1, 0, "there was nothing to lose");
        assert_eq!(merged(&["[1]", r#"{"a": 2}"#, "no JSON"]), (r#"{"a":2}"#.into(), 2));
    }

    #[test]
    fn objects_below_the_limit_are_not_merged() {
        let nested = |levels: usize, leaf: &str| format!("{}{leaf}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        let both = |levels| merged(&[&nested(levels, r#"{"x":1}"#), &nested(levels, r#"{"y":2}"#)]).0;
        assert_eq!(
            both(MERGE_DEPTH_MAX - 1),
            nested(MERGE_DEPTH_MAX - 1, r#"{"x":1,"y":2}"#)
        );
        assert_eq!(both(MERGE_DEPTH_MAX), nested(MERGE_DEPTH_MAX, r#"{"y":2}"#));
    }

    #[test]
    fn numbers_stay_what_they_are() {
        // Doubles that a parser without exact rounding reads one unit off: merged again and again, they would drift.
        let values = r#"{"a":2.638344616030823e-256,"b":0.1,"c":18446744073709551615,"d":1.0}"#;
        assert_eq!(merged(&["{}", values]).0, values);
    }
}
