//! Operations of this process.

use smallvec::SmallVec;

use super::Shard;
use crate::actor::ActorIndex;
use crate::context::Context;
use crate::dot::Dot;
use crate::entry::{Entry, Life, Sibling, Value};
use crate::hlc::Hlc;
use crate::key::{Key, Place};
use crate::kind::Strategy;
use crate::log::Removed;
use crate::policy::Tick;
use crate::resolve::counter::{Share, ShareError};
use crate::resolve::{self, BadValue, Candidate, Replacement};

/// Values that may stand beside each other before a write that would add one more is refused.
pub const SIBLINGS_MAX: usize = 64;

/// What a client wants.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Writes a register, a member of a set or a field of a map.
    Put {
        /// What.
        value: &'a [u8],
        /// How it becomes one with what is written concurrently.
        strategy: Strategy,
        /// When the client made it, for [`Strategy::LastWrite`]; none: now.
        written: Option<Hlc>,
    },
    /// Takes away a register, a member, a field, or switches a flag off.
    Delete,
    /// Adds to a counter.
    Add(i64),
}

impl Action<'_> {
    /// What the client has read is superseded, even where it has not come yet. Otherwise the new value has to take it up,
    /// and can do so only with what is here: what comes later stands beside it, and is taken up by the next write.
    fn replaces_what_was_read(&self) -> bool {
        match self {
            Action::Put { strategy, .. } => matches!(strategy, Strategy::LastWrite | Strategy::Siblings),
            Action::Delete => true,
            Action::Add(_) => false,
        }
    }
}

/// A write, ready to be done.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Of what.
    pub place: &'a Place,
    /// What.
    pub action: Action<'a>,
    /// What the client has read of it.
    pub context: Option<&'a Context>,
    /// When the value ends, in milliseconds since 1970; 0: never.
    pub expires_at_ms: u64,
}

/// When a write is done, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The wall clock.
    pub now_ms: u64,
    /// Every earlier process of the same member, retired or not: their shares of counters are this one's to take over, once
    /// all of them are retired here. One that is not may have taken over the others' in an operation that has not come.
    pub predecessors: &'a [ActorIndex],
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The operation. None if nothing changed: what is there is newer, greater, or the same.
    pub dot: Option<Dot>,
    /// Values of the key that stand beside each other now.
    pub siblings: usize,
}

/// Why a write was refused. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The value does not fit the strategy.
    #[error(transparent)]
    BadValue(#[from] BadValue),
    /// Too many values were written without regard to each other.
    #[error(
        "the key has {siblings} concurrent values, and the limit is {SIBLINGS_MAX}: read it, and write with the context \
         of that read"
    )]
    TooManySiblings {
        /// What it has.
        siblings: usize,
    },
    /// What the strategy makes of the value and of what is there is too large to be one value.
    #[error(
        "with what is there already the value would have {bytes} bytes; the limit is {bytes_max}: delete the key, or write it \
         with strategy last-write"
    )]
    TooLarge {
        /// What it would have.
        bytes: usize,
        /// The limit, [`ShardLimits::value_bytes_max`](super::ShardLimits::value_bytes_max).
        bytes_max: usize,
    },
    /// The counter would go beyond what it can hold.
    #[error(transparent)]
    Counter(#[from] ShareError),
    /// The strategy needs what is there, and some of it is on the disk alone: it has to be warmed first.
    #[error("what is there has to be brought from the disk first")]
    Cold,
}

/// What becomes of an entry.
enum Plan {
    Nothing,
    Op {
        removed: Removed,
        value: Option<(Value, Strategy)>,
        hlc: Option<Hlc>,
    },
}

impl Shard {
    /// Does a write.
    pub fn write(&mut self, write: &Write<'_>, moment: Moment<'_>) -> Result<Written, Refused> {
        self.tick(Tick(moment.now_ms));
        let slot = self.find(write.place.hash, write.place.bytes());
        let entry = slot.map(|slot| &self.entries[slot as usize]);
        let newest = entry.map(Entry::newest).unwrap_or_default();
        let (removed, value, stamp) = match self.plan(entry, write, moment)? {
            Plan::Nothing => {
                return Ok(Written {
                    dot: None,
                    siblings: entry.map_or(0, Entry::len),
                });
            }
            Plan::Op { removed, value, hlc } => (removed, value, hlc),
        };
        let dot = Dot::new(self.me, self.clock.get(self.me) + 1);
        let hlc = match stamp {
            Some(stamp) => stamp,
            None => {
                self.last_hlc = Hlc::after(self.last_hlc.max(newest), moment.now_ms);
                self.last_hlc
            }
        };
        let sibling = value.map(|(value, strategy)| Sibling {
            dot,
            hlc,
            life: Life::new(write.expires_at_ms, strategy),
            value,
        });
        let (key, siblings) = self.commit(slot, write.place, dot, &removed, sibling);
        self.touched(&key);
        self.remember(dot, key, removed);
        Ok(Written {
            dot: Some(dot),
            siblings,
        })
    }

    /// Changes the entry and the clock. Returns the key, and how many values it has now.
    fn commit(
        &mut self,
        slot: Option<u32>,
        place: &Place,
        dot: Dot,
        removed: &Removed,
        sibling: Option<Sibling>,
    ) -> (Key, usize) {
        let sibling = match (slot, sibling) {
            (Some(slot), Some(sibling)) if self.supersedes_the_only(slot, removed) => {
                let (key, _) = self.replace_only(slot, sibling);
                self.clock.advance(self.me, dot.number());
                return (key, 1);
            }
            (_, sibling) => sibling,
        };
        let key = match slot {
            Some(slot) => self.entries[slot as usize].key.clone(),
            None => Key::keep(place),
        };
        let before = self.usage_before(&key);
        for superseded in removed {
            self.supersede(&key, *superseded, false);
        }
        self.clock.advance(self.me, dot.number());
        if let Some(sibling) = sibling {
            let others = self.insert(&key, sibling);
            self.carry_usage(&key, before);
            return (key, others + 1);
        }
        let left = self.entry_of(&key).map_or(0, Entry::len);
        (key, left)
    }

    /// The most frequent write by far looks at no value that is there, and need not bring any to the processor.
    fn plan_last_write(&self, entry: Option<&Entry>, value: &[u8]) -> Result<Plan, Refused> {
        let value = self.fit(value)?;
        let removed = match entry {
            Some(entry) => entry.siblings().map(|sibling| sibling.dot).collect(),
            None => Removed::new(),
        };
        Ok(Plan::Op {
            removed,
            value: Some((value, Strategy::LastWrite)),
            hlc: None,
        })
    }

    fn plan(&self, entry: Option<&Entry>, write: &Write<'_>, moment: Moment<'_>) -> Result<Plan, Refused> {
        if let Action::Put {
            value,
            strategy: Strategy::LastWrite,
            written: None,
        } = write.action
            && write.context.is_none()
        {
            return self.plan_last_write(entry, value);
        }
        let siblings: SmallVec<[&Sibling; 2]> = entry.into_iter().flat_map(Entry::siblings).collect();
        let mut removed = Removed::new();
        if let Some(context) = write.context.filter(|_| write.action.replaces_what_was_read()) {
            removed.extend(self.not_here_yet(context));
        }
        let all = siblings.iter().map(|sibling| sibling.dot);
        let value = match write.action {
            Action::Put {
                value,
                strategy: Strategy::Siblings,
                ..
            } => {
                let seen: Removed = match write.context {
                    Some(context) => self.seen(&siblings, context).collect(),
                    None => Removed::new(),
                };
                // Also a context can have seen too little, if it is used again and again.
                if siblings.len() - seen.len() >= SIBLINGS_MAX {
                    return Err(Refused::TooManySiblings {
                        siblings: siblings.len(),
                    });
                }
                removed.extend(seen);
                Some((Value::keep(value), Strategy::Siblings))
            }
            Action::Put {
                value,
                strategy,
                written,
            } => {
                // The last write looks at no value.
                if strategy != Strategy::LastWrite && siblings.iter().any(|sibling| sibling.value.is_cold()) {
                    return Err(Refused::Cold);
                }
                // What has ended takes part in nothing any more.
                let candidates: SmallVec<[Candidate<'_>; 2]> = siblings
                    .iter()
                    .filter(|sibling| !sibling.life.is_over(moment.now_ms))
                    .map(|sibling| self.candidate(sibling))
                    .collect();
                let value = match resolve::replace(strategy, &candidates, value, written)? {
                    Replacement::Write(value) => self.fit(&value)?,
                    // It says nothing new, but it is to live longer or shorter.
                    Replacement::Keep
                        if strategy != Strategy::LastWrite && !ends_at(&siblings, write.expires_at_ms) =>
                    {
                        match resolve::resolve(&candidates) {
                            Some(resolution) => self.fit(&resolution.value)?,
                            None => return Ok(Plan::Nothing),
                        }
                    }
                    Replacement::Keep => return Ok(Plan::Nothing),
                };
                removed.extend(all);
                let plan = Plan::Op {
                    removed,
                    value: Some((value, strategy)),
                    hlc: written.filter(|_| strategy == Strategy::LastWrite),
                };
                return Ok(plan);
            }
            Action::Delete => {
                match write.context {
                    Some(context) if siblings.iter().any(|one| one.life.strategy() == Strategy::Siblings) => {
                        removed.extend(self.seen(&siblings, context));
                    }
                    _ => removed.extend(all),
                }
                if removed.is_empty() {
                    return Ok(Plan::Nothing);
                }
                None
            }
            Action::Add(delta) => {
                let inherits = self.inherits_from(moment.predecessors);
                let mine = |sibling: &&&Sibling| {
                    let actor = sibling.dot.actor();
                    actor == self.me || (inherits && moment.predecessors.contains(&actor))
                };
                let mut share = Share::default();
                for sibling in siblings.iter().filter(mine) {
                    // What has ended is not counted any more.
                    if !sibling.life.is_over(moment.now_ms) {
                        share = Share::fold([share, Share::decode(sibling.value.bytes())?])?;
                    }
                    removed.push(sibling.dot);
                }
                Some((Value::keep(&share.changed_by(delta)?.encode()), Strategy::LastWrite))
            }
        };
        Ok(Plan::Op {
            removed,
            value,
            hlc: None,
        })
    }

    /// Keeps what a strategy made, if it is not too large.
    fn fit(&self, value: &[u8]) -> Result<Value, Refused> {
        let (bytes, bytes_max) = (value.len(), self.limits.value_bytes_max);
        if bytes > bytes_max {
            return Err(Refused::TooLarge { bytes, bytes_max });
        }
        Ok(Value::keep(value))
    }

    fn inherits_from(&self, predecessors: &[ActorIndex]) -> bool {
        !self.rules.inherit_when_retired() || predecessors.iter().all(|actor| self.clock.is_retired(*actor))
    }

    /// Values that the client has read elsewhere and that have not come here.
    fn not_here_yet<'s>(&'s self, context: &'s Context) -> impl Iterator<Item = Dot> + 's {
        context.dots().filter_map(|(actor, number)| {
            // An actor that was never heard of gets no place: a client could make up any number of them.
            let dot = Dot::new(self.actors.find(actor)?, number);
            // Nobody has read what this process has not written yet.
            (dot.actor() != self.me && !self.clock.covers(dot)).then_some(dot)
        })
    }

    /// Those of the siblings that the context has seen, or knows to be superseded.
    fn seen<'s>(&'s self, siblings: &'s [&Sibling], context: &'s Context) -> impl Iterator<Item = Dot> + 's {
        siblings.iter().map(|sibling| sibling.dot).filter(|dot| {
            let actor = self.actors.id(dot.actor());
            context.has_seen(actor, dot.number())
        })
    }

    pub(super) fn candidate<'s>(&self, sibling: &'s Sibling) -> Candidate<'s> {
        Candidate {
            // Where values matter, none is cold.
            value: sibling.value.in_memory().unwrap_or_default(),
            strategy: sibling.life.strategy(),
            hlc: sibling.hlc,
            actor: self.actors.id(sibling.dot.actor()).0,
            number: sibling.dot.number(),
        }
    }
}

fn ends_at(siblings: &[&Sibling], expires_at_ms: u64) -> bool {
    siblings
        .iter()
        .all(|sibling| sibling.life.expires_at_ms() == expires_at_ms)
}
