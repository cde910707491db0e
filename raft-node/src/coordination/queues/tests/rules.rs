//! The rules that tie the rows of queues together, checked by looking at all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::coordination::queues::item::{ClaimRow, DeadRow, DelayedRow, ReadyRow};
use crate::coordination::queues::order::{GroupRow, TurnRow, decode_turn};
use crate::coordination::queues::queue::{CountRow, NameRow, QueueRow};
use crate::coordination::queues::timers::{Timer, TimerKind, TimerRow};
use crate::coordination::queues::{ItemState, dedupe::DedupeRow};
use crate::leases::{self, Attachment};
use crate::rows::{self, Parts};
use crate::state_machine::testing::Store;
use crate::storage::{Engine, Table};
use crate::types::LeaseId;

/// Everything there is of one queue.
#[derive(Default)]
struct Found {
    ready: BTreeMap<(u8, String, u64), ReadyRow>,
    delayed: BTreeMap<u64, DelayedRow>,
    claimed: BTreeMap<u64, ClaimRow>,
    dead: BTreeMap<u64, DeadRow>,
    turns: BTreeMap<(u8, u64), String>,
    groups: BTreeMap<String, GroupRow>,
    timers: BTreeSet<(u64, u8, u64)>,
    keys: BTreeMap<String, DedupeRow>,
    key_timers: BTreeMap<u64, (u64, String)>,
    items: BTreeSet<u64>,
    checkpoints: BTreeSet<u64>,
}

#[derive(Default)]
struct All {
    queues: BTreeMap<String, QueueRow>,
    names: BTreeMap<u64, String>,
    count: u64,
    found: BTreeMap<u64, Found>,
}

/// Panics unless the rules hold.
pub(crate) fn check_rules(store: &Store) {
    let mut all = gather(store);
    assert_eq!(all.count, all.queues.len() as u64, "queues are counted");
    assert_eq!(all.names.len(), all.queues.len());
    let mut attached = BTreeSet::new();
    for (name, row) in &all.queues {
        assert_eq!(all.names.get(&row.id), Some(name), "a queue is found by its id");
        let found = all.found.remove(&row.id).unwrap_or_default();
        check_counts(row, &found);
        check_states(row, &found);
        check_order(row, &found);
        for (item, claim) in &found.claimed {
            attached.extend(claim.lease.map(|lease| (lease, row.id, *item)));
        }
    }
    for (id, found) in &all.found {
        let left = found.items.len() + found.timers.len() + found.groups.len() + found.turns.len();
        assert_eq!(left, 0, "queue {id} was deleted; only its dedupe keys may be left");
        assert_eq!(found.keys.len(), found.key_timers.len());
    }
    assert_eq!(
        receipts(store),
        attached,
        "a claim is attached exactly to the lease that it names"
    );
}

fn check_counts(row: &QueueRow, found: &Found) {
    let counted = (row.ready, row.delayed, row.claimed, row.dead, row.dedupe_keys);
    let rows = (
        found.ready.len() as u64,
        found.delayed.len() as u64,
        found.claimed.len() as u64,
        found.dead.len() as u64,
        found.keys.len() as u64,
    );
    assert_eq!(counted, rows, "the counts are the numbers of rows");
    let held_back: u64 = found.groups.values().map(|group| group.held_back).sum();
    let waiting = found.groups.values().filter(|group| group.held_back > 0).count() as u64;
    assert_eq!((row.held_back, row.groups_waiting), (held_back, waiting));
}

fn check_states(row: &QueueRow, found: &Found) {
    let mut places = BTreeSet::new();
    let mut checkpoints = BTreeSet::new();
    let mut timers = BTreeSet::new();
    let mut add = |item: u64, checkpoint: bool| {
        assert!(places.insert(item), "item {item} is in one state");
        assert!((1..=row.items).contains(&item));
        if checkpoint {
            checkpoints.insert(item);
        }
    };
    found
        .ready
        .iter()
        .for_each(|((_, _, item), row)| add(*item, row.checkpoint));
    found
        .dead
        .iter()
        .for_each(|(item, row)| add(*item, row.standing.checkpoint));
    for (item, delayed) in &found.delayed {
        add(*item, delayed.standing.checkpoint);
        timers.insert((delayed.due.0, TimerKind::Delay as u8, *item));
    }
    for (item, claim) in &found.claimed {
        add(*item, claim.standing.checkpoint);
        timers.insert((claim.deadline.0, TimerKind::Visibility as u8, *item));
    }
    assert_eq!(
        places, found.items,
        "an item that holds something is in a state, and the other way round"
    );
    assert_eq!(checkpoints, found.checkpoints);
    assert_eq!(
        timers, found.timers,
        "delayed and claimed items have a timer, and nothing else has"
    );
    let keys = found
        .keys
        .iter()
        .map(|(key, row)| (row.item, (row.until.0, key.clone())));
    assert_eq!(
        keys.collect::<BTreeMap<_, _>>(),
        found.key_timers,
        "every dedupe key has a timer"
    );
}

fn check_order(row: &QueueRow, found: &Found) {
    let mut turns = BTreeMap::new();
    let mut lanes: BTreeMap<(u8, String), u64> = BTreeMap::new();
    for (priority, group, _) in found.ready.keys() {
        *lanes.entry((*priority, group.clone())).or_default() += 1;
    }
    for (name, group) in &found.groups {
        let claimed = found.claimed.values().filter(|claim| claim.standing.group == *name);
        assert_eq!(group.claimed, claimed.count() as u64, "claims of group {name:?}");
        assert!(
            group.claimed > 0 || !group.lanes.is_empty(),
            "group {name:?} is kept for nothing"
        );
        let ready: u64 = group.lanes.iter().map(|lane| lane.ready).sum();
        assert!(
            group.held_back == 0 || group.held_back == ready,
            "all of a group is held back, or nothing"
        );
        for lane in &group.lanes {
            let key = (lane.priority, name.clone());
            assert_eq!(lanes.remove(&key), Some(lane.ready), "ready items of {key:?}");
            assert_eq!(
                lane.turn.is_none(),
                group.held_back > 0,
                "a lane has a turn unless it is held back"
            );
            turns.extend(lane.turn.map(|turn| ((lane.priority, turn), name.clone())));
            let lane_rows = found
                .ready
                .iter()
                .filter(|((p, g, _), _)| (p, g) == (&lane.priority, name));
            let first = lane_rows.min_by_key(|((_, _, item), _)| *item);
            assert_eq!(first.map(|(_, row)| row.since), Some(lane.first_since));
        }
    }
    assert!(lanes.is_empty(), "ready items without a lane: {lanes:?}");
    assert_eq!(turns, found.turns, "the rotation has exactly the turns of the lanes");
    assert!(turns.keys().all(|(_, turn)| *turn <= row.turns));
}

fn gather(store: &Store) -> All {
    let mut all = All::default();
    for (table, key, value) in store.dump() {
        if matches!(table, Table::Coordination | Table::Items) && (20..=39).contains(&key[2]) {
            gather_row(&mut all, &key, &value).expect("the key of a queue's row decodes");
        }
    }
    all
}

fn gather_row(all: &mut All, key: &[u8], value: &[u8]) -> Option<()> {
    let kind = key[2];
    let mut parts = Parts::of(kind, key)?;
    match kind {
        20 => drop(all.queues.insert(parts.text()?, rows::value(value).unwrap())),
        21 => drop(
            all.names
                .insert(parts.number()?, rows::value::<NameRow>(value).unwrap().name),
        ),
        22 => all.count = rows::value::<CountRow>(value).unwrap().queues,
        29 => gather_timer(all, key, value)?,
        _ => {
            let found = all.found.entry(parts.number()?).or_default();
            gather_part(found, kind, parts, key, value)?;
        }
    }
    Some(())
}

fn gather_part(found: &mut Found, kind: u8, mut parts: Parts<'_>, key: &[u8], value: &[u8]) -> Option<()> {
    match kind {
        23 => {
            let place = (255 - parts.byte()?, parts.text()?, parts.number()?);
            found.ready.insert(place, rows::value(value).unwrap());
        }
        24 => {
            let turn: TurnRow = rows::value(value).unwrap();
            found.turns.insert(decode_turn(key)?, turn.group);
        }
        25 => drop(found.groups.insert(parts.text()?, rows::value(value).unwrap())),
        26 => drop(found.delayed.insert(parts.number()?, rows::value(value).unwrap())),
        27 => drop(found.claimed.insert(parts.number()?, rows::value(value).unwrap())),
        28 => drop(found.dead.insert(parts.number()?, rows::value(value).unwrap())),
        30 => drop(found.keys.insert(parts.text()?, rows::value(value).unwrap())),
        31 => assert!(found.items.insert(parts.number()?)),
        32 => assert!(found.checkpoints.insert(parts.number()?)),
        _ => return None,
    }
    Some(())
}

fn gather_timer(all: &mut All, key: &[u8], value: &[u8]) -> Option<()> {
    let timer = Timer::decode(key)?;
    let row: TimerRow = rows::value(value).unwrap();
    let found = all.found.entry(timer.queue).or_default();
    if timer.kind == TimerKind::Dedupe {
        let before = found.key_timers.insert(timer.item, (timer.due.0, row.dedupe_key));
        assert_eq!(before, None, "an item has one dedupe key");
    } else {
        assert!(found.timers.insert((timer.due.0, timer.kind as u8, timer.item)));
    }
    Some(())
}

fn receipts(store: &Store) -> BTreeSet<(LeaseId, u64, u64)> {
    let mut found = BTreeSet::new();
    let view = store.engine.view();
    leases::scan(&*view, LeaseId(0), &mut |lease, _| {
        for attachment in leases::attached(&*view, lease).unwrap() {
            if let Attachment::Receipt { queue, item } = attachment {
                found.insert((lease, queue, item));
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

/// How many items of a queue are in each state, as its row says.
pub(super) fn counts(row: &QueueRow) -> BTreeMap<ItemState, u64> {
    let states = [
        (ItemState::Ready, row.ready),
        (ItemState::Delayed, row.delayed),
        (ItemState::Claimed, row.claimed),
        (ItemState::Dead, row.dead),
    ];
    states.into_iter().filter(|(_, count)| *count > 0).collect()
}
