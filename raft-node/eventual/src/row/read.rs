//! Rows, as they come from the disk.

use super::{CHECKSUM_BYTES, KIND_ENTRY, KIND_HEAD, SHARD_BYTES, Unreadable, VERSION, checksum, entry_key};
use crate::actor::{ActorId, ActorIndex, Actors};
use crate::clock::Clock;
use crate::dot::{Dot, NUMBER_MAX};
use crate::entry::{Life, Sibling, Value};
use crate::hlc::Hlc;
use crate::key::Key;
use crate::kind::Strategy;
use crate::shard::{ShardNumber, Siblings};
use crate::wire::{Damaged, Reader};

/// Takes the rows of one shard, in the order of their keys.
#[derive(Debug)]
pub struct Stored {
    shard: ShardNumber,
    head: Option<Head>,
    entries: Vec<(Key, Siblings)>,
}

#[derive(Debug)]
struct Head {
    clock: Clock,
    pending: Vec<Dot>,
    last_hlc: Hlc,
    entries: u64,
    digest: u64,
}

/// A shard as it was on disk: every row that its head counts, and nothing that its clock does not cover.
#[derive(Debug)]
pub struct StoredShard {
    pub(crate) clock: Clock,
    pub(crate) pending: Vec<Dot>,
    pub(crate) last_hlc: Hlc,
    pub(crate) digest: u64,
    pub(crate) entries: Vec<(Key, Siblings)>,
}

impl Stored {
    /// Nothing yet.
    pub fn new(shard: ShardNumber) -> Self {
        Stored {
            shard,
            head: None,
            entries: Vec::new(),
        }
    }

    /// The next row. After an error, the rows of the shard are of no use.
    pub fn take(&mut self, key: &[u8], row: &[u8], actors: &Actors) -> Result<(), Unreadable> {
        let body = open(key, row)?;
        let (shard, rest) = key.split_at_checked(SHARD_BYTES).ok_or(Damaged("a key is too short"))?;
        if shard != self.shard.get().to_be_bytes() {
            return Err(Damaged("a row is of another shard").into());
        }
        match (rest.split_first(), &self.head) {
            (Some((&KIND_HEAD, [])), None) => {
                let head = head(body, actors)?;
                self.entries
                    .reserve(usize::try_from(head.entries.min(1 << 20)).unwrap_or(0));
                self.head = Some(head);
                Ok(())
            }
            (Some((&KIND_ENTRY, bytes)), Some(head)) => {
                let key = Key::decode(bytes)?;
                if key.shard(self.shard.is_volatile()) != self.shard {
                    return Err(Damaged("a key is not in the shard of its row").into());
                }
                let siblings = siblings(body, actors)?;
                if !siblings.iter().all(|sibling| head.clock.covers(sibling.dot)) {
                    return Err(Damaged("a value is not covered by its shard's clock").into());
                }
                self.entries.push((key, siblings));
                Ok(())
            }
            (Some((&KIND_ENTRY, _)), None) => Err(Damaged("a shard has entries and no head").into()),
            _ => Err(Damaged("a row is of no known kind").into()),
        }
    }

    /// All rows were taken. None if there were none.
    pub fn finish(self) -> Result<Option<StoredShard>, Unreadable> {
        let Some(head) = self.head else {
            return Ok(None);
        };
        if head.entries != self.entries.len() as u64 {
            return Err(Damaged("a shard has not as many entries as its head says").into());
        }
        Ok(Some(StoredShard {
            clock: head.clock,
            pending: head.pending,
            last_hlc: head.last_hlc,
            digest: head.digest,
            entries: self.entries,
        }))
    }
}

/// One entry, as its row on the disk says. Nothing else makes one: a value that leaves the memory is on the disk.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    pub(crate) key: Key,
    siblings: Siblings,
}

impl StoredEntry {
    /// What the row of a key holds.
    pub fn read(shard: ShardNumber, key: Key, row: &[u8], actors: &Actors) -> Result<Self, Unreadable> {
        let body = open(&entry_key(shard, key.bytes()), row)?;
        let siblings = siblings(body, actors)?;
        Ok(StoredEntry { key, siblings })
    }

    /// What the operation wrote, if the row still has it.
    pub fn value(&self, dot: Dot) -> Option<&Value> {
        let found = self.siblings.iter().find(|sibling| sibling.dot == dot);
        found.map(|sibling| &sibling.value)
    }

    /// What a disk would say that has all of this.
    #[cfg(test)]
    pub(crate) fn of(key: &Key, siblings: Siblings) -> Self {
        StoredEntry {
            key: key.clone(),
            siblings,
        }
    }
}

/// What stands between the version and the checksum. The checksum is looked at first: a flipped bit is not a later version.
fn open<'a>(key: &[u8], row: &'a [u8]) -> Result<Reader<'a>, Unreadable> {
    let (body, sum) = row
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(Damaged("a row is too short"))?;
    if checksum(key, body) != u32::from_le_bytes(*sum) {
        return Err(Damaged("the checksum of a row is wrong").into());
    }
    let mut reader = Reader::new(body);
    match reader.byte()? {
        VERSION => Ok(reader),
        version => Err(Unreadable::Version(version)),
    }
}

fn head(mut body: Reader<'_>, actors: &Actors) -> Result<Head, Unreadable> {
    let mut clock = Clock::default();
    for (actor, number) in numbers(&mut body, actors)? {
        clock.advance(actor, number);
    }
    for (actor, last) in numbers(&mut body, actors)? {
        clock.advance(actor, last);
        clock.retire(actor, last);
    }
    let pending = numbers(&mut body, actors)?;
    let head = Head {
        clock,
        pending: pending
            .into_iter()
            .map(|(actor, number)| Dot::new(actor, number))
            .collect(),
        last_hlc: Hlc(body.word()?),
        entries: body.number()?,
        digest: body.word()?,
    };
    end(&body)?;
    Ok(head)
}

fn siblings(mut body: Reader<'_>, actors: &Actors) -> Result<Siblings, Unreadable> {
    // Actor, number, moment, strategy, end and length take at least these.
    let count = body.count(20)?;
    if count == 0 {
        return Err(Damaged("an entry has no value").into());
    }
    let mut siblings = Siblings::with_capacity(count);
    for _ in 0..count {
        let actor = actors.index(ActorId(body.word()?))?;
        let dot = Dot::new(actor, number(&mut body)?);
        let hlc = Hlc(body.word()?);
        let strategy = Strategy::from_number(body.byte()?).ok_or(Damaged("a strategy is not known"))?;
        siblings.push(Sibling {
            dot,
            hlc,
            life: Life::new(body.number()?, strategy),
            value: Value::keep(body.bytes()?),
        });
    }
    end(&body)?;
    Ok(siblings)
}

fn numbers(body: &mut Reader<'_>, actors: &Actors) -> Result<Vec<(ActorIndex, u64)>, Unreadable> {
    let count = body.count(9)?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        let actor = actors.index(ActorId(body.word()?))?;
        list.push((actor, number(body)?));
    }
    Ok(list)
}

/// A number of an operation; 0 for a retired actor that wrote nothing here.
fn number(body: &mut Reader<'_>) -> Result<u64, Damaged> {
    match body.number()? {
        number if number <= NUMBER_MAX => Ok(number),
        _ => Err(Damaged("a number is out of range")),
    }
}

fn end(body: &Reader<'_>) -> Result<(), Damaged> {
    if body.is_empty() {
        Ok(())
    } else {
        Err(Damaged("something follows a row"))
    }
}
