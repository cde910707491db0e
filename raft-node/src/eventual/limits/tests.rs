use quorate_eventual::{Action, HeldOfDomain, Moment, Space, Written};

use super::*;
use crate::eventual::testing::{exchange, place, send, tier, value, write};
use crate::mvcc::{DomainSettings, Domains, NewDomain};
use crate::storage::MemoryEngine;
use crate::types;

/// One volatile domain with these limits.
fn table(bytes_max: u64, entries_max: u64, evict: Evict, policy: EvictPolicy) -> Arc<DomainTable> {
    let mut domains = Domains::load(&MemoryEngine::new()).unwrap();
    let settings = DomainSettings {
        bytes_max,
        entries_max,
        evict,
        policy,
        ..DomainSettings::of_tier(types::Tier::Eventual)
    };
    let new = NewDomain {
        name: String::from("pages"),
        tier: types::Tier::Eventual,
        volatile: true,
        settings,
    };
    domains.create(new).unwrap();
    Arc::new(DomainTable::of(&domains))
}

fn domain(table: &DomainTable) -> &EventualDomain {
    table.eventual("pages").unwrap()
}

fn fill(tier: &Tier, table: &DomainTable, names: std::ops::Range<u32>) {
    for number in names {
        let place = place(domain(table).id.0, Space::Register, &format!("key-{number}"));
        write(tier, &place, true, value("a value"), 0);
    }
}

fn entries(tier: &Tier, table: &DomainTable) -> u64 {
    tier.store.counts().domain(domain(table).id.0).entries()
}

/// As a client writes.
fn client_writes(tier: &Tier, table: &DomainTable, name: &str, action: Action<'_>) -> Result<Written, NotWritten> {
    let place = place(domain(table).id.0, Space::Register, name);
    let write = quorate_eventual::Write {
        place: &place,
        action,
        context: None,
        expires_at_ms: 0,
    };
    let moment = Moment {
        now_ms: tier.wall_ms(),
        predecessors: &[],
    };
    tier.write(domain(table), &write, moment).map(|(_, written)| written)
}

fn connect(tier: &Tier, member: MemberId) {
    let peer = tier.peers.get_or_add(member);
    peer.set_sends(true);
    peer.begins_to_receive();
}

#[test]
fn a_domain_that_is_nearly_full_takes_nothing_that_makes_it_larger() {
    let table = table(0, 100, Evict::None, EvictPolicy::None);
    let tier = tier(1);
    fill(&tier, &table, 0..89);
    client_writes(&tier, &table, "new", value("x")).unwrap();
    assert_eq!(entries(&tier, &table), 90);
    let refused = client_writes(&tier, &table, "newer", value("x")).unwrap_err();
    let full = Full {
        domain: String::from("pages"),
        what: "entries",
        limit: 100,
        value: 90,
    };
    assert_eq!(refused, NotWritten::Full(full));
    client_writes(&tier, &table, "key-1", value("another")).expect("as long as the one before");
    client_writes(&tier, &table, "key-1", value("longer than the one before")).unwrap_err();
    client_writes(&tier, &table, "key-1", Action::Delete).unwrap();
    client_writes(&tier, &table, "newer", value("x")).expect("there is room again");
    let counts = tier.store.counts().domain(domain(&table).id.0);
    assert_eq!(counts.refused.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn a_domain_is_full_by_bytes_as_well_and_takes_what_peers_send() {
    let table = table(10_000, 0, Evict::None, EvictPolicy::None);
    let (tier, peer) = (tier(1), tier(2));
    fill(&tier, &table, 0..90);
    let refused = client_writes(&tier, &table, "new", value("x")).unwrap_err();
    assert!(refused.to_string().contains("bytes of at most 10000"), "{refused}");
    fill(&peer, &table, 1_000..1_050);
    send(&peer, &tier);
    assert_eq!(entries(&tier, &table), 140);
}

#[tokio::test]
async fn a_cache_is_brought_from_80_percent_to_75_and_others_are_left_alone() {
    for (evict, left) in [(Evict::Drop, 750), (Evict::None, 820)] {
        let policy = evict.policy_after(EvictPolicy::None);
        let table = table(0, 1_000, evict, policy);
        let tier = tier(1);
        let mut limits = Limits::new(Arc::clone(&tier), 1);
        fill(&tier, &table, 0..790);
        limits.step(&table).await;
        assert_eq!(entries(&tier, &table), 790, "not yet");
        fill(&tier, &table, 790..820);
        limits.step(&table).await;
        let entries = entries(&tier, &table);
        assert_eq!(entries, left, "{evict:?}");
        let evicted = &tier.store.counts().domain(domain(&table).id.0).evicted;
        assert_eq!(evicted.load(std::sync::atomic::Ordering::Relaxed), 820 - entries);
    }
}

#[tokio::test]
async fn a_cache_is_kept_by_bytes_if_that_is_the_tighter_limit() {
    let table = table(100_000, 1_000_000, Evict::Drop, EvictPolicy::Lru);
    let tier = tier(1);
    let mut limits = Limits::new(Arc::clone(&tier), 1);
    fill(&tier, &table, 0..800);
    limits.step(&table).await;
    let held = tier.store.counts().domain(domain(&table).id.0).bytes();
    assert!((74_000..=75_100).contains(&held), "{held}");
    let of_shards = shards_of(domain(&table), 0).map(|number| tier.store.lock(number).held_of(domain(&table).id.0));
    let sum = of_shards.fold(HeldOfDomain::default(), |sum, held| HeldOfDomain {
        entries: sum.entries + held.entries,
        bytes: sum.bytes + held.bytes,
    });
    assert_eq!((sum.bytes, sum.entries), (held, entries(&tier, &table)));
}

#[tokio::test]
async fn what_was_read_lately_stays() {
    let table = table(0, 20_000, Evict::Drop, EvictPolicy::Lru);
    let tier = tier(1);
    let mut limits = Limits::new(Arc::clone(&tier), 1);
    limits.step(&table).await;
    fill(&tier, &table, 0..17_000);
    std::thread::sleep(std::time::Duration::from_millis(20));
    for shard in ShardNumber::all() {
        tier.store.lock(shard).tick(Tick(tier.wall_ms()));
    }
    let hot = |number: u32| place(domain(&table).id.0, Space::Register, &format!("key-{number}"));
    for number in 0..1_000 {
        tier.used(domain(&table), &hot(number));
    }
    limits.step(&table).await;
    let there = |number: &u32| {
        let place = hot(*number);
        let shard = tier.store.lock(place.shard(true));
        !shard.read(&place, tier.wall_ms()).siblings.is_empty()
    };
    let kept = (0..1_000).filter(there).count();
    assert!(kept >= 995, "{kept} of the 1,000 that were read");
    assert_eq!(entries(&tier, &table), 15_000);
}

#[tokio::test]
async fn of_two_members_each_evicts_from_its_own_shards_and_both_stay_equal() {
    let table = table(0, 5_000, Evict::Drop, EvictPolicy::Lru);
    let (one, two) = (tier(1), tier(2));
    fill(&one, &table, 0..4_100);
    exchange(&one, &two);
    connect(&one, 2);
    connect(&two, 1);
    let own = |tier: &Tier| -> Vec<u64> {
        ShardNumber::all()
            .map(|number| tier.store.lock(number).own_number())
            .collect()
    };
    let before = own(&one);
    let (mut limits_of_one, mut limits_of_two) = (Limits::new(Arc::clone(&one), 1), Limits::new(Arc::clone(&two), 2));
    limits_of_one.step(&table).await;
    limits_of_two.step(&table).await;
    for number in ShardNumber::all() {
        let by_one = own(&one)[number.index()] > before[number.index()];
        let by_two = own(&two)[number.index()] > 0;
        assert!(!(by_one && by_two), "both evict from shard {}", number.get());
    }
    assert!(own(&two).iter().sum::<u64>() > 100, "the second member has its part");
    exchange(&one, &two);
    let left = entries(&one, &table);
    assert!(
        (3_650..=3_750).contains(&left),
        "{left}: about as much as if one had done it"
    );
}

#[tokio::test]
async fn a_member_that_is_nearly_full_does_not_wait_for_the_others() {
    let table = table(0, 5_000, Evict::Drop, EvictPolicy::Lru);
    let tier = tier(1);
    connect(&tier, 2);
    connect(&tier, 3);
    fill(&tier, &table, 0..5_500);
    let mut limits = Limits::new(Arc::clone(&tier), 1);
    limits.step(&table).await;
    let after_one = entries(&tier, &table);
    for _ in 0..20 {
        limits.step(&table).await;
    }
    let left = entries(&tier, &table);
    // Its third to 75 %, the others' to 94 %, and no more than that however long they do nothing.
    assert!((4_200..=4_500).contains(&left), "{left}");
    assert_eq!(left, after_one);
}

#[tokio::test]
async fn a_few_entries_in_many_shards_are_not_all_evicted() {
    let table = table(0, 100, Evict::Drop, EvictPolicy::Lru);
    let tier = tier(1);
    fill(&tier, &table, 0..85);
    Limits::new(Arc::clone(&tier), 1).step(&table).await;
    assert_eq!(entries(&tier, &table), 75);
}

#[test]
fn every_member_agrees_who_evicts_and_each_has_its_part() {
    let mut parts = [0; 3];
    for number in ShardNumber::all() {
        let evictor = evict::evictor_of(number, &[1, 2, 3]);
        assert_eq!(evictor, evict::evictor_of(number, &[3, 1, 2]));
        parts[evictor as usize - 1] += 1;
        // Without one of them, only its shards have another.
        let without = evict::evictor_of(number, &[1, 2]);
        assert!(evictor == 3 || without == evictor);
    }
    assert!(parts.iter().all(|part| (120..=220).contains(part)), "{parts:?}");
}

#[test]
fn a_level_is_told_when_it_changes() {
    let table = table(0, 100, Evict::None, EvictPolicy::None);
    let mut levels = pressure::Levels::default();
    let told = [
        Pressure::Low,
        Pressure::High,
        Pressure::High,
        Pressure::Critical,
        Pressure::Medium,
    ]
    .map(|level| levels.look(domain(&table), level));
    assert_eq!(told, [false, true, false, true, true]);
}
