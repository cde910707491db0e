//! From the messages of the wire to what a watch of the eventual tier asks for.

use quorate_proto::v1::{self as proto, Error, ErrorCode, WatchSpace};

use super::request::Start;
use crate::config::Limits;
use crate::grpc::error::{invalid, refused, rejection};
use crate::grpc::validate;
use crate::mvcc::{DomainTable, Selector};
use crate::types::{DomainId, Rejection, Revision, Space};
use crate::watch::{Shape, WatchSpec};

/// Name of the domain that selectors without one mean.
const DEFAULT_DOMAIN: &str = "default-eventual";

/// Whether it begins with what there is.
pub(super) fn is_existing_wanted(start: Start) -> Result<bool, Error> {
    match start {
        Start::Now => Ok(false),
        Start::From(Revision(1)) => Ok(true),
        Start::From(Revision(revision)) => Err(Error {
            value: revision,
            ..invalid(
                "from_revision",
                format!(
                    "the eventual tier has no revisions: watch from 1, for everything that there is and then what changes, \
                     or from now on; this asks for {revision}"
                ),
            )
        }),
    }
}

/// Checks what is watched. The number of selectors was checked.
pub(super) fn spec(limits: &Limits, table: &DomainTable, create: &proto::WatchCreate) -> Result<WatchSpec, Error> {
    if create.previous {
        return Err(invalid(
            "previous",
            "the eventual tier keeps no record of what was before: a watch of it tells latest values",
        ));
    }
    if create.mark_interval_ms > 0 {
        return Err(Error {
            value: create.mark_interval_ms,
            ..invalid(
                "mark_interval_ms",
                "the eventual tier has no revisions, so a watch of it has no marks at an interval",
            )
        });
    }
    let mut spec = WatchSpec {
        selectors: Vec::with_capacity(create.selectors.len()),
        domains: Vec::new(),
        no_puts: create.no_puts,
        no_deletes: create.no_deletes,
        shape: Shape {
            previous: false,
            keys_only: create.keys_only,
        },
        mark_interval: None,
        latest: None,
        cache: None,
    };
    let mut volatile = Vec::new();
    for one in &create.selectors {
        let (space, selector) = selector(limits, table, one, &mut spec.domains, &mut volatile)?;
        spec.selectors.push((space, selector));
    }
    spec.latest = Some(volatile);
    Ok(spec)
}

fn selector(
    limits: &Limits,
    table: &DomainTable,
    selector: &proto::WatchSelector,
    domains: &mut Vec<(DomainId, String)>,
    volatile: &mut Vec<DomainId>,
) -> Result<(Space, Selector), Error> {
    if !matches!(selector.space(), WatchSpace::Unspecified | WatchSpace::Keys) {
        let message = "leases, locks, queues, workers and tasks are of the strong tier: a watch of latest values selects keys \
                       of the eventual tier only; open another watch on this stream";
        return Err(Error {
            field: "selectors.space".to_owned(),
            ..refused(ErrorCode::TierMismatch, message.to_owned())
        });
    }
    let name = match selector.domain.as_str() {
        "" => DEFAULT_DOMAIN.to_owned(),
        name => validate::domain(name)?,
    };
    let domain = table.eventual(&name).map_err(|refused| mixed(&refused))?;
    if !domains.iter().any(|(id, _)| *id == domain.id) {
        domains.push((domain.id, name));
        if domain.volatile {
            volatile.push(domain.id);
        }
    }
    Ok((
        Space::Keys(domain.id),
        validate::selector(limits, selector.keys.as_ref())?,
    ))
}

fn mixed(refused: &Rejection) -> Error {
    let mut error = rejection(refused);
    if let Rejection::TierMismatch { .. } = refused {
        error.field = "selectors.domain".to_owned();
        error.message += "; a watch of latest values selects domains of the eventual tier only: open another watch, without \
                          `latest`, on this stream";
    }
    error
}
