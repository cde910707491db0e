//! `put`, `get` and `delete` at the level `Eventual`: the same calls, of the other tier.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::eventual_write::Change;
use quorate_proto::v1::key_selector::Kind;

use super::get::EventualGet;
use super::value::EventualType;
use super::write::Asked;
use crate::consistency::{Consistency, Source};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::kv::{DeleteReply, GetReply, PutReply};
use crate::record::Record;

/// Writes a register of the eventual tier.
pub(crate) async fn put_at_level(core: &Arc<Core>, put: v1::PutRequest, timeout: Option<Duration>) -> Result<PutReply> {
    refuse(&[
        ("lease", put.lease != 0),
        ("tags", !put.tags.is_empty()),
        ("previous", put.previous),
    ])?;
    let value = v1::EventualPut {
        value: put.value,
        ..Default::default()
    };
    let mut asked = Asked::new(core, &put.domain, put.key, Change::Put(value));
    asked.write.ttl_ms = put.ttl_ms;
    asked.timeout = timeout;
    let written = asked.send().await?;
    Ok(PutReply {
        revision: 0,
        previous: None,
        told: written.told,
    })
}

/// Reads a register of the eventual tier.
pub(crate) async fn get_at_level(core: &Arc<Core>, get: v1::GetRequest, timeout: Option<Duration>) -> Result<GetReply> {
    let refused = refuse(&[("at_revision", get.revision != 0)]);
    refused.map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
    let mut read = EventualGet::new(core, &get.domain, EventualType::Register, get.key);
    if let Some(timeout) = timeout {
        read = read.timeout(timeout);
    }
    let reply = read.await?;
    Ok(GetReply {
        record: reply.entry.map(|entry| Record {
            key: entry.key,
            value: entry.value,
            expires_at_ms: entry.expires_at_ms,
            ..Default::default()
        }),
        revision: 0,
        staleness: reply.age.unwrap_or(Duration::MAX),
        member: reply.member,
        source: Source::Replica,
        level: Consistency::Eventual,
        told: reply.told,
    })
}

/// Deletes a register of the eventual tier.
pub(crate) async fn delete_at_level(
    core: &Arc<Core>,
    delete: v1::DeleteRequest,
    timeout: Option<Duration>,
) -> Result<DeleteReply> {
    refuse(&[("previous", delete.previous)])?;
    let Some(Kind::Key(key)) = delete.keys.and_then(|keys| keys.kind) else {
        return Err(mismatch("keys", "deletes one key at a time"));
    };
    let mut change = v1::EventualDelete::default();
    change.set_type(v1::EventualType::Register);
    let mut asked = Asked::new(core, &delete.domain, key, Change::Delete(change));
    asked.timeout = timeout;
    let written = asked.send().await?;
    Ok(DeleteReply {
        revision: 0,
        deleted: u64::from(!written.superseded),
        previous: Vec::new(),
        told: written.told,
    })
}

/// Refuses the first option that is set and that the tier cannot give.
fn refuse(options: &[(&str, bool)]) -> Result<()> {
    match options.iter().find(|(_, set)| *set) {
        Some((option, _)) => Err(mismatch(option, "has no such option")),
        None => Ok(()),
    }
}

fn mismatch(option: &str, why: &str) -> Error {
    let message = format!("{option}: the eventual tier {why}; leave it out, or use the strong tier");
    Error::new(ErrorKind::TierMismatch, Outcome::NotApplied, message)
}
