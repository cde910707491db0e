//! Domains are created, changed and dropped through the log.

use std::sync::Arc;

use crate::mvcc::{
    DOMAINS_MAX, DefaultLevel, Domain, DomainChange, DomainSettings, Evict, EvictPolicy, NewDomain, Put,
};
use crate::state_machine::testing::domains::{change, create, drop, new, register_actor};
use crate::state_machine::testing::{self, Store, put, put_command};
use crate::state_machine::{Command, Operation, Reply, Stamp, State};
use crate::storage::{Batch, Durability, Engine, MemoryEngine, Table};
use crate::types::{ClientId, DomainField, DomainId, DomainRefusal, LeaseId, Rejection, Tier};

fn domain(reply: Reply) -> Domain {
    match reply {
        Reply::Domain { domain, .. } => domain,
        other => panic!("{other:?}"),
    }
}

fn rejection(reply: Reply) -> Rejection {
    match reply {
        Reply::Rejected { rejection, .. } => rejection,
        other => panic!("{other:?}"),
    }
}

fn refusal(reply: Reply) -> DomainRefusal {
    match rejection(reply) {
        Rejection::Domain { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

fn put_in(domain: &str, key: &str, value: &str) -> Put {
    Put {
        domain: domain.to_owned(),
        ..put(key, value)
    }
}

fn limited(name: &str, bytes_max: u64) -> NewDomain {
    let mut domain = new(name, Tier::Strong);
    domain.settings.bytes_max = bytes_max;
    domain
}

#[test]
fn a_created_domain_holds_keys_up_to_its_limit_also_after_a_restart() {
    let mut store = Store::new();
    let created = domain(store.apply_one(create(limited("orders", 10))));
    assert_eq!((created.id, created.bytes), (DomainId(8), 0));
    let mut store = store.reopen();
    let reply = store.apply_one(put_command(put_in("orders", "key", "1234567")));
    assert!(matches!(reply, Reply::Transaction(_)), "{reply:?}");
    let full = rejection(store.apply_one(put_command(put_in("orders", "k2", ""))));
    assert!(
        matches!(
            full,
            Rejection::DomainFull {
                bytes: 12,
                bytes_max: 10,
                ..
            }
        ),
        "{full:?}"
    );
    testing::check_rules(&store);
}

#[test]
fn the_same_key_in_two_domains_is_two_keys() {
    let mut store = Store::new();
    let in_one_group = store.apply(&[
        create(new("one", Tier::Strong)),
        create(new("two", Tier::Strong)),
        put_command(put_in("one", "key", "1")),
        put_command(put_in("two", "key", "2")),
    ]);
    assert!(
        in_one_group
            .iter()
            .all(|reply| !matches!(reply, Reply::Rejected { .. }))
    );
    let bytes: Vec<_> = store.state.domains().iter().map(|domain| domain.bytes).collect();
    assert_eq!(bytes[7..], [4, 4]);
    testing::check_rules(&store);
}

#[test]
fn a_name_is_short_and_of_few_letters() {
    let mut store = Store::new();
    for wrong in ["", "A", "a b", "ä", "a/b", "a\0", &"a".repeat(129)] {
        let refused = refusal(store.apply_one(create(new(wrong, Tier::Strong))));
        assert_eq!(refused, DomainRefusal::Name, "{wrong:?}");
    }
    for right in ["a", "0-._z", &"a".repeat(128)] {
        domain(store.apply_one(create(new(right, Tier::Eventual))));
    }
}

#[test]
fn a_second_domain_of_a_name_is_refused_whatever_its_tier() {
    let mut store = Store::new();
    store.apply_one(create(new("orders", Tier::Strong)));
    for taken in ["orders", "cache", "default"] {
        for tier in [Tier::Strong, Tier::Eventual] {
            let refused = refusal(store.apply_one(create(new(taken, tier))));
            assert_eq!(refused, DomainRefusal::Exists, "{taken}");
        }
    }
}

#[test]
fn ids_are_never_used_again() {
    let mut store = Store::new();
    let first = domain(store.apply_one(create(new("orders", Tier::Strong))));
    store.apply_one(drop("orders"));
    let mut store = store.reopen();
    let second = domain(store.apply_one(create(new("orders", Tier::Strong))));
    assert_eq!((first.id, second.id), (DomainId(8), DomainId(9)));
    let in_one_group = store.apply(&[drop("orders"), create(new("orders", Tier::Eventual))]);
    assert_eq!(domain(in_one_group[1].clone()).id, DomainId(10));
    let names: Vec<_> = store
        .reopen()
        .state
        .domains()
        .iter()
        .map(|domain| domain.id.0)
        .collect();
    assert_eq!(names, [1, 2, 3, 4, 5, 6, 7, 10]);
}

#[test]
fn a_strong_domain_is_dropped_when_it_is_empty_and_an_eventual_one_always() {
    let mut store = Store::new();
    store.apply(&[create(new("orders", Tier::Strong)), create(new("seen", Tier::Eventual))]);
    store.apply_one(put_command(put_in("orders", "key", "1")));
    let refused = rejection(store.apply_one(drop("orders")));
    assert_eq!(
        refused.to_string(),
        "domain \"orders\": it holds 4 bytes: delete its keys first"
    );
    let mut delete = testing::delete(testing::all());
    delete.domain = "orders".to_owned();
    store.apply_one(Command::Transaction(testing::transaction(vec![Operation::Delete(
        delete,
    )])));
    assert_eq!(domain(store.apply_one(drop("orders"))).name, "orders");
    assert_eq!(domain(store.apply_one(drop("seen"))).name, "seen");
    let gone = rejection(store.apply_one(put_command(put_in("orders", "key", "1"))));
    assert!(matches!(gone, Rejection::UnknownDomain { .. }));
    let again = rejection(store.apply_one(drop("seen")));
    assert!(matches!(again, Rejection::UnknownDomain { .. }));
    let built_in = refusal(store.apply_one(drop("cache")));
    assert_eq!(built_in, DomainRefusal::BuiltIn);
}

#[test]
fn a_change_says_what_becomes_different_and_nothing_else() {
    let mut store = Store::new();
    store.apply_one(create(limited("orders", 100)));
    let level = DefaultLevel::BoundedStale { max_staleness_ms: 5 };
    let changed = domain(store.apply_one(change(
        "orders",
        DomainChange {
            level: Some(level),
            ..DomainChange::default()
        },
    )));
    assert_eq!((changed.settings.bytes_max, changed.settings.level), (100, Some(level)));
    let lower = DomainChange {
        bytes_max: Some(3),
        ..DomainChange::default()
    };
    store.apply_one(put_command(put_in("orders", "key", "1")));
    let below = domain(store.apply_one(change("orders", lower)));
    assert_eq!((below.settings.bytes_max, below.bytes), (3, 4));
    let full = rejection(store.apply_one(put_command(put_in("orders", "key", "12"))));
    assert!(matches!(full, Rejection::DomainFull { .. }));
    let unknown = rejection(store.apply_one(change("nowhere", DomainChange::default())));
    assert!(matches!(unknown, Rejection::UnknownDomain { .. }));
}

#[test]
fn the_limit_of_a_built_in_domain_can_be_changed_and_stays_so() {
    let mut store = Store::new();
    let higher = DomainChange {
        bytes_max: Some(5),
        ..DomainChange::default()
    };
    store.apply_one(change("session", higher));
    let mut store = store.reopen();
    let full = rejection(store.apply_one(put_command(put_in("session", "key", "123"))));
    assert!(matches!(full, Rejection::DomainFull { bytes_max: 5, .. }));
}

#[test]
fn settings_that_do_not_go_together_are_refused_when_created_and_when_changed() {
    type Spoil = fn(&mut DomainSettings);
    let not_strong = |field| DomainRefusal::NotOfTier {
        field,
        tier: Tier::Strong,
    };
    let spoiled: [(Tier, Spoil, DomainRefusal); 9] = [
        (
            Tier::Strong,
            |it| it.entries_max = 1,
            not_strong(DomainField::EntriesMax),
        ),
        (Tier::Strong, |it| it.strategy = 1, not_strong(DomainField::Strategy)),
        (
            Tier::Strong,
            |it| it.evict = Evict::Drop,
            not_strong(DomainField::Evict),
        ),
        (
            Tier::Strong,
            |it| it.level = Some(DefaultLevel::BoundedStale { max_staleness_ms: 0 }),
            DomainRefusal::BoundOfZero,
        ),
        (
            Tier::Strong,
            |it| it.ttl_ms_default = u64::MAX,
            DomainRefusal::TtlTooLong {
                ttl_ms: u64::MAX,
                ttl_ms_max: crate::mvcc::TTL_MS_MAX,
            },
        ),
        (
            Tier::Eventual,
            |it| it.strategy = 0,
            DomainRefusal::UnknownStrategy { number: 0 },
        ),
        (
            Tier::Eventual,
            |it| it.strategy = 7,
            DomainRefusal::UnknownStrategy { number: 7 },
        ),
        (
            Tier::Eventual,
            |it| it.evict = Evict::Drop,
            DomainRefusal::EvictWithoutPolicy,
        ),
        (
            Tier::Eventual,
            |it| it.policy = EvictPolicy::Lru,
            DomainRefusal::EvictWithoutPolicy,
        ),
    ];
    let mut store = Store::new();
    store.apply(&[
        create(new("strong", Tier::Strong)),
        create(new("eventual", Tier::Eventual)),
    ]);
    for (tier, spoil, expected) in spoiled {
        let mut created = new("other", tier);
        spoil(&mut created.settings);
        let settings = created.settings.clone();
        assert_eq!(refusal(store.apply_one(create(created))), expected);
        let changed = DomainChange {
            entries_max: Some(settings.entries_max),
            strategy: Some(settings.strategy),
            ttl_ms_default: Some(settings.ttl_ms_default),
            evict: Some(settings.evict),
            policy: Some(settings.policy),
            level: settings.level,
            ..DomainChange::default()
        };
        assert_eq!(refusal(store.apply_one(change(&tier.to_string(), changed))), expected);
    }
    let level = DomainChange {
        level: Some(DefaultLevel::Local),
        ..DomainChange::default()
    };
    let expected = DomainRefusal::NotOfTier {
        field: DomainField::Level,
        tier: Tier::Eventual,
    };
    assert_eq!(refusal(store.apply_one(change("eventual", level))), expected);
}

#[test]
fn a_volatile_domain_is_eventual_and_never_moves_values_to_disk() {
    let mut store = Store::new();
    let strong = NewDomain {
        volatile: true,
        ..new("strong", Tier::Strong)
    };
    let refused = refusal(store.apply_one(create(strong)));
    assert!(matches!(
        refused,
        DomainRefusal::NotOfTier {
            field: DomainField::Volatile,
            ..
        }
    ));
    let mut moving = new("moving", Tier::Eventual);
    moving.volatile = true;
    (moving.settings.evict, moving.settings.policy) = (Evict::Memory, EvictPolicy::Lru);
    assert_eq!(refusal(store.apply_one(create(moving))), DomainRefusal::VolatileOnDisk);
}

#[test]
fn a_key_without_a_life_of_its_own_lives_as_the_domain_says() {
    let mut store = Store::new();
    let mut brief = new("brief", Tier::Strong);
    brief.settings.ttl_ms_default = 50;
    let mut strict = new("strict", Tier::Strong);
    strict.settings.ttl_required = true;
    store.apply(&[create(brief), create(strict)]);
    store.now = 100;
    let leased = Put {
        lease: Some(LeaseId(1)),
        ..put_in("strict", "leased", "1")
    };
    let own = Put {
        ttl_ms: Some(200),
        ..put_in("strict", "own", "1")
    };
    store.transact(testing::transaction(vec![Operation::Lease(testing::grant(1, 1000))]));
    store.transact(testing::transaction(vec![Operation::Put(leased), Operation::Put(own)]));
    store.transact(testing::transaction(vec![Operation::Put(put_in("brief", "key", "1"))]));
    assert_eq!(store.state.next_key_expiry().unwrap().unwrap().0, 150);
    let refused = refusal(store.apply_one(put_command(put_in("strict", "key", "1"))));
    assert_eq!(refused, DomainRefusal::TtlRequired);
    testing::check_rules(&store);
}

#[test]
fn there_are_at_most_so_many_domains() {
    let mut store = Store::new();
    let many: Vec<_> = (7..DOMAINS_MAX)
        .map(|number| create(new(&format!("d{number}"), Tier::Eventual)))
        .collect();
    for reply in store.apply(&many) {
        domain(reply);
    }
    let refused = refusal(store.apply_one(create(new("last", Tier::Eventual))));
    assert_eq!(
        refused,
        DomainRefusal::TooMany {
            domains_max: DOMAINS_MAX
        }
    );
    store.apply_one(drop("d7"));
    domain(store.apply_one(create(new("last", Tier::Eventual))));
}

#[test]
fn a_retried_command_about_a_domain_applies_once() {
    let mut store = Store::new();
    let client = store.register();
    let stamped = |sequence, command: Command| stamped(client, sequence, command);
    let created = store.apply_one(stamped(1, create(new("orders", Tier::Strong))));
    let dropped = store.apply_one(stamped(2, drop("orders")));
    let mut store = store.reopen();
    assert_eq!(
        store.apply_one(stamped(1, create(new("orders", Tier::Strong)))),
        created
    );
    assert_eq!(store.apply_one(stamped(2, drop("orders"))), dropped);
    assert_eq!(store.state.domains().iter().count(), 7);
}

fn stamped(client: ClientId, sequence: u64, mut command: Command) -> Command {
    let own = Some(Stamp {
        client,
        sequence,
        answered_up_to: 0,
    });
    match &mut command {
        Command::CreateDomain(create) => create.stamp = own,
        Command::ChangeDomain(change) => change.stamp = own,
        Command::DropDomain(drop) => drop.stamp = own,
        _ => panic!("not about a domain"),
    }
    command
}

#[test]
fn the_hash_of_the_state_covers_domains_and_actors() {
    let mut hashes = Vec::new();
    for command in [
        create(new("orders", Tier::Strong)),
        create(new("orders", Tier::Eventual)),
        change(
            "session",
            DomainChange {
                bytes_max: Some(1),
                ..DomainChange::default()
            },
        ),
        register_actor(1, 5),
        register_actor(2, 5),
        // Changes nothing.
        drop("cache"),
    ] {
        let mut store = Store::new();
        store.apply_one(command);
        hashes.push(store.state.hash());
    }
    let last = hashes.pop();
    assert_eq!(last, Some(Store::new().state.hash()));
    hashes.extend(last);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
}

#[test]
fn a_store_from_before_domains_could_be_created_is_read_and_goes_on() {
    let engine = MemoryEngine::new();
    State::open(Arc::new(engine.clone())).unwrap();
    let mut batch = Batch::new();
    // "session" with a limit of 90 bytes, of which 80 are used.
    let mut row = Vec::new();
    crate::codec::seal(0x0203, 1, &mut row, |payload| {
        payload.extend_from_slice(b"\x03\x07session\x00\x5a\x50");
        Ok(())
    })
    .unwrap();
    batch.put(Table::Meta, crate::mvcc::keys::domain(DomainId(3)), row);
    engine.write(batch, Durability::Synced).unwrap();
    let mut store = Store::open(engine);
    let session = store
        .state
        .domains()
        .iter()
        .find(|domain| domain.name == "session")
        .unwrap();
    assert_eq!((session.bytes, session.settings.bytes_max), (80, 90));
    let level = session.settings.level;
    assert_eq!(level, Some(DefaultLevel::BoundedStale { max_staleness_ms: 100 }));
    let full = rejection(store.apply_one(put_command(put_in("session", "key", "12345678"))));
    assert!(matches!(full, Rejection::DomainFull { bytes: 91, .. }), "{full:?}");
    assert_eq!(
        domain(store.apply_one(create(new("orders", Tier::Strong)))).id,
        DomainId(8)
    );
}
