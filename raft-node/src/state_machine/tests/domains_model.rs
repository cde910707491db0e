//! Random commands about domains, against a model that is a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::mvcc::{DefaultLevel, Domain, DomainChange, DomainSettings, Evict, EvictPolicy, NewDomain, Put};
use crate::state_machine::testing::domains::{change, create, drop, new, register_actor, retire_actor};
use crate::state_machine::testing::{self, Store, put, put_command};
use crate::state_machine::{Command, Operation, Reply};
use crate::types::{DomainId, Tier};

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(["orders", "seen", "cache", "session", "Wrong"].as_slice())
}

fn tier() -> impl Strategy<Value = Tier> {
    prop::sample::select([Tier::Strong, Tier::Eventual].as_slice())
}

fn evict() -> impl Strategy<Value = Evict> {
    prop::sample::select([Evict::None, Evict::Memory, Evict::Drop].as_slice())
}

fn policy() -> impl Strategy<Value = EvictPolicy> {
    prop::sample::select([EvictPolicy::None, EvictPolicy::Arc].as_slice())
}

prop_compose! {
    fn some_change()(
        bytes_max in prop::option::of(0..12_u64),
        entries_max in prop::option::weighted(0.2, 0..3_u64),
        strategy in prop::option::weighted(0.2, 0..8_u8),
        ttl_ms_default in prop::option::weighted(0.2, 0..30_u64),
        ttl_required in prop::option::weighted(0.2, any::<bool>()),
        evict in prop::option::weighted(0.2, evict()),
        policy in prop::option::weighted(0.2, policy()),
        level in prop::option::weighted(0.2, (0..2_u64).prop_map(|max_staleness_ms| {
            DefaultLevel::BoundedStale { max_staleness_ms }
        })),
        coherent in prop::option::weighted(0.2, any::<bool>()),
    ) -> DomainChange {
        DomainChange { bytes_max, entries_max, strategy, ttl_ms_default, ttl_required, evict, policy, level, coherent }
    }
}

fn some_new() -> impl Strategy<Value = NewDomain> {
    (name(), tier(), prop::bool::weighted(0.2), some_change()).prop_map(|(name, tier, volatile, change)| NewDomain {
        volatile,
        settings: DomainSettings {
            level: change.applied_to(&DomainSettings::of_tier(tier)).level,
            bytes_max: change.bytes_max.unwrap_or(0),
            ..DomainSettings::of_tier(tier)
        },
        ..new(name, tier)
    })
}

/// A command about a domain or an actor.
pub(super) fn some_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => some_new().prop_map(create),
        2 => (name(), some_change()).prop_map(|(name, to)| change(name, to)),
        2 => name().prop_map(drop),
        1 => (1..4_u64, 0..6_u64).prop_map(|(member, actor)| register_actor(member, actor)),
        1 => (0..6_u64, 1..4_u64).prop_map(|(actor, last)| retire_actor(actor, &[(0, last)])),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Command(Command),
    /// Domain, key, bytes of the value.
    Put(&'static str, u8, usize),
    Clear(&'static str),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => some_command().prop_map(Step::Command),
        3 => (name(), 0..3_u8, 0..8_usize).prop_map(|(name, key, bytes)| Step::Put(name, key, bytes)),
        1 => name().prop_map(Step::Clear),
        1 => Just(Step::Restart),
    ]
}

/// What domains there are, each with its keys and the bytes of their values.
struct Model {
    domains: BTreeMap<String, (Domain, BTreeMap<u8, usize>)>,
    next: u32,
}

impl Model {
    fn new() -> Self {
        let built_in = Domain::built_in().into_iter();
        Self {
            domains: built_in
                .map(|domain| (domain.name.clone(), (domain, BTreeMap::new())))
                .collect(),
            next: 8,
        }
    }

    /// What the command changes, or that it is refused.
    fn command(&mut self, command: &Command) -> Result<(), ()> {
        match command {
            Command::CreateDomain(create) => {
                let new = &create.domain;
                let taken = self.domains.contains_key(&new.name);
                if taken || new.name == "Wrong" || new.settings.check(new.tier, new.volatile).is_err() {
                    return Err(());
                }
                let domain = Domain {
                    id: DomainId(self.next),
                    name: new.name.clone(),
                    tier: new.tier,
                    volatile: new.volatile,
                    bytes: 0,
                    settings: new.settings.clone(),
                };
                self.next += 1;
                self.domains.insert(new.name.clone(), (domain, BTreeMap::new()));
            }
            Command::ChangeDomain(change) => {
                let (domain, _) = self.domains.get_mut(&change.name).ok_or(())?;
                let settings = change.change.applied_to(&domain.settings);
                settings.check(domain.tier, domain.volatile).map_err(|_| ())?;
                domain.settings = settings;
            }
            Command::DropDomain(drop) => {
                let (domain, keys) = self.domains.get(&drop.name).ok_or(())?;
                if domain.id.0 < 8 || !keys.is_empty() {
                    return Err(());
                }
                self.domains.remove(&drop.name);
            }
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, name: &str, key: u8, bytes: usize) -> Result<(), ()> {
        let (domain, keys) = self.domains.get_mut(name).ok_or(())?;
        let before = keys.get(&key).map_or(0, |bytes| bytes + 1);
        let total = keys.values().map(|bytes| bytes + 1).sum::<usize>() - before + bytes + 1;
        let full = domain.settings.bytes_max != 0 && total as u64 > domain.settings.bytes_max && bytes + 1 > before;
        let for_ever = domain.settings.ttl_required && domain.settings.ttl_ms_default == 0;
        if domain.tier == Tier::Eventual || full || for_ever {
            return Err(());
        }
        keys.insert(key, bytes);
        Ok(())
    }
}

fn check(store: &Store, model: &Model) {
    let mut expected: Vec<_> = model
        .domains
        .values()
        .map(|(domain, keys)| Domain {
            bytes: keys.values().map(|bytes| *bytes as u64 + 1).sum(),
            ..domain.clone()
        })
        .collect();
    expected.sort_by_key(|domain| domain.id);
    assert_eq!(store.state.domains().iter().cloned().collect::<Vec<_>>(), expected);
    testing::check_rules(store);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn domains_do_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let (mut store, mut model) = (Store::new(), Model::new());
        for step in steps {
            match step {
                Step::Restart => store = store.reopen(),
                Step::Command(command) => {
                    let about_actors = matches!(command, Command::RegisterActor(_) | Command::RetireActor(_));
                    let expected = model.command(&command);
                    let reply = store.apply_one(command);
                    let refused = matches!(reply, Reply::Rejected { .. });
                    prop_assert!(about_actors || refused == expected.is_err(), "{:?}", reply);
                }
                Step::Put(name, key, bytes) => {
                    let domain = name.to_owned();
                    let reply = store.apply_one(put_command(Put { domain, ..put([key], vec![b'x'; bytes]) }));
                    let refused = matches!(reply, Reply::Rejected { .. });
                    prop_assert_eq!(refused, model.put(name, key, bytes).is_err(), "{:?}", reply);
                }
                Step::Clear(name) => {
                    let mut delete = testing::delete(testing::all());
                    delete.domain = name.to_owned();
                    store.apply_one(Command::Transaction(testing::transaction(vec![Operation::Delete(delete)])));
                    if let Some((_, keys)) = model.domains.get_mut(name) {
                        keys.clear();
                    }
                }
            }
            check(&store, &model);
        }
    }
}
