//! The rows of an item: what it holds, on disk, and one small row that says where it is.

use bincode::{Decode, Encode};

use crate::codec::Record;
use crate::rows::{Key, Parts};
use crate::storage::Table;
use crate::types::{LeaseId, LogTimeMs, Revision};

const READY: u8 = 23;
const DELAYED: u8 = 26;
const CLAIMED: u8 = 27;
const DEAD: u8 = 28;
const ITEM: u8 = 31;
const CHECKPOINT: u8 = 32;

/// Where an item is.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum ItemState {
    /// It waits for a claim.
    Ready,
    /// Its delay is not over.
    Delayed,
    /// Somebody has it.
    Claimed,
    /// It came back too often, or was given up.
    Dead,
}

impl ItemState {
    /// The kind of the rows of items in this state.
    pub fn row(self) -> u8 {
        match self {
            ItemState::Ready => READY,
            ItemState::Delayed => DELAYED,
            ItemState::Claimed => CLAIMED,
            ItemState::Dead => DEAD,
        }
    }
}

/// What goes with an item from state to state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// Higher goes first.
    pub priority: u8,
    /// Whose turn it takes.
    pub group: String,
    /// Claims so far.
    pub attempts: u32,
    /// It has a checkpoint.
    pub checkpoint: bool,
}

/// What an item holds. Written once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ItemRow {
    /// Log time at which it was enqueued.
    pub enqueued: LogTimeMs,
    /// Wall time at which it was enqueued, for people.
    pub enqueued_wall_ms: u64,
    /// The key by which a repetition is recognised.
    pub dedupe_key: Option<String>,
    /// The work.
    pub payload: Vec<u8>,
}

impl Record for ItemRow {
    const ID: u16 = 0x023A;
    const VERSION: u8 = 1;
}

/// How far the work on an item is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckpointRow {
    /// Opaque here.
    pub data: Vec<u8>,
}

impl Record for CheckpointRow {
    const ID: u16 = 0x023B;
    const VERSION: u8 = 1;
}

/// Of an item that waits for a claim. Its priority and group stand in the key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadyRow {
    /// Claims so far.
    pub attempts: u32,
    /// It has a checkpoint.
    pub checkpoint: bool,
    /// Log time since which it waits.
    pub since: LogTimeMs,
}

impl Record for ReadyRow {
    const ID: u16 = 0x0233;
    const VERSION: u8 = 1;
}

/// Of an item whose delay is not over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DelayedRow {
    /// What it keeps.
    pub standing: Standing,
    /// Log time at which it becomes ready.
    pub due: LogTimeMs,
}

impl Record for DelayedRow {
    const ID: u16 = 0x0236;
    const VERSION: u8 = 1;
}

/// Of an item that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClaimRow {
    /// What it keeps; this claim is counted.
    pub standing: Standing,
    /// Revision of the claim: its fencing token.
    pub token: Revision,
    /// Log time at which the claim is over.
    pub deadline: LogTimeMs,
    /// The claim ends with this lease.
    pub lease: Option<LeaseId>,
    /// Who has it, for people.
    pub worker: String,
}

impl Record for ClaimRow {
    const ID: u16 = 0x0237;
    const VERSION: u8 = 1;
}

/// Of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeadRow {
    /// What it keeps.
    pub standing: Standing,
    /// Log time since which it is dead.
    pub since: LogTimeMs,
    /// Why, for people.
    pub reason: String,
}

impl Record for DeadRow {
    const ID: u16 = 0x0238;
    const VERSION: u8 = 1;
}

/// Key of a ready item, in the coordination table.
pub fn ready_key(queue: u64, priority: u8, group: &str, item: u64) -> Vec<u8> {
    lane(queue, priority, group).number(item).done()
}

/// Prefix of the ready items of a group at one priority, in the order of their ids.
pub fn lane_prefix(queue: u64, priority: u8, group: &str) -> Vec<u8> {
    lane(queue, priority, group).done()
}

fn lane(queue: u64, priority: u8, group: &str) -> Key {
    Key::of(READY).number(queue).byte(u8::MAX - priority).text(group)
}

/// Priority, group and id of a ready item.
pub fn decode_ready(stored: &[u8]) -> Option<(u8, String, u64)> {
    let mut parts = Parts::of(READY, stored)?;
    parts.number()?;
    let (priority, group, item) = (u8::MAX - parts.byte()?, parts.text()?, parts.number()?);
    parts.end().map(|()| (priority, group, item))
}

/// Key of a delayed item, in the coordination table.
pub fn delayed_key(queue: u64, item: u64) -> Vec<u8> {
    Key::of(DELAYED).number(queue).number(item).done()
}

/// Key of a claimed item, in the coordination table.
pub fn claimed_key(queue: u64, item: u64) -> Vec<u8> {
    Key::of(CLAIMED).number(queue).number(item).done()
}

/// Prefix of the claimed items of all queues.
pub fn claims_prefix() -> Vec<u8> {
    Key::of(CLAIMED).done()
}

/// Key of a dead letter, in the coordination table.
pub fn dead_key(queue: u64, item: u64) -> Vec<u8> {
    Key::of(DEAD).number(queue).number(item).done()
}

/// Prefix of the items of a queue that are in this state.
pub fn state_prefix(queue: u64, state: ItemState) -> Vec<u8> {
    let kind = match state {
        ItemState::Ready => READY,
        ItemState::Delayed => DELAYED,
        ItemState::Claimed => CLAIMED,
        ItemState::Dead => DEAD,
    };
    Key::of(kind).number(queue).done()
}

/// The id of an item that is delayed, claimed or dead.
pub fn decode_item(state: ItemState, stored: &[u8]) -> Option<u64> {
    let kind = match state {
        ItemState::Ready => return decode_ready(stored).map(|(_, _, item)| item),
        ItemState::Delayed => DELAYED,
        ItemState::Claimed => CLAIMED,
        ItemState::Dead => DEAD,
    };
    let mut parts = Parts::of(kind, stored)?;
    parts.number()?;
    let item = parts.number()?;
    parts.end().map(|()| item)
}

/// Key of what an item holds, in the table of items.
pub fn item_key(queue: u64, item: u64) -> Vec<u8> {
    Key::of(ITEM).number(queue).number(item).done()
}

/// Key of an item's checkpoint, in the table of items.
pub fn checkpoint_key(queue: u64, item: u64) -> Vec<u8> {
    Key::of(CHECKPOINT).number(queue).number(item).done()
}

/// Removes what an item holds.
pub fn remove(stage: &mut dyn crate::storage::Stage, queue: u64, item: u64, checkpoint: bool) {
    stage.delete(Table::Items, item_key(queue, item));
    if checkpoint {
        stage.delete(Table::Items, checkpoint_key(queue, item));
    }
}
