//! What a key holds now, as an event.

use bytes::Bytes;
use prost::Message;
use quorate_eventual::resolve::{self, Candidate, counter};
use quorate_eventual::{Address, Held, Place, Space, Strategy};
use quorate_proto::v1::{self as proto, EventualType, KeyEventKind, watch_event};

use super::pending::Changed;
use crate::eventual::Tier;
use crate::types::DomainId;
use crate::watch::spec::WatchSpec;

/// Whether that a key is not there is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It went.
    Told,
    /// It was looked for, and has never been told of.
    Skipped,
}

/// What a key holds.
#[derive(Default)]
struct Content {
    exists: bool,
    value: Vec<u8>,
    siblings: u32,
}

/// The encoded event; none if the filters of the watch hold it back.
pub(super) fn event(tier: &Tier, spec: &WatchSpec, changed: &Changed, absent: Absent) -> Option<Bytes> {
    let address = Address::decode(&changed.key).ok()?;
    let (_, domain) = spec.domains.iter().find(|(id, _)| *id == DomainId(address.domain))?;
    let content = content(tier, changed, &address)?;
    let kind = match (content.exists, changed.ended) {
        (true, _) => KeyEventKind::Put,
        (false, true) => KeyEventKind::Expire,
        (false, false) => KeyEventKind::Delete,
    };
    let held_back = match kind {
        KeyEventKind::Put => spec.no_puts,
        _ => spec.no_deletes || absent == Absent::Skipped,
    };
    if held_back {
        return None;
    }
    let value = if spec.shape.keys_only {
        Vec::new()
    } else {
        content.value
    };
    let key = proto::KeyEvent {
        domain: domain.clone(),
        kind: kind.into(),
        record: Some(proto::Record {
            key: Bytes::copy_from_slice(address.name),
            value: value.into(),
            ..proto::Record::default()
        }),
        r#type: wire_type(address.space).into(),
        siblings: content.siblings,
        ..proto::KeyEvent::default()
    };
    let event = Some(watch_event::Event::Key(key));
    Some(proto::WatchEvent { event }.encode_to_vec().into())
}

fn content(tier: &Tier, changed: &Changed, address: &Address<'_>) -> Option<Content> {
    let place = Place::of(Address {
        element: None,
        ..*address
    });
    if address.space.has_elements() {
        let shard = tier.store.lock(changed.shard);
        return Some(Content {
            exists: shard.holds_elements(&place, tier.wall_ms()),
            ..Content::default()
        });
    }
    // Without it the member stops, and whoever watches looks again at another.
    let held = tier.read(changed.shard, &place, None).ok()?;
    Some(match address.space {
        _ if held.siblings.is_empty() => Content::default(),
        Space::Register => register(&held),
        Space::Counter => Content {
            exists: true,
            value: sum(&held).to_string().into_bytes(),
            siblings: 0,
        },
        Space::Flag | Space::Set | Space::Map => Content {
            exists: true,
            ..Content::default()
        },
    })
}

fn register(held: &Held) -> Content {
    let candidates: Vec<Candidate<'_>> = held
        .siblings
        .iter()
        .map(|(actor, sibling)| Candidate {
            value: sibling.value.bytes(),
            strategy: sibling.life.strategy(),
            hlc: sibling.hlc,
            actor: actor.0,
            number: sibling.dot.number(),
        })
        .collect();
    let Some(resolution) = resolve::resolve(&candidates) else {
        return Content::default();
    };
    let stand_beside = resolution.strategy == Strategy::Siblings && candidates.len() > 1;
    Content {
        exists: true,
        value: resolution.value.into_owned(),
        siblings: if stand_beside {
            u32::try_from(candidates.len()).unwrap_or(u32::MAX)
        } else {
            0
        },
    }
}

fn sum(held: &Held) -> i64 {
    let shares = held
        .siblings
        .iter()
        .filter_map(|(_, sibling)| counter::Share::decode(sibling.value.bytes()).ok());
    counter::sum(shares)
}

fn wire_type(space: Space) -> EventualType {
    match space {
        Space::Register => EventualType::Register,
        Space::Counter => EventualType::Counter,
        Space::Set => EventualType::Set,
        Space::Map => EventualType::Map,
        Space::Flag => EventualType::Flag,
    }
}
