//! Members, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::checks;
use super::exchange::Late;
use super::node::Node;
use super::oracle::{Id, Op, Oracle};
use super::targets::{TARGETS, Target, shard_number};
use crate::key::Key;
use crate::shard::{Action, Moment, Refused, Rule, Write};
use crate::{ActorId, ActorIndex, Context, ShardLimits, Space, Strategy};

/// A rule that is not the shard's but of whoever drives it. One of them can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A process that starts again writes under the name of the one before.
    ActorUsedAgain,
    /// A frame is cut, and what is left of it is applied.
    FrameAppliedInPart,
    /// What is on disk has a clock that is newer than its values.
    ClockFlushedAhead,
    /// Some values of the shard are never on disk.
    VolatileInTheSameShard,
    /// An entry is dropped to save memory, and nobody is told.
    EvictedInSilence,
    /// A value lives as long again from when it came.
    EndsCountedFromArrival,
    /// Whoever sees values meet writes what they resolve to.
    MergeWritten,
    /// A frame is acknowledged when it has come, not when it was applied.
    AcknowledgedBeforeApplied,
    /// How far a peer is, is believed of the process that comes after it.
    ClockOfEarlierProcess,
    /// A value leaves the memory before it is on the disk.
    ChilledBeforeFlushed,
    /// A row is written anew without the value that is there alone.
    ColdValueOverwritten,
}

/// What a run may contain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub flaw: Option<Flaw>,
    pub broken: Option<Rule>,
    /// Nothing is deleted, ends, or is lost in a crash: what was once seen stays.
    pub only_grows: bool,
}

pub type Outcome<T = ()> = Result<T, String>;

/// Members, and everything that they ever wrote.
pub struct Cluster {
    pub rng: StdRng,
    /// Decides what leaves the memory, so that all else happens as if nothing did.
    cold_rng: StdRng,
    /// Whether anything does.
    chills: bool,
    pub options: Options,
    pub nodes: Vec<Node>,
    pub oracle: Oracle,
    pub targets: Vec<Target>,
    pub now_ms: u64,
    /// Pairs of whom the first does not reach the second.
    pub cut: BTreeSet<(usize, usize)>,
    /// Actors that are agreed to be retired, and their last operation.
    pub retired: BTreeMap<ActorId, u64>,
    /// A disk that is older than what was agreed on was restored: shares of counters may be there twice.
    pub counters_inexact: bool,
    /// On their way.
    pub late: Vec<Late>,
    contexts: Vec<(usize, Context)>,
    /// Who said that it has so much of whom: process, writer, number.
    pub acknowledged: Vec<(usize, ActorId, ActorId, u64)>,
    limits: ShardLimits,
    /// How readily processes crash.
    restless: f64,
}

impl Cluster {
    pub fn new(seed: u64, options: Options) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let limits = ShardLimits {
            log_ops_max: [6, 40, 1_000][rng.random_range(0..3)],
            orphan_bytes_max: [200, 1_000, 100_000][rng.random_range(0..3)],
            cold_bytes_min: 1,
            ..ShardLimits::default()
        };
        let mut targets = TARGETS.clone();
        targets.shuffle(&mut rng);
        targets.truncate(rng.random_range(1..=4));
        let restless = [0.1, 0.3, 0.9][rng.random_range(0..3)];
        let mut cluster = Cluster {
            rng,
            cold_rng: StdRng::seed_from_u64(!seed),
            chills: seed % 2 == 1,
            restless,
            options,
            nodes: Vec::new(),
            oracle: Oracle::default(),
            targets,
            now_ms: 1_790_000_000_000,
            cut: BTreeSet::new(),
            retired: BTreeMap::new(),
            counters_inexact: false,
            late: Vec::new(),
            contexts: Vec::new(),
            acknowledged: Vec::new(),
            limits,
        };
        for _ in 0..[3, 3, 5][cluster.rng.random_range(0..3)] {
            let mut node = cluster.fresh(None);
            node.ahead_ms = cluster.rng.random_range(0..400);
            cluster.nodes.push(node);
        }
        cluster
    }

    /// A process that starts.
    fn fresh(&mut self, again: Option<ActorId>) -> Node {
        let mut strangers: Vec<ActorId> = self.nodes.iter().map(|node| node.actor).collect();
        strangers.shuffle(&mut self.rng);
        strangers.truncate(self.rng.random_range(0..4));
        let actor = again.unwrap_or(ActorId(self.rng.random()));
        Node::new(actor, &strangers, self.limits, self.options.broken)
    }

    pub fn now_of(&self, node: usize) -> u64 {
        self.now_ms + self.nodes[node].ahead_ms
    }

    /// Something happens.
    pub fn step(&mut self) -> Outcome {
        self.now_ms += self.rng.random_range(1..150);
        let node = self.rng.random_range(0..self.nodes.len());
        if self.chills {
            self.chill_or_warm(node)?;
        }
        let grows = self.options.only_grows;
        match self.rng.random_range(0..1000) {
            0..400 => self.write_something(node)?,
            400..480 => self.read_something(node)?,
            480..510 => self.cut_or_heal(),
            510..550 => {
                let flushed = self.nodes[node].flush()?;
                self.nodes[node].flushed.push(flushed);
            }
            550..650 if !grows && self.rng.random_bool(self.restless) => self.restart(node),
            650..670 if self.options.flaw == Some(Flaw::EvictedInSilence) => self.evict_in_silence(node),
            670..700 if !grows => {
                let now = self.now_of(node);
                self.nodes[node].shard.drop_ended(now, 1_000);
            }
            700..720 => self.agree_to_retire(),
            720..740 => self.retire(node),
            740..780 => {
                let actor = self.nodes[node].actor;
                let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != node);
                let least = others.map(|(_, other)| other.number(actor)).min();
                self.nodes[node].shard.acknowledged_by_all(least.unwrap_or(0));
            }
            780..810 => self.deliver_late()?,
            _ => {
                let peer = self.rng.random_range(0..self.nodes.len());
                if peer != node && !self.cut.contains(&(node, peer)) {
                    self.send(node, peer)?;
                }
            }
        }
        checks::after_step(self, node)
    }

    /// A value leaves the memory of a member, most often soon after a flush, or comes back.
    fn chill_or_warm(&mut self, node: usize) -> Outcome {
        let target = self.cold_rng.random_range(0..self.targets.len());
        let place = self.targets[target].place.clone();
        let of_memory = self.options.flaw == Some(Flaw::ChilledBeforeFlushed);
        match self.cold_rng.random_range(0..10) {
            0 => {
                let flushed = self.nodes[node].flush()?;
                self.nodes[node].flushed.push(flushed);
                self.nodes[node].chill(&Key::keep(&place), of_memory);
            }
            1..4 => self.nodes[node].chill(&Key::keep(&place), of_memory),
            4 => {
                let fetched = self.nodes[node].fetched();
                self.nodes[node].shard.warm(&place, &fetched);
            }
            _ => return Ok(()),
        }
        checks::after_step(self, node)
    }

    fn write_something(&mut self, node: usize) -> Outcome {
        let mut target = self.rng.random_range(0..self.targets.len());
        let context = match self.rng.random_range(0..10) {
            0..3 => None,
            3..7 => Some(self.context_here(node, target)),
            // From elsewhere, or from earlier.
            _ => self
                .contexts
                .get(self.rng.random_range(0..8))
                .cloned()
                .map(|(of, context)| {
                    target = of;
                    context
                }),
        };
        let deletes = !self.options.only_grows && !self.targets[target].is_counter();
        let number: u32 = self.rng.random_range(0..1_000);
        let delta = self.rng.random_range(-5..20);
        let value = match self.targets[target].strategy {
            Strategy::Union => format!("[{}]", number % 10),
            _ => number.to_string(),
        };
        let action = if deletes && self.rng.random_bool(0.2) {
            Action::Delete
        } else if self.targets[target].is_counter() {
            Action::Add(delta)
        } else {
            Action::Put {
                value: value.as_bytes(),
                strategy: self.targets[target].strategy,
                written: None,
            }
        };
        let ends = deletes && self.targets[target].space == Space::Register && self.rng.random_bool(0.15);
        let end = if ends {
            self.now_ms + self.rng.random_range(1..4_000)
        } else {
            0
        };
        self.write(node, target, action, context.as_ref(), end)?;
        Ok(())
    }

    /// Writes, and notes what the operation did, by comparing what is there with what was.
    pub fn write(
        &mut self,
        node: usize,
        target: usize,
        action: Action<'_>,
        context: Option<&Context>,
        expires_at_ms: u64,
    ) -> Outcome<Option<Id>> {
        let now_ms = self.now_of(node);
        let target = &self.targets[target];
        let node = &mut self.nodes[node];
        let predecessors: Vec<ActorIndex> = node.earlier.iter().map(|actor| node.index(*actor)).collect();
        let key = target.place.bytes().to_vec();
        let before = node.live().remove(&key).unwrap_or_default();
        let write = Write {
            place: &target.place,
            action,
            context,
            expires_at_ms,
        };
        let moment = Moment {
            now_ms,
            predecessors: &predecessors,
        };
        let mut written = node.shard.write(&write, moment);
        if written == Err(Refused::Cold) {
            let fetched = node.fetched();
            node.shard.warm(&target.place, &fetched);
            written = node.shard.write(&write, moment);
        }
        let written = match written {
            Ok(written) => written,
            Err(Refused::TooManySiblings { .. }) => return Ok(None),
            Err(refused) => return Err(format!("{action:?} was refused: {refused}")),
        };
        let Some(dot) = written.dot else {
            return Ok(None);
        };
        let id = node.id(dot);
        let after = node.live().remove(&key).unwrap_or_default();
        let mut removed: BTreeSet<Id> = before.keys().filter(|id| !after.contains_key(id)).copied().collect();
        // A counter and what is merged take nothing away that they have not taken up.
        let replaces = match action {
            Action::Put { strategy, .. } => matches!(strategy, Strategy::LastWrite | Strategy::Siblings),
            Action::Delete => true,
            Action::Add(_) => false,
        };
        if let Some(context) = context.filter(|_| replaces) {
            removed.extend(
                context
                    .dots()
                    .filter(|(actor, number)| node.actors.find(*actor).is_some() && !node.covers(*actor, *number)),
            );
        }
        let added = match action {
            Action::Add(delta) => {
                let folded = removed.iter().filter_map(|id| self.oracle.op(*id)?.added.as_ref());
                let mut parts: BTreeSet<Id> = folded.flat_map(|(_, parts)| parts.iter().copied()).collect();
                parts.insert(id);
                Some((delta, parts))
            }
            _ => None,
        };
        let op = Op {
            value: after.get(&id).cloned(),
            key,
            removed,
            added,
        };
        if !self.oracle.record(id, op) {
            return Err(format!("{id:?} was used before"));
        }
        Ok(Some(id))
    }

    fn context_here(&self, node: usize, target: usize) -> Context {
        let held = self.nodes[node]
            .shard
            .read(&self.targets[target].place, self.now_of(node));
        // As it comes back from a client.
        let bytes = held.context.encode(42, shard_number());
        Context::decode(&bytes, 42, shard_number()).unwrap()
    }

    /// A client reads, and keeps the context.
    fn read_something(&mut self, node: usize) -> Outcome {
        let target = self.rng.random_range(0..self.targets.len());
        let context = self.context_here(node, target);
        let held = self.nodes[node].numbers(false);
        if held.iter().any(|(actor, number)| !context.has_seen(*actor, *number)) {
            return Err("a context has not seen what was there when it was made".into());
        }
        if self.contexts.len() == 8 {
            self.contexts.remove(0);
        }
        self.contexts.push((target, context));
        Ok(())
    }

    fn cut_or_heal(&mut self) {
        if !self.cut.is_empty() {
            self.cut.clear();
            return;
        }
        for from in 0..self.nodes.len() {
            for to in 0..self.nodes.len() {
                if self.rng.random_bool(0.3) {
                    self.cut.insert((from, to));
                }
            }
        }
    }

    /// A crash: back to what was flushed last, or to nothing, or to an old copy of the disk. A new actor.
    fn restart(&mut self, place: usize) {
        let flaw = self.options.flaw;
        let again = (flaw == Some(Flaw::ActorUsedAgain)).then_some(self.nodes[place].actor);
        let mut node = self.fresh(again);
        let old = &mut self.nodes[place];
        node.ahead_ms = old.ahead_ms;
        node.earlier = std::mem::take(&mut old.earlier);
        node.earlier.push(old.actor);
        node.flushed = std::mem::take(&mut old.flushed);
        match self.rng.random_range(0..20) {
            0..6 => node.flushed.clear(),
            6..8 if node.flushed.len() > 1 => {
                let keep = self.rng.random_range(1..node.flushed.len());
                node.flushed.truncate(keep);
                self.counters_inexact = true;
            }
            _ => {}
        }
        let mut flushed = node.flushed.last().cloned().unwrap_or_default();
        let ahead = flushed.numbers.clone();
        if flaw == Some(Flaw::ClockFlushedAhead) && node.flushed.len() > 1 {
            flushed = node.flushed[node.flushed.len() - 2].clone();
        }
        let volatile = self.targets[0].place.bytes().to_vec();
        let clock = node.clock_of(&ahead);
        node.load(&flushed, |frame, actors| match (flaw, frame.state_mut()) {
            (Some(Flaw::ClockFlushedAhead), Some(state)) => {
                state.clock.merge(&clock);
                state.pending.clear();
            }
            (Some(Flaw::ColdValueOverwritten), Some(state)) => {
                state.values.retain(|(_, sibling)| {
                    !flushed
                        .cold
                        .contains(&(actors.id(sibling.dot.actor()), sibling.dot.number()))
                });
            }
            (Some(Flaw::VolatileInTheSameShard), Some(state)) => {
                state.values.retain(|(key, _)| key.bytes() != volatile);
            }
            _ => {}
        });
        self.nodes[place] = node;
    }

    fn evict_in_silence(&mut self, node: usize) {
        let shard = &mut self.nodes[node].shard;
        let Some(entry) = shard.entries().next() else {
            return;
        };
        let key = entry.key.clone();
        let dots: Vec<_> = entry.siblings().map(|sibling| sibling.dot).collect();
        for dot in dots {
            shard.remove(&key, dot);
        }
    }

    /// Processes that are gone, and of which all members have the same, in memory and on disk, are retired.
    fn agree_to_retire(&mut self) {
        for actor in self.nodes.iter().flat_map(|node| node.earlier.iter().copied()) {
            if self.nodes.iter().any(|node| node.actor == actor) {
                continue;
            }
            let last = self.nodes.iter().map(|node| node.number(actor)).max().unwrap_or(0);
            let has = |node: &Node| {
                node.number(actor) == last && node.flushed.last().map_or(0, |flushed| flushed.number(actor)) == last
            };
            if self.nodes.iter().all(has) {
                self.retired.entry(actor).or_insert(last);
            }
        }
    }

    /// A member carries out what was agreed.
    pub fn retire(&mut self, node: usize) {
        for (actor, last) in &self.retired {
            let index = self.nodes[node].index(*actor);
            self.nodes[node].shard.retire(index, *last);
        }
    }
}
