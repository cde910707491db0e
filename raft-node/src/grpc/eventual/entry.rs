//! What a key holds, on the wire.

use quorate_eventual::resolve::{self, Candidate, counter};
use quorate_eventual::{ActorId, Held, ShardNumber, Sibling, Space, Strategy};
use quorate_proto::v1::{EventualEntry, EventualField, EventualSibling};

use super::check;
use crate::eventual::memory::wire_strategy;

/// What is read of a key under the lock of its shard.
pub(super) enum Content {
    /// A register, a counter or a flag.
    One(Held),
    /// A set or a map, by element.
    Many(Vec<(Box<[u8]>, Held)>),
}

/// An entry, once the lock is given back. With no values if only keys are wanted.
pub(super) fn entry(
    cluster: u64,
    shard: ShardNumber,
    space: Space,
    key: &[u8],
    content: &Content,
    keys_only: bool,
) -> EventualEntry {
    let mut entry = EventualEntry {
        key: key.to_vec().into(),
        r#type: check::wire_type(space).into(),
        ..EventualEntry::default()
    };
    match content {
        Content::One(held) => one(&mut entry, space, held, keys_only),
        Content::Many(elements) => many(&mut entry, space, elements, keys_only),
    }
    if keys_only {
        entry.value.clear();
        entry.siblings.clear();
    } else if let Content::One(held) = content {
        entry.context = held.context.encode(cluster, shard).into();
    }
    entry
}

fn one(entry: &mut EventualEntry, space: Space, held: &Held, keys_only: bool) {
    entry.exists = !held.siblings.is_empty();
    let times = held.siblings.iter().map(|(_, sibling)| sibling);
    entry.written_at_ms = times.clone().map(|sibling| sibling.hlc.ms()).max().unwrap_or(0);
    entry.expires_at_ms = last_end(times);
    match space {
        Space::Counter => entry.counter = sum(held),
        Space::Flag => entry.flag = entry.exists,
        Space::Register | Space::Set | Space::Map => match &held.siblings[..] {
            // Its value may be on the disk alone.
            [(_, only)] if keys_only => entry.strategy = wire_strategy(only.life.strategy()).into(),
            _ => register(entry, held),
        },
    }
}

fn register(entry: &mut EventualEntry, held: &Held) {
    let candidates: Vec<Candidate<'_>> = held
        .siblings
        .iter()
        .map(|(actor, sibling)| candidate(*actor, sibling))
        .collect();
    let Some(resolution) = resolve::resolve(&candidates) else {
        return;
    };
    entry.strategy = wire_strategy(resolution.strategy).into();
    entry.discarded = resolution.discarded;
    entry.value = resolution.value.into_owned().into();
    if resolution.strategy == Strategy::Siblings && held.siblings.len() > 1 {
        let mut siblings: Vec<&(ActorId, Sibling)> = held.siblings.iter().collect();
        siblings.sort_by_key(|(actor, sibling)| std::cmp::Reverse((sibling.hlc, *actor, sibling.dot.number())));
        entry.siblings = siblings
            .into_iter()
            .map(|(actor, sibling)| wire_sibling(*actor, sibling))
            .collect();
    }
}

fn many(entry: &mut EventualEntry, space: Space, elements: &[(Box<[u8]>, Held)], keys_only: bool) {
    entry.exists = !elements.is_empty();
    for (element, held) in elements {
        let siblings = held.siblings.iter().map(|(_, sibling)| sibling);
        let newest = siblings.clone().map(|sibling| sibling.hlc.ms()).max().unwrap_or(0);
        entry.written_at_ms = entry.written_at_ms.max(newest);
        if keys_only {
            continue;
        }
        let name = element.to_vec().into();
        if space == Space::Map {
            let candidates: Vec<Candidate<'_>> = held
                .siblings
                .iter()
                .map(|(actor, sibling)| candidate(*actor, sibling))
                .collect();
            let value = resolve::resolve(&candidates).map(|resolution| resolution.value.into_owned());
            entry.fields.push(EventualField {
                name,
                value: value.unwrap_or_default().into(),
            });
        } else {
            entry.members.push(name);
        }
    }
}

fn sum(held: &Held) -> i64 {
    let shares = held
        .siblings
        .iter()
        .filter_map(|(_, sibling)| counter::Share::decode(sibling.value.bytes()).ok());
    counter::sum(shares)
}

/// When the last of them ends; 0 if one never does.
fn last_end<'s>(siblings: impl Iterator<Item = &'s Sibling> + Clone) -> u64 {
    if siblings.clone().any(|sibling| !sibling.life.ends()) {
        return 0;
    }
    siblings.map(|sibling| sibling.life.expires_at_ms()).max().unwrap_or(0)
}

fn candidate(actor: ActorId, sibling: &Sibling) -> Candidate<'_> {
    Candidate {
        value: sibling.value.bytes(),
        strategy: sibling.life.strategy(),
        hlc: sibling.hlc,
        actor: actor.0,
        number: sibling.dot.number(),
    }
}

fn wire_sibling(actor: ActorId, sibling: &Sibling) -> EventualSibling {
    EventualSibling {
        value: sibling.value.bytes().to_vec().into(),
        written_at_ms: sibling.hlc.ms(),
        process: actor.0,
        number: sibling.dot.number(),
        expires_at_ms: sibling.life.expires_at_ms(),
    }
}
