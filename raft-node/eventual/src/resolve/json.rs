//! JSON that is looked at and not kept: texts are those of the bytes it was read from, wherever they need no decoding.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// The fields of an object that is asked for have room for so many at first; objects inside it take what they need.
const USUAL_FIELDS: usize = 8;

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Fields<'a>),
}

/// The fields of an object in the order of their names. Of one that was there twice, the last.
#[derive(Debug, PartialEq)]
pub(super) struct Fields<'a>(Vec<(Name<'a>, Node<'a>)>);

/// The name of a field. Its beginning as a number decides almost every comparison; the order is that of the text, since a
/// shorter one is padded with the least byte there is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a> {
    beginning: u64,
    text: Cow<'a, str>,
}

impl<'a> Fields<'a> {
    /// They, in order.
    pub(super) fn all(&self) -> &[(Name<'a>, Node<'a>)] {
        &self.0
    }

    /// The one of this name.
    pub(super) fn get(&self, name: &Name<'_>) -> Option<&Node<'a>> {
        let place = self.0.binary_search_by(|(own, _)| own.cmp(name)).ok()?;
        Some(&self.0[place].1)
    }
}

impl<'a> Name<'a> {
    fn new(text: Cow<'a, str>) -> Self {
        let mut beginning = [0; 8];
        for (to, from) in beginning.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Name {
            beginning: u64::from_be_bytes(beginning),
            text,
        }
    }
}

/// A text that borrows if it can, which `Cow` itself never does.
struct Text<'a>(Cow<'a, str>);

struct TextVisitor;
struct NodeVisitor;

struct FieldsVisitor {
    /// There is room for so many at first.
    fields: usize,
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        // JSON has no number that is none.
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = elements.next_element()? {
            all.push(element);
        }
        Ok(Node::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Node<'de>, A::Error> {
        FieldsVisitor { fields: 0 }.visit_map(fields).map(Node::Object)
    }
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fields<'de>, A::Error> {
        let mut all = Vec::with_capacity(self.fields);
        while let Some((Text(name), node)) = fields.next_entry()? {
            all.push((Name::new(name), node));
        }
        if !all.is_sorted_by(|(one, _), (next, _)| one < next) {
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            all.dedup_by(|later, earlier| {
                let is_same = later.0 == earlier.0;
                if is_same {
                    std::mem::swap(later, earlier);
                }
                is_same
            });
        }
        Ok(Fields(all))
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FieldsVisitor { fields: USUAL_FIELDS })
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Null => to.serialize_unit(),
            Node::Bool(value) => to.serialize_bool(*value),
            Node::Number(number) => number.serialize(to),
            Node::Text(text) => to.serialize_str(text),
            Node::Array(elements) => to.collect_seq(elements),
            Node::Object(fields) => fields.serialize(to),
        }
    }
}

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, node)| (name, node)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_texts() {
        let texts = [
            "",
            "\u{0}",
            "a",
            "a\u{0}",
            "a\u{0}b",
            "abcdefgh",
            "abcdefgh\u{0}",
            "abcdefghi",
            "abcdefgi",
            "é",
            "\u{10ffff}",
        ];
        for (one, other) in texts.iter().flat_map(|one| texts.map(|other| (*one, other))) {
            let [first, second] = [one, other].map(|text| Name::new(Cow::Borrowed(text)));
            assert_eq!(first.cmp(&second), one.cmp(other), "{one:?} {other:?}");
        }
    }

    fn written(text: &str) -> String {
        let node: Node<'_> = serde_json::from_str(text).unwrap();
        serde_json::to_string(&node).unwrap()
    }

    #[test]
    fn it_is_written_without_spaces_and_in_the_order_of_names() {
        let text = r#" {"b": [1, {"z": null, "y": true}], "a": "\u00e9\n", "c": -1.50} "#;
        assert_eq!(written(text), r#"{"a":"é\n","b":[1,{"y":true,"z":null}],"c":-1.5}"#);
    }

    #[test]
    fn of_a_field_that_is_there_twice_the_last_counts() {
        assert_eq!(written(r#"{"a":1,"b":0,"a":2,"a":3}"#), r#"{"a":3,"b":0}"#);
    }

    #[test]
    fn texts_are_borrowed_unless_they_have_to_be_decoded() {
        let text = r#"{"plain":"text","de\u0063oded":"\t"}"#;
        let fields: Fields<'_> = serde_json::from_str(text).unwrap();
        let is_borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        let found: Vec<(&str, bool, bool)> = fields
            .all()
            .iter()
            .map(|(name, node)| {
                let node_is_borrowed = matches!(node, Node::Text(text) if is_borrowed(text));
                (&*name.text, is_borrowed(&name.text), node_is_borrowed)
            })
            .collect();
        assert_eq!(found, [("decoded", false, false), ("plain", true, true)]);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        assert!(serde_json::from_str::<Fields<'_>>("[1]").is_err());
        assert!(serde_json::from_str::<Fields<'_>>("{} 1").is_err());
    }
}
