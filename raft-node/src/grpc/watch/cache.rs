//! From the messages of the wire to what a cache asks for.

use std::sync::Arc;

use quorate_proto::v1::{self as proto, Error};

use super::request::{self, Start};
use crate::config::Limits;
use crate::grpc::api::Api;
use crate::grpc::error::{invalid, rejection, too_large};
use crate::grpc::validate;
use crate::mvcc::DomainTable;
use crate::types::{DomainId, Rejection, Revision};
use crate::watch::{CacheSpec, KeyChange, KnownKey, Shape, WatchSpec, WatchStream};

/// Keys of one request, added and removed together.
const KEYS_PER_REQUEST_MAX: usize = 4096;
/// More look-ups than this are not made on a thread that serves other clients too.
const LOOKUPS_INLINE_MAX: usize = 128;

/// Checks what a cache asks for when it is made.
pub(super) fn spec(cache: proto::CacheWatch, create: &proto::WatchCreate) -> Result<WatchSpec, Error> {
    let foreign = [
        (!create.selectors.is_empty(), "selectors"),
        (create.no_puts, "no_puts"),
        (create.no_deletes, "no_deletes"),
        (create.previous, "previous"),
        (create.keys_only, "keys_only"),
        (create.latest, "latest"),
    ];
    if let Some((_, field)) = foreign.into_iter().find(|(is_set, _)| *is_set) {
        let message =
            format!("a cache hears all of the keys that CacheKeys names, and nothing else: leave out {field}");
        return Err(invalid(field, message));
    }
    if request::start(create)? != Start::Now {
        return Err(invalid("from_revision", "a cache has no history: it starts now"));
    }
    Ok(WatchSpec {
        selectors: Vec::new(),
        domains: Vec::new(),
        no_puts: false,
        no_deletes: false,
        shape: Shape::default(),
        mark_interval: request::mark_interval(create.mark_interval_ms)?,
        latest: None,
        cache: Some(CacheSpec {
            coherent: cache.coherent,
        }),
    })
}

/// Changes the keys of a cache. What is wrong with the request concerns this cache alone, and is its answer. `ready` says
/// whether the request can be looked at.
pub(super) async fn change_keys(
    api: &Arc<Api>,
    stream: &Arc<WatchStream>,
    keys: proto::CacheKeys,
    ready: Result<(), Error>,
) -> Result<(), Error> {
    if keys.change_id == 0 {
        return Err(invalid("change_id", "the id of a change is at least 1"));
    }
    let (watch_id, change_id) = (keys.watch_id, keys.change_id);
    let domains = api.store.domains().load();
    let change = match ready.and_then(|()| change(&api.limits, &domains, keys)) {
        Ok(change) => change,
        Err(refused) => {
            stream.refuse_keys(watch_id, change_id, refused);
            return Ok(());
        }
    };
    if change.added.len() <= LOOKUPS_INLINE_MAX {
        stream.change_keys(&change);
        return Ok(());
    }
    let stream = Arc::clone(stream);
    // A panic in there has aborted the process.
    let _ = tokio::task::spawn_blocking(move || stream.change_keys(&change)).await;
    Ok(())
}

fn change(limits: &Limits, table: &DomainTable, keys: proto::CacheKeys) -> Result<KeyChange, Error> {
    let count = keys.added.len() + keys.removed.len();
    if count > KEYS_PER_REQUEST_MAX {
        let (limit, count) = (KEYS_PER_REQUEST_MAX as u64, count as u64);
        return Err(too_large("added", "fixed", limit, count, "keys with those removed"));
    }
    let domain = strong(table, &keys.domain)?;
    let added = keys.added.into_iter().map(|added| {
        Ok(KnownKey {
            key: validate::key(limits, &added.key).map_err(|error| within("added.key", error))?,
            mod_revision: Revision(added.mod_revision),
        })
    });
    let removed = keys.removed.iter();
    let removed = removed.map(|key| validate::key(limits, key).map_err(|error| within("removed", error)));
    Ok(KeyChange {
        watch_id: keys.watch_id,
        change_id: keys.change_id,
        domain: domain.0,
        domain_name: domain.1,
        added: added.collect::<Result<_, Error>>()?,
        removed: removed.collect::<Result<_, Error>>()?,
    })
}

fn within(field: &str, error: Error) -> Error {
    Error {
        field: field.to_owned(),
        ..error
    }
}

/// The domain of keys that are cached.
pub(super) fn strong(table: &DomainTable, name: &str) -> Result<(DomainId, String), Error> {
    let name = validate::domain(name)?;
    let domain = table.strong(&name).map_err(|refusal| {
        let mut error = rejection(&refusal);
        if let Rejection::TierMismatch { .. } = refusal {
            error.message +=
                "; caches hold keys of the strong tier: those of the eventual one are in the memory of every member";
        }
        error
    })?;
    Ok((domain.id, name))
}
