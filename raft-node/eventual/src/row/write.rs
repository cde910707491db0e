//! Rows, as they go to the disk.

use super::{CHECKSUM_BYTES, VERSION, checksum, entry_key, head_key};
use crate::actor::{ActorIndex, Actors};
use crate::entry::Sibling;
use crate::shard::{ShardNumber, Unflushed};
use crate::wire;

/// What has to be written of a shard, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The head, which is always written.
    pub head: (Vec<u8>, Vec<u8>),
    /// Entries that are new or changed: key and row.
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys of rows whose entries are gone.
    pub deletes: Vec<Vec<u8>>,
}

impl Rows {
    /// Of what changed.
    pub fn of(shard: ShardNumber, unflushed: &Unflushed, actors: &Actors) -> Self {
        let mut rows = Rows {
            head: head(shard, unflushed, actors),
            puts: Vec::with_capacity(unflushed.changed.len()),
            deletes: Vec::new(),
        };
        for (key, siblings) in &unflushed.changed {
            let key = entry_key(shard, key.bytes());
            if siblings.is_empty() {
                rows.deletes.push(key);
            } else {
                let row = entry(&key, siblings, actors);
                rows.puts.push((key, row));
            }
        }
        rows
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> usize {
        let pair = |(key, row): &(Vec<u8>, Vec<u8>)| key.len() + row.len();
        pair(&self.head) + self.puts.iter().map(pair).sum::<usize>() + self.deletes.iter().map(Vec::len).sum::<usize>()
    }
}

fn head(shard: ShardNumber, unflushed: &Unflushed, actors: &Actors) -> (Vec<u8>, Vec<u8>) {
    let key = head_key(shard);
    let mut row = vec![VERSION];
    numbers(&mut row, unflushed.clock.iter(), actors);
    numbers(&mut row, unflushed.clock.retired(), actors);
    let pending = unflushed.pending.iter().map(|dot| (dot.actor(), dot.number()));
    numbers(&mut row, pending, actors);
    row.extend_from_slice(&unflushed.last_hlc.0.to_le_bytes());
    wire::put_number(&mut row, unflushed.entries);
    row.extend_from_slice(&unflushed.digest.to_le_bytes());
    seal(&key, &mut row);
    (key, row)
}

fn entry(key: &[u8], siblings: &[Sibling], actors: &Actors) -> Vec<u8> {
    let values: usize = siblings.iter().map(|sibling| sibling.value.bytes().len()).sum();
    let mut row = Vec::with_capacity(2 + siblings.len() * 40 + values + CHECKSUM_BYTES);
    row.push(VERSION);
    wire::put_number(&mut row, siblings.len() as u64);
    for sibling in siblings {
        row.extend_from_slice(&actors.id(sibling.dot.actor()).0.to_le_bytes());
        wire::put_number(&mut row, sibling.dot.number());
        row.extend_from_slice(&sibling.hlc.0.to_le_bytes());
        row.push(sibling.life.strategy() as u8);
        wire::put_number(&mut row, sibling.life.expires_at_ms());
        wire::put_bytes(&mut row, sibling.value.bytes());
    }
    seal(key, &mut row);
    row
}

fn numbers(row: &mut Vec<u8>, list: impl Iterator<Item = (ActorIndex, u64)>, actors: &Actors) {
    let list: Vec<_> = list.collect();
    wire::put_number(row, list.len() as u64);
    for (actor, number) in list {
        row.extend_from_slice(&actors.id(actor).0.to_le_bytes());
        wire::put_number(row, number);
    }
}

fn seal(key: &[u8], row: &mut Vec<u8>) {
    let checksum = checksum(key, row);
    row.extend_from_slice(&checksum.to_le_bytes());
}
