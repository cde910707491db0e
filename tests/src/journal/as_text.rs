//! Bytes in a file as [`Text`] has them.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Text;

/// Writes them.
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    Text(bytes.clone()).serialize(serializer)
}

/// Reads them again.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    Ok(Text::deserialize(deserializer)?.0)
}
