use quorate_eventual::{Action, Space};

use super::*;
use crate::actors::{Actors, Finals};
use crate::eventual::testing::{place, send, tier, value, write};
use crate::mvcc::{DomainSettings, Domains, NewDomain};
use crate::storage::MemoryEngine;

const MEMBER: MemberId = 1;
/// Of a domain that every store has, and of one that this member has not heard of yet.
const BUILT_IN: u32 = 2;
const NOT_YET: u32 = 999;

fn put(tier: &Tier, domain: u32, name: &str, expires_at_ms: u64) {
    write(
        tier,
        &place(domain, Space::Register, name),
        false,
        value("value"),
        expires_at_ms,
    );
}

fn entries(tier: &Tier) -> usize {
    ShardNumber::all().map(|number| tier.store.lock(number).len()).sum()
}

#[tokio::test]
async fn values_whose_end_came_go_and_others_stay() {
    let tier = tier(1);
    let now_ms = tier.wall_ms();
    for number in 0..2_000 {
        put(&tier, BUILT_IN, &format!("short-{number}"), now_ms - 5_000);
    }
    put(&tier, BUILT_IN, "long", now_ms + 60_000);
    put(&tier, BUILT_IN, "for-ever", 0);
    Sweep::new(Arc::clone(&tier), MEMBER).drop_ended().await;
    assert_eq!(entries(&tier), 2);
}

#[tokio::test]
async fn entries_of_a_dropped_domain_go_and_those_of_an_unknown_one_stay() {
    let tier = tier(1);
    let mut domains = Domains::load(&MemoryEngine::new()).unwrap();
    let mut create = |name: &str| {
        let new = NewDomain {
            name: name.to_owned(),
            tier: types::Tier::Eventual,
            volatile: false,
            settings: DomainSettings::of_tier(types::Tier::Eventual),
        };
        domains.create(new).unwrap().id.0
    };
    let (dropped, kept) = (create("dropped"), create("kept"));
    domains.drop("dropped").unwrap();
    let table = DomainTable::of(&domains);
    for number in 0..3_000 {
        put(&tier, dropped, &format!("key-{number}"), 0);
    }
    put(&tier, kept, "key", 0);
    put(&tier, NOT_YET, "key", 0);
    put(&tier, BUILT_IN, "key", 0);
    let sweep = Sweep::new(Arc::clone(&tier), MEMBER);
    sweep.drop_domains(&table).await;
    assert_eq!(entries(&tier), 3);
    assert_eq!(tier.store.counts().domain(dropped).entries(), 0);
    // One that comes late from a member that did not know yet.
    put(&tier, dropped, "late", 0);
    sweep.drop_domains(&table).await;
    assert_eq!(entries(&tier), 3);
}

#[tokio::test]
async fn what_was_kept_for_peers_goes_when_all_have_it() {
    let (tier, other) = (tier(1), tier(2));
    put(&tier, BUILT_IN, "key", 0);
    let shard = place(BUILT_IN, Space::Register, "key").shard(false);
    send(&tier, &other);
    put(&other, BUILT_IN, "key", 0);
    let (here, there) = (tier.peers.get_or_add(2), tier.peers.get_or_add(3));
    tier.peers.set_complete();
    here.is_process(ActorId(2));
    there.is_process(ActorId(3));
    here.has(ActorId(2), tier.store.me(), shard, 1);
    send(&other, &tier);
    let sweep = Sweep::new(Arc::clone(&tier), MEMBER);
    sweep.drop_acknowledged();
    assert!(
        tier.store.lock(shard).orphan_bytes() > 0,
        "the third member has not got it"
    );
    there.has(ActorId(3), tier.store.me(), shard, 1);
    sweep.drop_acknowledged();
    assert_eq!(tier.store.lock(shard).orphan_bytes(), 0);
}

#[tokio::test]
async fn a_retired_process_leaves_clocks_where_all_it_wrote_is_here_and_its_counters_are_taken_over() {
    let (before, after) = (tier(10), tier(11));
    let counter = place(BUILT_IN, Space::Counter, "tasks");
    let shard = counter.shard(false);
    write(&before, &counter, false, Action::Add(5), 0);
    let last = before.store.lock(shard).own_number();
    let mut actors = Actors::load(&MemoryEngine::new()).unwrap();
    actors.register(MEMBER, types::ActorId(10)).unwrap();
    actors.register(MEMBER, types::ActorId(11)).unwrap();
    actors
        .retire(types::ActorId(10), Finals(vec![(shard.get(), last)]))
        .unwrap();
    let table = ActorTable::of(&actors, &ActorTable::default());
    let mut sweep = Sweep::new(Arc::clone(&after), MEMBER);
    sweep.retire(&table).await;
    let index = after.store.actors().find(ActorId(10)).unwrap();
    assert_eq!(*after.store.predecessors(), [index]);
    assert!(
        !after.store.lock(shard).clock().is_retired(index),
        "its operation is missing"
    );

    send(&before, &after);
    sweep.retire(&table).await;
    assert!(after.store.lock(shard).clock().is_retired(index));
    write(&after, &counter, false, Action::Add(2), 0);
    let held = after.store.lock(shard).read(&counter, after.wall_ms());
    assert_eq!(held.siblings.len(), 1, "one share in place of two");
    assert_eq!(held.siblings[0].0, ActorId(11));
}

#[tokio::test]
async fn nothing_is_taken_over_before_this_process_is_registered() {
    let after = tier(11);
    let mut actors = Actors::load(&MemoryEngine::new()).unwrap();
    actors.register(MEMBER, types::ActorId(10)).unwrap();
    let registered = actors.clone();
    actors.retire(types::ActorId(10), Finals(Vec::new())).unwrap();
    let mut sweep = Sweep::new(Arc::clone(&after), MEMBER);
    sweep.retire(&ActorTable::of(&actors, &ActorTable::default())).await;
    assert!(after.store.predecessors().is_empty());
    let mut actors = registered;
    actors.register(MEMBER, types::ActorId(11)).unwrap();
    sweep.retire(&ActorTable::of(&actors, &ActorTable::default())).await;
    assert_eq!(after.store.predecessors().len(), 1);
}

#[tokio::test]
async fn a_process_that_is_taken_for_gone_says_so() {
    let mut actors = Actors::load(&MemoryEngine::new()).unwrap();
    actors.register(MEMBER, types::ActorId(11)).unwrap();
    let sweep = Sweep::new(tier(11), MEMBER);
    assert!(!sweep.is_taken_for_gone(&ActorTable::of(&actors, &ActorTable::default())));
    actors.register(MEMBER, types::ActorId(10)).unwrap();
    assert!(sweep.is_taken_for_gone(&ActorTable::of(&actors, &ActorTable::default())));
}
