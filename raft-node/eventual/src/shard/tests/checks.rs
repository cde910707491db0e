//! What has to hold after every step, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Cluster, Flaw, Outcome};
use super::node::Node;
use super::oracle::{Id, Live};
use crate::entry::Entry;
use crate::resolve::counter::Share;
use crate::shard::{DROP_AFTER_MS, Rule};
use crate::{Clock, Space, Strategy};

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

/// What has to hold of a member that something happened to.
pub fn after_step(cluster: &Cluster, place: usize) -> Outcome {
    let node = &cluster.nodes[place];
    bookkeeping(node)?;
    // What these flaws do is wrong at once; what matters is whether it spreads.
    let late = [
        Flaw::EvictedInSilence,
        Flaw::ClockFlushedAhead,
        Flaw::VolatileInTheSameShard,
        Flaw::ActorUsedAgain,
    ];
    if !cluster.options.flaw.is_some_and(|flaw| late.contains(&flaw)) {
        means_its_operations(cluster, node)?;
        for other in &cluster.nodes {
            equal_clocks_mean_equal_digests(node, other)?;
        }
    }
    if let Some(broken) = cluster.broken_promise() {
        return Err(broken);
    }
    Ok(())
}

/// The state is the one that the covered operations mean, whatever their way.
fn means_its_operations(cluster: &Cluster, node: &Node) -> Outcome {
    let live = node.live();
    let meant = cluster.oracle.live(|id| node.has(id));
    for (key, siblings) in &live {
        for (id, stored) in siblings {
            let wanted = meant.get(key).and_then(|siblings| siblings.get(id));
            ensure!(wanted == Some(stored), "{id:?} is {stored:?} and should be {wanted:?}");
        }
    }
    // What may have been dropped already at a member whose clock is ahead of all.
    let gone_ms = (cluster.now_ms + 400).saturating_sub(DROP_AFTER_MS);
    for (key, siblings) in &meant {
        for (id, stored) in siblings {
            let here = live.get(key).is_some_and(|siblings| siblings.contains_key(id));
            ensure!(here || stored.life.is_over(gone_ms), "{id:?} is missing: {stored:?}");
        }
    }
    if cluster.options.broken == Some(Rule::KeepPending) {
        return Ok(());
    }
    let awaited: BTreeSet<Id> = node.shard.pending().map(|dot| node.id(dot)).collect();
    let mut meant = cluster.oracle.awaited(|id| node.has(id));
    meant.retain(|(actor, _)| !node.shard.clock().is_retired(node.index(*actor)));
    ensure!(awaited == meant, "awaits {awaited:?} and should await {meant:?}");
    Ok(())
}

fn equal_clocks_mean_equal_digests(one: &Node, other: &Node) -> Outcome {
    let hash = |node: &Node| node.shard.clock().hash(&node.actors);
    if hash(one) == hash(other) {
        ensure!(
            one.shard.digest() == other.shard.digest(),
            "equal clocks and other digests: {:?}, {:?}",
            one.numbers(true),
            other.numbers(true)
        );
    }
    Ok(())
}

/// What is kept beside the values is what would be computed from them.
fn bookkeeping(node: &Node) -> Outcome {
    let shard = &node.shard;
    let on_disk = node.flushed.last();
    let mut digest = 0;
    let mut bytes = 0;
    let mut ends = BTreeSet::new();
    let mut cold = BTreeMap::new();
    let mut collections: BTreeMap<Box<[u8]>, BTreeSet<Box<[u8]>>> = BTreeMap::new();
    for (slot, entry) in &shard.entries {
        let key = &entry.key;
        ensure!(
            shard.find(key.hash(), key.bytes()) == Some(slot as u32),
            "{key:?} is not found"
        );
        bytes += entry.bytes();
        for sibling in entry.siblings() {
            digest ^= shard.sibling_digest(key.hash(), sibling);
            if sibling.value.is_cold() {
                let value = on_disk.and_then(|disk| disk.values.get(&node.id(sibling.dot)));
                cold.insert(sibling.dot, value.map_or(0, |value| value.len() as u32));
            }
            if sibling.life.ends() {
                ends.insert((sibling.life.expires_at_ms(), slot as u32));
            }
            ensure!(
                shard.clock.covers(sibling.dot),
                "{:?} is here and not covered",
                sibling.dot
            );
        }
        if let Some(element) = key.address().element {
            let elements = collections.entry(key.collection().into()).or_default();
            elements.insert(element.into());
        }
    }
    ensure!(digest == shard.digest(), "the digest is not that of the values");
    ensure!(ends == shard.endings, "the ends are not those of the values");
    ensure!(
        collections == shard.collections,
        "the collections are not those of the keys"
    );
    ensure!(shard.index.len() == shard.len(), "the index has another number of keys");
    ensure!(
        cold == shard.cold,
        "{:?} are noted to be on the disk alone, and {cold:?} are",
        shard.cold
    );
    let cold_bytes: u32 = cold.values().sum();
    let beside = shard.entries().map(|entry| entry.len() as u64 - 1).sum();
    let (counted, are) = (
        node.counted(),
        [
            shard.len() as u64,
            beside,
            bytes,
            cold.len() as u64,
            u64::from(cold_bytes),
        ],
    );
    ensure!(counted == are, "counted {counted:?}, are {are:?}");
    let orphans: usize = shard
        .orphans
        .values()
        .map(|orphan| orphan.sibling.value.bytes().len() + size_of_val(orphan))
        .sum();
    ensure!(
        orphans == shard.orphan_bytes,
        "orphans have {orphans} bytes, not {}",
        shard.orphan_bytes
    );
    ensure!(orphans <= shard.limits.orphan_bytes_max, "orphans have {orphans} bytes");
    ensure!(
        shard.log_len() <= shard.limits.log_ops_max,
        "the log has {}",
        shard.log_len()
    );
    ensure!(
        !shard.pending.iter().any(|dot| shard.clock.covers(*dot)),
        "something is awaited that has come"
    );
    Ok(())
}

/// While an operation of another is on its way, two values of a process may stand beside each other, one of which that
/// operation supersedes; if it is lost in a crash, they do for ever.
fn siblings_are_bounded(node: &Node, entry: &Entry) -> Outcome {
    let strategy = |sibling: &crate::Sibling| sibling.life.strategy();
    if entry.siblings().any(|sibling| strategy(sibling) == Strategy::Siblings) {
        return Ok(());
    }
    let actors: BTreeSet<_> = entry.siblings().map(|sibling| sibling.dot.actor()).collect();
    ensure!(
        actors.len() == entry.len(),
        "a process left more than one value: {:?}",
        entry.siblings().map(|sibling| node.id(sibling.dot)).collect::<Vec<_>>()
    );
    Ok(())
}

/// Everybody has everything that anybody has.
pub fn all_have_the_same(cluster: &Cluster) -> bool {
    let [first, others @ ..] = &cluster.nodes[..] else {
        return true;
    };
    others.iter().all(|other| {
        let theirs: Clock = first.clock_of(&other.numbers(true));
        let ours: Clock = other.clock_of(&first.numbers(true));
        first.shard.clock().includes(&theirs) && other.shard.clock().includes(&ours)
    })
}

/// What has to hold when everybody reached everybody.
pub fn at_the_end(cluster: &mut Cluster) -> Outcome {
    cluster.now_ms += 1_000_000;
    for node in 0..cluster.nodes.len() {
        let now_ms = cluster.now_of(node);
        cluster.nodes[node].shard.drop_ended(now_ms, usize::MAX);
    }
    let first = &cluster.nodes[0];
    let mut meant = cluster.oracle.live(|id| first.has(id));
    for siblings in meant.values_mut() {
        siblings.retain(|_, stored| !stored.life.ends());
    }
    meant.retain(|_, siblings| !siblings.is_empty());
    for node in &cluster.nodes {
        let live = node.live();
        ensure!(live == meant, "at the end there is {live:?} and should be {meant:?}");
        bookkeeping(node)?;
        equal_clocks_mean_equal_digests(first, node)?;
        if cluster.options.only_grows {
            node.shard
                .entries()
                .try_for_each(|entry| siblings_are_bounded(node, entry))?;
        }
        ensure!(
            node.shard.clock().hash(&node.actors) == first.shard.clock().hash(&first.actors),
            "clocks have other hashes"
        );
    }
    counters_are_sums(cluster, &meant)
}

/// A counter is the sum of the additions that survived, each once.
fn counters_are_sums(cluster: &Cluster, live: &Live) -> Outcome {
    let node = &cluster.nodes[0];
    for target in cluster.targets.iter().filter(|target| target.space == Space::Counter) {
        let mut parts = BTreeSet::new();
        let mut total = 0;
        for (id, stored) in live.get(target.place.bytes()).into_iter().flatten() {
            let share = Share::decode(&stored.bytes).map_err(|error| error.to_string())?;
            total += share.total();
            let of = cluster.oracle.op(*id).and_then(|op| op.added.as_ref());
            let (_, of) = of.ok_or("a share that nobody wrote")?;
            for part in of {
                let new = parts.insert(*part);
                ensure!(new || cluster.counters_inexact, "{part:?} is counted twice");
            }
        }
        if cluster.counters_inexact {
            continue;
        }
        let survived = cluster.oracle.covered(|id| node.has(id));
        for (id, op) in survived.filter(|(_, op)| op.key == target.place.bytes() && op.added.is_some()) {
            ensure!(parts.contains(&id), "{id:?} survived and is not counted: {op:?}");
        }
        let delta = |id: &Id| cluster.oracle.op(*id).and_then(|op| Some(op.added.as_ref()?.0));
        let sum: i64 = parts.iter().filter_map(delta).sum();
        ensure!(
            total == i128::from(sum),
            "the counter is {total}, and its additions make {sum}"
        );
    }
    Ok(())
}
