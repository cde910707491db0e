//! Reads as clients make them, and what comes back as the check wants it.

use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Consistency, Error, GetReply, Record};

use super::record::{Asked, Place, Seen, Source};

/// Reads a key; nothing if only the cache was asked and did not have it.
pub async fn ask(client: &Client, place: &Place, asked: Asked) -> Result<Option<Seen>, Error> {
    let get = client.get(place.key.clone()).domain(place.domain.clone());
    let (level, cache_only) = match asked {
        Asked::Strong => (Consistency::Strong, false),
        Asked::Bounded(bound) => (Consistency::BoundedStale(bound), false),
        Asked::Local => (Consistency::Local, false),
        Asked::CacheOnly(None) => (Consistency::Local, true),
        Asked::CacheOnly(Some(bound)) => (Consistency::BoundedStale(bound), true),
    };
    let get = get.consistency(level);
    if cache_only {
        return Ok(get.local_only()?.map(Seen::of));
    }
    Ok(Some(Seen::of(get.await?)))
}

/// Looks into the cache without a call, as a program does that is in a hurry; nothing where there is no cache.
pub fn look_up(client: &Client, place: &Place, bound: Duration) -> Option<Seen> {
    let cached = client.cache()?.get(&place.domain, &place.key, bound)?;
    Some(Seen {
        source: Source::Cache,
        revision: cached.revision(),
        record: cached.record().map(shown),
        staleness: Some(cached.staleness()),
    })
}

impl Seen {
    /// What a reply says.
    pub fn of(reply: GetReply) -> Seen {
        Seen {
            source: match reply.source {
                quorate::Source::Cache => Source::Cache,
                quorate::Source::Leader => Source::Leader,
                _ => Source::Replica,
            },
            revision: reply.revision,
            record: reply.record.as_ref().map(shown),
            // The longest there is: it cannot tell.
            staleness: (reply.staleness != Duration::MAX).then_some(reply.staleness),
        }
    }
}

fn shown(record: &Record) -> (u64, Bytes) {
    (record.mod_revision, record.value.clone())
}
