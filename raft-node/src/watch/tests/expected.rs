//! What a watch should get, from the definition: every revision, every event, every selector.

use quorate_proto::v1::{self as proto, KeyEventKind, watch_event};

use crate::codec;
use crate::mvcc::{AppliedRevision, ChangeKind, Record};
use crate::types::{Revision, Space};
use crate::watch::spec::WatchSpec;

/// The events of each revision after `after` of which the watch gets something.
pub(super) fn events(
    truth: &[AppliedRevision],
    spec: &WatchSpec,
    after: Revision,
) -> Vec<(u64, Vec<proto::WatchEvent>)> {
    let later = truth.iter().filter(|applied| applied.revision > after);
    let each = later.map(|applied| (applied.revision.0, of_revision(applied, spec)));
    each.filter(|(_, events)| !events.is_empty()).collect()
}

fn of_revision(applied: &AppliedRevision, spec: &WatchSpec) -> Vec<proto::WatchEvent> {
    let selects = |space: Space, name: &[u8]| {
        let mut selectors = spec.selectors.iter();
        selectors.any(|(own, selector)| *own == space && selector.matches(name))
    };
    let mut events = Vec::new();
    for (changed, records) in applied.changes.keys.iter().zip(&applied.records) {
        let is_put = changed.kind == ChangeKind::Put;
        let held_back = if is_put { spec.no_puts } else { spec.no_deletes };
        if held_back || !selects(Space::Keys(changed.domain), &changed.key) {
            continue;
        }
        let record = |stored: &Vec<u8>| wire(&changed.key, codec::decode(stored).unwrap(), spec.shape.keys_only);
        let gone = proto::Record {
            key: changed.key.clone().into(),
            mod_revision: applied.revision.0,
            ..proto::Record::default()
        };
        let kind = match changed.kind {
            ChangeKind::Put => KeyEventKind::Put,
            ChangeKind::Delete => KeyEventKind::Delete,
            ChangeKind::Expire => KeyEventKind::Expire,
        };
        let previous = records.previous.as_ref().filter(|_| spec.shape.previous);
        events.push(watch_event::Event::Key(proto::KeyEvent {
            domain: "default".to_owned(),
            kind: kind.into(),
            record: Some(records.record.as_ref().map_or(gone, record)),
            previous: previous.map(record),
            ..proto::KeyEvent::default()
        }));
    }
    let others = applied
        .changes
        .events
        .iter()
        .filter(|event| selects(event.space(), &event.name()));
    events.extend(others.map(crate::watch::wire::coordination));
    let wrap = |event| proto::WatchEvent { event: Some(event) };
    events.into_iter().map(wrap).collect()
}

fn wire(key: &[u8], record: Record, keys_only: bool) -> proto::Record {
    proto::Record {
        key: key.to_vec().into(),
        value: if keys_only {
            Vec::new().into()
        } else {
            record.value.into()
        },
        create_revision: record.create_revision.0,
        mod_revision: record.mod_revision.0,
        version: record.version,
        lease: record.lease.map_or(0, |lease| lease.0),
        expires_at_ms: record.expires_at.map_or(0, |at| at.0),
        tags: record.tags,
    }
}
