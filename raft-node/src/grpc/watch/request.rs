//! From the messages of the wire to what a watch asks for.

use std::time::Duration;

use quorate_proto::v1::{self as proto, Error, WatchSpace, watch_create, watch_request};

use super::{cache, latest};
use crate::config::Limits;
use crate::grpc::error::{invalid, rejection, too_large};
use crate::grpc::validate;
use crate::mvcc::{DomainTable, Selector};
use crate::types::{DomainId, Rejection, Revision, Space};
use crate::watch::{Shape, WatchSpec};

/// Selectors of one watch.
const SELECTORS_MAX: usize = 64;
/// Marks come no more often, in milliseconds.
const MARK_INTERVAL_MS_MIN: u64 = 100;
/// Nor less often than once a day.
const MARK_INTERVAL_MS_MAX: u64 = 24 * 3600 * 1000;

/// Where a watch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// After the newest revision.
    Now,
    /// With this revision.
    From(Revision),
}

/// Checks where a watch starts.
pub(super) fn start(create: &proto::WatchCreate) -> Result<Start, Error> {
    match create.start {
        Some(watch_create::Start::Now(proto::WatchNow {})) => Ok(Start::Now),
        Some(watch_create::Start::FromRevision(0)) => Err(invalid(
            "from_revision",
            "a watch starts from revision 1 or later; to leave out what was written before, start now",
        )),
        Some(watch_create::Start::FromRevision(revision)) => Ok(Start::From(Revision(revision))),
        None => Err(invalid("start", "say where the watch starts: now, or from a revision")),
    }
}

/// It asks for keys of a domain that this member does not know, or not yet.
pub(super) fn names_unknown_domain(table: &DomainTable, request: &proto::WatchRequest) -> bool {
    let is_unknown = |name: &str| !name.is_empty() && table.tier(name).is_none();
    let create = match &request.request {
        Some(watch_request::Request::Create(create)) => create,
        Some(watch_request::Request::CacheKeys(keys)) => return is_unknown(&keys.domain),
        _ => return false,
    };
    // Those beyond the limit are refused unread.
    create.selectors.iter().take(SELECTORS_MAX).any(|selector| {
        let of_keys = matches!(selector.space(), WatchSpace::Unspecified | WatchSpace::Keys);
        of_keys && is_unknown(&selector.domain)
    })
}

/// Checks what is watched.
pub(super) fn spec(limits: &Limits, table: &DomainTable, create: &proto::WatchCreate) -> Result<WatchSpec, Error> {
    if let Some(cache) = create.cache {
        return cache::spec(cache, create);
    }
    let count = create.selectors.len();
    if count == 0 {
        return Err(invalid(
            "selectors",
            "nothing is selected: a watch has at least one selector",
        ));
    }
    if count > SELECTORS_MAX {
        return Err(too_large(
            "selectors",
            "fixed",
            SELECTORS_MAX as u64,
            count as u64,
            "selectors",
        ));
    }
    if create.no_puts && create.no_deletes {
        return Err(invalid(
            "no_deletes",
            "without puts and without deletes nothing of a key is left",
        ));
    }
    if create.latest {
        return latest::spec(limits, table, create);
    }
    let mut selectors = Vec::with_capacity(count);
    let mut domains = Vec::new();
    for one in &create.selectors {
        selectors.push(selector(limits, table, one, &mut domains)?);
    }
    Ok(WatchSpec {
        selectors,
        domains,
        no_puts: create.no_puts,
        no_deletes: create.no_deletes,
        shape: Shape {
            previous: create.previous,
            keys_only: create.keys_only,
        },
        mark_interval: mark_interval(create.mark_interval_ms)?,
        latest: None,
        cache: None,
    })
}

fn selector(
    limits: &Limits,
    table: &DomainTable,
    selector: &proto::WatchSelector,
    domains: &mut Vec<(DomainId, String)>,
) -> Result<(Space, Selector), Error> {
    let Ok(space) = WatchSpace::try_from(selector.space) else {
        let message = format!(
            "space {} is unknown: 1 keys, 2 leases, 3 locks, 4 queues, 5 workers, 6 tasks",
            selector.space
        );
        return Err(invalid("selectors.space", message));
    };
    let space = match space {
        WatchSpace::Unspecified | WatchSpace::Keys => {
            let name = validate::domain(&selector.domain)?;
            let id = table.strong(&name).map_err(|refused| strong_only(&refused))?.id;
            domains.push((id, name));
            Space::Keys(id)
        }
        WatchSpace::Leases => Space::Leases,
        WatchSpace::Locks => Space::Locks,
        WatchSpace::Queues => Space::Queues,
        WatchSpace::Workers => Space::Workers,
        WatchSpace::Tasks => Space::Tasks,
    };
    if !matches!(space, Space::Keys(_)) && !selector.domain.is_empty() {
        return Err(invalid("selectors.domain", "only keys have a domain"));
    }
    Ok((space, validate::selector(limits, selector.keys.as_ref())?))
}

fn strong_only(refused: &Rejection) -> Error {
    let mut error = rejection(refused);
    if let Rejection::TierMismatch { .. } = refused {
        error.message += "; a watch of the eventual tier asks for `latest`, and selects nothing else";
    }
    error
}

pub(super) fn mark_interval(interval_ms: u64) -> Result<Option<Duration>, Error> {
    match interval_ms {
        0 => Ok(None),
        MARK_INTERVAL_MS_MIN..=MARK_INTERVAL_MS_MAX => Ok(Some(Duration::from_millis(interval_ms))),
        _ => Err(Error {
            limit: if interval_ms < MARK_INTERVAL_MS_MIN {
                MARK_INTERVAL_MS_MIN
            } else {
                MARK_INTERVAL_MS_MAX
            },
            value: interval_ms,
            ..invalid(
                "mark_interval_ms",
                format!(
                    "marks come every {MARK_INTERVAL_MS_MIN} to {MARK_INTERVAL_MS_MAX} ms, or, with 0, not by themselves; \
                     this asks for {interval_ms} ms"
                ),
            )
        }),
    }
}
