//! A member: a shard, what it flushed, what it knows of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::oracle::{Id, Live, Stored};
use super::targets::{DOMAIN, shard_number};
use crate::counts::Counts;
use crate::entry::Entry;
use crate::frame::{Frame, split};
use crate::key::Key;
use crate::row::StoredEntry;
use crate::shard::{Rule, Rules};
use crate::{ActorId, ActorIndex, Actors, AllCounts, Clock, Dot, Fetched, Shard, ShardLimits, Sibling, Value};

/// A clock as it travels.
pub type Numbers = Vec<(ActorId, u64)>;

/// What a flush wrote.
#[derive(Clone, Default)]
pub struct Flushed {
    /// The state, as a frame. Empty: nothing was flushed.
    pub frame: Vec<u8>,
    pub numbers: Numbers,
    /// What the rows say.
    pub values: BTreeMap<Id, Vec<u8>>,
    /// Of those, the ones that were on the disk alone before as well.
    pub cold: BTreeSet<Id>,
}

impl Flushed {
    pub fn number(&self, actor: ActorId) -> u64 {
        let found = self.numbers.iter().find(|(other, _)| *other == actor);
        found.map_or(0, |(_, number)| *number)
    }
}

/// A member.
pub struct Node {
    pub actor: ActorId,
    pub actors: Arc<Actors>,
    pub counts: Arc<AllCounts>,
    pub shard: Shard,
    /// Every process of this member before this one.
    pub earlier: Vec<ActorId>,
    /// The newest last.
    pub flushed: Vec<Flushed>,
    /// What it was last told of others: by whom, and how far that one was.
    pub told: BTreeMap<usize, (ActorId, Numbers)>,
    pub ahead_ms: u64,
}

impl Node {
    /// An empty one. `strangers` are actors that it happens to know before itself, so that no two members number alike.
    pub fn new(actor: ActorId, strangers: &[ActorId], limits: ShardLimits, broken: Option<Rule>) -> Self {
        let actors = Arc::new(Actors::default());
        for stranger in strangers {
            actors.index(*stranger).unwrap();
        }
        let me = actors.index(actor).unwrap();
        let counts = Arc::new(AllCounts::default());
        let mut shard = Shard::new(me, Arc::clone(&actors), Counts::new(Arc::clone(&counts)), limits);
        shard.rules = Rules { broken };
        Node {
            actor,
            actors,
            counts,
            shard,
            earlier: Vec::new(),
            flushed: Vec::new(),
            told: BTreeMap::new(),
            ahead_ms: 0,
        }
    }

    /// What a flush would write now. Fails if a value is neither in memory nor on the disk.
    pub fn flush(&self) -> Result<Flushed, String> {
        let (mut frame, fetched) = (Vec::new(), self.fetched());
        let encoded = self
            .shard
            .encode_state(shard_number(), &Clock::default(), &fetched, &mut frame);
        encoded.map_err(|cold| format!("not on the disk: {cold:?}"))?;
        let mut flushed = Flushed {
            frame,
            numbers: self.numbers(true),
            ..Flushed::default()
        };
        for sibling in self.shard.entries().flat_map(Entry::siblings) {
            let (id, value) = (self.id(sibling.dot), fetched.value_of(sibling));
            flushed
                .values
                .insert(id, value.ok_or("a value is lost")?.bytes().to_vec());
            if sibling.value.is_cold() {
                flushed.cold.insert(id);
            }
        }
        Ok(flushed)
    }

    /// What the disk has of the values that are there alone.
    pub fn fetched(&self) -> Fetched {
        let mut fetched = Fetched::default();
        let Some(disk) = self.flushed.last() else {
            return fetched;
        };
        for sibling in self.shard.entries().flat_map(Entry::siblings) {
            if let Some(value) = disk.values.get(&self.id(sibling.dot)) {
                fetched.insert(sibling.dot, Value::keep(value));
            }
        }
        fetched
    }

    /// Lets values go that are on the disk; with `of_memory`, as if what is in memory were there.
    pub fn chill(&mut self, key: &Key, of_memory: bool) {
        let fetched = self.fetched();
        let siblings = self.shard.entry_of(key).into_iter().flat_map(Entry::siblings);
        let on_disk = siblings.filter_map(|sibling| {
            let value = if of_memory {
                Some(&sibling.value)
            } else {
                fetched.get(sibling.dot)
            };
            let value = value?.clone();
            Some(Sibling {
                value,
                ..sibling.clone()
            })
        });
        let stored = StoredEntry::of(key, on_disk.collect());
        self.shard.chill(&stored);
    }

    /// Starts from what was flushed, after `change` was made to it.
    pub fn load(&mut self, flushed: &Flushed, change: impl FnOnce(&mut Frame<'_>, &Actors)) {
        if flushed.frame.is_empty() {
            return;
        }
        let (body, _) = split(&flushed.frame).unwrap();
        let mut frame = Frame::decode(body, &self.actors).unwrap();
        change(&mut frame, &self.actors);
        let loaded = frame.apply(&mut self.shard);
        // A process that finds operations of its own on the disk has a name that was used before.
        assert!(loaded.is_ok() || self.earlier.contains(&self.actor));
    }

    /// How far it is.
    pub fn numbers(&self, with_retired: bool) -> Numbers {
        let clock = self.shard.clock();
        let retired = clock.retired().filter(|_| with_retired);
        let all = clock.iter().chain(retired);
        all.map(|(actor, number)| (self.actors.id(actor), number)).collect()
    }

    /// A clock that came from elsewhere.
    pub fn clock_of(&self, numbers: &[(ActorId, u64)]) -> Clock {
        let mut clock = Clock::default();
        for (actor, number) in numbers {
            clock.advance(self.index(*actor), *number);
        }
        clock
    }

    pub fn index(&self, actor: ActorId) -> ActorIndex {
        self.actors.index(actor).unwrap()
    }

    pub fn number(&self, actor: ActorId) -> u64 {
        self.shard.clock().get(self.index(actor))
    }

    pub fn has(&self, id: Id) -> bool {
        id.1 <= self.number(id.0)
    }

    /// The same, but of retired actors also what was lost with them.
    pub fn covers(&self, actor: ActorId, number: u64) -> bool {
        self.shard.clock().covers(Dot::new(self.index(actor), number))
    }

    pub fn id(&self, dot: Dot) -> Id {
        (self.actors.id(dot.actor()), dot.number())
    }

    /// Everything that it holds.
    pub fn live(&self) -> Live {
        let fetched = self.fetched();
        let mut live = Live::new();
        for entry in self.shard.entries() {
            let siblings = entry.siblings().map(|sibling| {
                let value = fetched.value_of(sibling).map_or(b"lost".as_slice(), Value::bytes);
                (self.id(sibling.dot), Stored::of(sibling, value))
            });
            live.insert(entry.key.bytes().to_vec(), siblings.collect());
        }
        live
    }

    /// Entries, values beside another, bytes, cold values and their bytes, as counted.
    pub fn counted(&self) -> [u64; 5] {
        let counts = self.counts.domain(DOMAIN);
        [
            counts.entries(),
            counts.siblings(),
            counts.bytes(),
            counts.cold_values(),
            counts.cold_bytes(),
        ]
    }
}
