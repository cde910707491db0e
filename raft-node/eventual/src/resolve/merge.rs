//! Merge: the fields of several objects, those of nested objects too.
//!
//! All of them are laid over each other in one pass over their fields, which are in the order of their names, and nothing is
//! copied before it is written: a member resolves whenever it reads.

use serde::ser::{Serialize, Serializer};
use smallvec::SmallVec;

use super::candidate::Candidate;
use super::check;
use super::json::{Fields, Name, Node};

/// Objects that are nested deeper than this many levels are not merged: the newest is taken whole.
pub const MERGE_DEPTH_MAX: usize = 32;

/// Candidates are seldom more.
type Few<T> = SmallVec<[T; 4]>;

/// What candidates are together; it borrows from them.
enum Merged<'m, 'a> {
    Whole(&'m Node<'a>),
    Object(MergedFields<'m, 'a>),
}

/// In the order of their names.
struct MergedFields<'m, 'a>(Vec<(&'m Name<'a>, Merged<'m, 'a>)>);

/// Lays the candidates that are objects over each other, the oldest first, and counts those of which nothing is left.
/// Nothing if none is an object. The object is JSON without spaces, with fields in order of their names at every level.
///
/// A field that is an object in both is merged; otherwise the newer one takes the place whole. What is not an object at
/// all is counted and otherwise ignored, so that a value of another strategy does not cut off what is older than it.
pub(super) fn merge(candidates: &[Candidate<'_>], places: &[usize]) -> Option<(Vec<u8>, u32)> {
    let objects: Few<Fields<'_>> = places
        .iter()
        .filter_map(|place| check::object(candidates[*place].value))
        .collect();
    let (_newest, older) = objects.split_last()?;
    let layers: Few<&Fields<'_>> = objects.iter().collect();
    let merged = lay_over(&layers, 1);
    // Every field of the newest is there.
    let lost = older.iter().filter(|fields| !shows(fields, &merged)).count();
    // Names are texts, and memory takes everything: there is nothing that could fail.
    let bytes = serde_json::to_vec(&merged).ok()?;
    Some((bytes, (places.len() - objects.len() + lost) as u32))
}

/// The oldest first.
fn lay_over<'m, 'a>(layers: &[&'m Fields<'a>], depth: usize) -> MergedFields<'m, 'a> {
    let mut ahead: Few<_> = layers.iter().map(|fields| fields.all()).collect();
    let mut merged = Vec::with_capacity(ahead.iter().map(|fields| fields.len()).max().unwrap_or(0));
    let mut found = Few::new();
    while let Some(name) = ahead.iter().filter_map(|fields| Some(&fields.first()?.0)).min() {
        found.clear();
        for fields in &mut ahead {
            if let Some(((own, node), behind)) = fields.split_first()
                && own == name
            {
                found.push(node);
                *fields = behind;
            }
        }
        if let Some(together) = together(&found, depth) {
            merged.push((name, together));
        }
    }
    MergedFields(merged)
}

/// What the values of one field are together, the oldest first.
fn together<'m, 'a>(found: &[&'m Node<'a>], depth: usize) -> Option<Merged<'m, 'a>> {
    let newest = found.last()?;
    // What is below anything else than an object does not come back with the object that follows.
    let newest_first = found.iter().rev().map_while(|node| match node {
        Node::Object(fields) => Some(fields),
        _ => None,
    });
    let mut objects: Few<&Fields<'_>> = newest_first.collect();
    if objects.len() < 2 || depth >= MERGE_DEPTH_MAX {
        return Some(Merged::Whole(newest));
    }
    objects.reverse();
    Some(Merged::Object(lay_over(&objects, depth + 1)))
}

/// Whether anything of `fields` is in `merged`. Where there is nothing, nothing is lost.
fn shows(fields: &Fields<'_>, merged: &MergedFields<'_, '_>) -> bool {
    let in_merged = |name: &Name<'_>, node: &Node<'_>| match (node, merged.get(name)) {
        (Node::Object(fields), Some(Merged::Object(merged))) => shows(fields, merged),
        (node, Some(Merged::Whole(whole))) => shows_in(node, whole),
        _ => false,
    };
    fields.all().is_empty() || fields.all().iter().any(|(name, node)| in_merged(name, node))
}

/// The same of a value that was taken whole.
fn shows_in(node: &Node<'_>, whole: &Node<'_>) -> bool {
    match (node, whole) {
        (Node::Object(fields), Node::Object(whole)) => {
            let in_whole = |name: &Name<'_>, node| whole.get(name).is_some_and(|found| shows_in(node, found));
            fields.all().is_empty() || fields.all().iter().any(|(name, node)| in_whole(name, node))
        }
        (node, whole) => node == whole,
    }
}

impl<'m, 'a> MergedFields<'m, 'a> {
    fn get(&self, name: &Name<'_>) -> Option<&Merged<'m, 'a>> {
        let place = self.0.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        Some(&self.0[place].1)
    }
}

impl Serialize for Merged<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Merged::Whole(node) => node.serialize(to),
            Merged::Object(fields) => fields.serialize(to),
        }
    }
}

impl Serialize for MergedFields<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, merged)| (name, merged)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::Hlc;

    fn merged(values: &[&str]) -> (String, u32) {
        let candidates: Vec<Candidate<'_>> = values
            .iter()
            .zip(1..)
            .map(|(value, number)| Candidate {
                value: value.as_bytes(),
                strategy: crate::Strategy::Merge,
                hlc: Hlc(number),
                actor: 1,
                number,
            })
            .collect();
        let places: Vec<usize> = (0..candidates.len()).collect();
        let (bytes, discarded) = merge(&candidates, &places).unwrap();
        (String::from_utf8(bytes).unwrap(), discarded)
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

    /// What it says, one object after the other.
    fn folded(objects: &[Map<String, Value>]) -> (String, u32) {
        fn lay_over(older: &mut Map<String, Value>, newer: &Map<String, Value>) {
            for (name, above) in newer {
                match (older.get_mut(name), above) {
                    (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
                    _ => drop(older.insert(name.clone(), above.clone())),
                }
            }
        }
        fn shows(fields: &Map<String, Value>, merged: &Map<String, Value>) -> bool {
            let in_merged = |(name, value): (&String, &Value)| match (value, merged.get(name)) {
                (Value::Object(fields), Some(Value::Object(merged))) => shows(fields, merged),
                (value, found) => found == Some(value),
            };
            fields.is_empty() || fields.iter().any(in_merged)
        }
        let mut merged = objects[0].clone();
        objects[1..].iter().for_each(|newer| lay_over(&mut merged, newer));
        let lost = objects.iter().filter(|fields| !shows(fields, &merged)).count();
        let mut merged = Value::Object(merged);
        merged.sort_all_objects();
        (merged.to_string(), lost as u32)
    }

    fn object() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0_u8..3).prop_map(Value::from),
            "[a\"\u{e9}]{0,2}".prop_map(Value::from),
            prop::collection::vec(0_u8..2, 0..2).prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            prop::collection::vec(("[abc\n]", inner), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect()))
        });
        prop::collection::vec(("[abc\n]", value), 0..4).prop_map(|fields| fields.into_iter().collect())
    }

    proptest! {
        #[test]
        fn it_is_what_one_after_the_other_makes(objects in prop::collection::vec(object(), 1..5)) {
            let texts: Vec<String> = objects.iter().map(|object| Value::Object(object.clone()).to_string()).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(merged(&texts), folded(&objects));
        }
    }
}
