//! A record in a file.

use quorate_proto::v1;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Text;

#[derive(Serialize, Deserialize)]
struct Line {
    key: Text,
    #[serde(default, skip_serializing_if = "is_empty")]
    value: Text,
    create_revision: u64,
    mod_revision: u64,
    version: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    lease: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    expires_at_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// Writes one.
pub fn serialize<S: Serializer>(record: &v1::Record, serializer: S) -> Result<S::Ok, S::Error> {
    Line::from(record).serialize(serializer)
}

/// Reads one again.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<v1::Record, D::Error> {
    Ok(Line::deserialize(deserializer)?.into())
}

/// The same for one that may be absent.
pub mod option {
    use quorate_proto::v1;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Line;

    /// Writes one.
    pub fn serialize<S: Serializer>(record: &Option<v1::Record>, serializer: S) -> Result<S::Ok, S::Error> {
        record.as_ref().map(Line::from).serialize(serializer)
    }

    /// Reads one again.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<v1::Record>, D::Error> {
        Ok(Option::<Line>::deserialize(deserializer)?.map(Into::into))
    }
}

impl From<&v1::Record> for Line {
    fn from(record: &v1::Record) -> Line {
        Line {
            key: Text(record.key.clone()),
            value: Text(record.value.clone()),
            create_revision: record.create_revision,
            mod_revision: record.mod_revision,
            version: record.version,
            lease: record.lease,
            expires_at_ms: record.expires_at_ms,
            tags: record.tags.clone(),
        }
    }
}

impl From<Line> for v1::Record {
    fn from(line: Line) -> v1::Record {
        v1::Record {
            key: line.key.0,
            value: line.value.0,
            create_revision: line.create_revision,
            mod_revision: line.mod_revision,
            version: line.version,
            lease: line.lease,
            expires_at_ms: line.expires_at_ms,
            tags: line.tags,
        }
    }
}

fn is_empty(text: &Text) -> bool {
    text.0.is_empty()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
