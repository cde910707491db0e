//! Which ready item is next: by priority, then in turn between groups, then by id.
//!
//! The ready items of one group at one priority are a *lane*. At each priority the lanes that may be served stand in a
//! rotation: rows from turn to group. A claim serves the lane with the least turn of the highest priority and gives it a
//! new turn, behind the others. A group that has as many claims as it may have loses the turns of all its lanes, and gets
//! new ones when one of its claims ends; so the head of the rotation can always be served.
//!
//! All of this is decided by one function, `place`: whatever changes a group ends with it.

use bincode::{Decode, Encode};

use super::item::{ReadyRow, Standing, decode_ready, lane_prefix, ready_key};
use super::queue::Queue;
use crate::codec::Record;
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::LogTimeMs;

const TURN: u8 = 24;
const GROUP: u8 = 25;

/// Groups that one look for the head takes out of the rotation: a limit that was lowered puts many over it at once.
const HELD_BACK_PER_LOOK_MAX: u32 = 128;

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TurnRow {
    /// The group.
    pub group: String,
}

impl Record for TurnRow {
    const ID: u16 = 0x0234;
    const VERSION: u8 = 1;
}

/// The ready items of one group at one priority.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lane {
    /// The priority.
    pub priority: u8,
    /// How many.
    pub ready: u64,
    /// Its place in the rotation; none while its group is held back.
    pub turn: Option<u64>,
    /// Log time since which its first item has been ready.
    pub first_since: LogTimeMs,
}

/// What is stored of a group, while it has a ready or a claimed item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct GroupRow {
    /// Items that are claimed.
    pub claimed: u64,
    /// Ready items that are held back: all of them, or none.
    pub held_back: u64,
    /// At each priority that has ready items.
    pub lanes: Vec<Lane>,
}

impl Record for GroupRow {
    const ID: u16 = 0x0235;
    const VERSION: u8 = 1;
}

/// The item that is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub item: u64,
    /// What it keeps.
    pub standing: Standing,
}

/// Makes an item ready.
pub fn push(
    stage: &mut dyn Stage,
    queue: &mut Queue,
    item: u64,
    standing: &Standing,
    now: LogTimeMs,
) -> Result<(), StorageError> {
    let row = ReadyRow {
        attempts: standing.attempts,
        checkpoint: standing.checkpoint,
        since: now,
    };
    let key = ready_key(queue.id(), standing.priority, &standing.group, item);
    rows::write(stage, Table::Coordination, key, &row)?;
    queue.row.ready += 1;
    let mut group = load(stage, queue.id(), &standing.group)?;
    let at = group.lane_at(standing.priority);
    group.lanes[at].ready += 1;
    place(stage, queue, &standing.group, group, standing.priority)
}

/// The item that is next; none if no item may be claimed.
pub fn head(stage: &mut dyn Stage, queue: &mut Queue) -> Result<Option<Head>, StorageError> {
    for _ in 0..=HELD_BACK_PER_LOOK_MAX {
        let Some((priority, name)) = first_turn(stage, queue.id())? else {
            return Ok(None);
        };
        let group = load(stage, queue.id(), &name)?;
        if group.is_full(queue.row.config.group_claimed_max) {
            place(stage, queue, &name, group, priority)?;
            continue;
        }
        let Some((item, row)) = first_of_lane(stage, queue.id(), priority, &name)? else {
            return Err(corrupt(
                "reading the head of a queue",
                &"a turn is of a lane without items",
            ));
        };
        let standing = Standing {
            priority,
            group: name,
            attempts: row.attempts,
            checkpoint: row.checkpoint,
        };
        return Ok(Some(Head { item, standing }));
    }
    Ok(None)
}

/// Takes a ready item, mostly the head; counts it as a claim of its group, and moves its lane behind the others.
pub fn claim(stage: &mut dyn Stage, queue: &mut Queue, head: &Head) -> Result<(), StorageError> {
    let Standing { priority, group, .. } = &head.standing;
    let mut row = load(stage, queue.id(), group)?;
    row.claimed += 1;
    let at = row.lane_at(*priority);
    row.lanes[at].leave(stage, queue.id());
    leave_lane(stage, queue, head.item, &head.standing, row)
}

/// Counts one claim of a group more, of an item that was not ready.
pub fn hold(stage: &mut dyn Stage, queue: &mut Queue, standing: &Standing) -> Result<(), StorageError> {
    let mut group = load(stage, queue.id(), &standing.group)?;
    group.claimed += 1;
    place(stage, queue, &standing.group, group, standing.priority)
}

/// Items of a group that are claimed.
pub fn claims_of(view: &dyn View, queue: u64, group: &str) -> Result<u64, StorageError> {
    Ok(load(view, queue, group)?.claimed)
}

/// Takes a ready item away, wherever it stands.
pub fn remove(stage: &mut dyn Stage, queue: &mut Queue, item: u64, standing: &Standing) -> Result<(), StorageError> {
    let row = load(stage, queue.id(), &standing.group)?;
    leave_lane(stage, queue, item, standing, row)
}

/// Counts one claim of a group less.
pub fn release(stage: &mut dyn Stage, queue: &mut Queue, standing: &Standing) -> Result<(), StorageError> {
    let mut group = load(stage, queue.id(), &standing.group)?;
    group.claimed = group.claimed.saturating_sub(1);
    place(stage, queue, &standing.group, group, standing.priority)
}

fn leave_lane(
    stage: &mut dyn Stage,
    queue: &mut Queue,
    item: u64,
    standing: &Standing,
    mut group: GroupRow,
) -> Result<(), StorageError> {
    let key = ready_key(queue.id(), standing.priority, &standing.group, item);
    stage.delete(Table::Coordination, key);
    queue.row.ready = queue.row.ready.saturating_sub(1);
    let at = group.lane_at(standing.priority);
    group.lanes[at].ready = group.lanes[at].ready.saturating_sub(1);
    place(stage, queue, &standing.group, group, standing.priority)
}

/// Gives the lanes of a group the turns that they should have, counts what is held back, and writes the group. `touched`
/// is the priority whose first item may be another one now.
fn place(
    stage: &mut dyn Stage,
    queue: &mut Queue,
    name: &str,
    mut group: GroupRow,
    touched: u8,
) -> Result<(), StorageError> {
    let full = group.is_full(queue.row.config.group_claimed_max);
    for lane in &mut group.lanes {
        if full || lane.ready == 0 {
            lane.leave(stage, queue.id());
        } else if lane.turn.is_none() {
            queue.row.turns += 1;
            lane.turn = Some(queue.row.turns);
            let row = TurnRow { group: name.to_owned() };
            let key = turn_key(queue.id(), lane.priority, queue.row.turns);
            rows::write(stage, Table::Coordination, key, &row)?;
        }
        if lane.priority == touched
            && let Some((_, first)) = first_of_lane(stage, queue.id(), lane.priority, name)?
        {
            lane.first_since = first.since;
        }
    }
    group.lanes.retain(|lane| lane.ready > 0);
    let held_back = if full { group.ready() } else { 0 };
    queue.row.held_back = queue.row.held_back + held_back - group.held_back;
    queue.row.groups_waiting = queue.row.groups_waiting + u64::from(held_back > 0) - u64::from(group.held_back > 0);
    group.held_back = held_back;
    let key = group_key(queue.id(), name);
    if group.claimed == 0 && group.lanes.is_empty() {
        stage.delete(Table::Coordination, key);
        return Ok(());
    }
    rows::write(stage, Table::Coordination, key, &group)
}

impl GroupRow {
    fn is_full(&self, group_claimed_max: u64) -> bool {
        group_claimed_max != 0 && self.claimed >= group_claimed_max
    }

    fn ready(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.ready).sum()
    }

    /// Where the lane of this priority is; made if there is none. There are 256 at most, and mostly one.
    fn lane_at(&mut self, priority: u8) -> usize {
        if let Some(at) = self.lanes.iter().position(|lane| lane.priority == priority) {
            return at;
        }
        self.lanes.push(Lane {
            priority,
            ready: 0,
            turn: None,
            first_since: LogTimeMs(0),
        });
        self.lanes.len() - 1
    }
}

impl Lane {
    /// Leaves the rotation.
    fn leave(&mut self, stage: &mut dyn Stage, queue: u64) {
        if let Some(turn) = self.turn.take() {
            stage.delete(Table::Coordination, turn_key(queue, self.priority, turn));
        }
    }
}

fn load(view: &dyn View, queue: u64, name: &str) -> Result<GroupRow, StorageError> {
    let row = rows::read(view, Table::Coordination, &group_key(queue, name))?;
    Ok(row.unwrap_or_default())
}

/// Priority and group of the turn that is next.
fn first_turn(view: &dyn View, queue: u64) -> Result<Option<(u8, String)>, StorageError> {
    let prefix = Key::of(TURN).number(queue).done();
    let Some((key, row)) = rows::first(view, Table::Coordination, &prefix)? else {
        return Ok(None);
    };
    let Some((priority, _)) = decode_turn(&key) else {
        return Err(corrupt("reading a turn", &"its key does not decode"));
    };
    let row: TurnRow = rows::value(&row)?;
    Ok(Some((priority, row.group)))
}

fn first_of_lane(
    view: &dyn View,
    queue: u64,
    priority: u8,
    group: &str,
) -> Result<Option<(u64, ReadyRow)>, StorageError> {
    let Some((key, row)) = rows::first(view, Table::Coordination, &lane_prefix(queue, priority, group))? else {
        return Ok(None);
    };
    let Some((_, _, item)) = decode_ready(&key) else {
        return Err(corrupt("reading a ready item", &"its key does not decode"));
    };
    Ok(Some((item, rows::value(&row)?)))
}

fn turn_key(queue: u64, priority: u8, turn: u64) -> Vec<u8> {
    Key::of(TURN).number(queue).byte(u8::MAX - priority).number(turn).done()
}

/// Priority and number of a turn.
pub fn decode_turn(stored: &[u8]) -> Option<(u8, u64)> {
    let mut parts = Parts::of(TURN, stored)?;
    parts.number()?;
    let (priority, turn) = (u8::MAX - parts.byte()?, parts.number()?);
    parts.end().map(|()| (priority, turn))
}

fn group_key(queue: u64, name: &str) -> Vec<u8> {
    Key::of(GROUP).number(queue).text(name).done()
}

/// Prefix of the groups of a queue.
pub fn groups_prefix(queue: u64) -> Vec<u8> {
    Key::of(GROUP).number(queue).done()
}
