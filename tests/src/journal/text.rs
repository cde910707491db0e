//! Bytes as a person reads them.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What follows is hexadecimal.
const HEXADECIMAL: &str = "hex:";

/// Bytes that are a string in a journal: as they are where they are UTF-8, and otherwise `hex:` and their digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub Bytes);

impl Text {
    fn shown(&self) -> String {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.starts_with(HEXADECIMAL) => text.to_owned(),
            _ => format!("{HEXADECIMAL}{}", hexadecimal(&self.0)),
        }
    }

    fn read(text: &str) -> Option<Text> {
        match text.strip_prefix(HEXADECIMAL) {
            None => Some(Text(Bytes::copy_from_slice(text.as_bytes()))),
            Some(digits) => Some(Text(Bytes::from(from_hexadecimal(digits)?))),
        }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        let text = String::deserialize(deserializer)?;
        Text::read(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} has digits that are none")))
    }
}

/// Two digits a byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes, if these are their digits.
pub(super) fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}
