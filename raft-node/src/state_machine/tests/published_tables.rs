//! The tables that everybody but the one who applies sees.

use std::sync::Arc;

use crate::mvcc::{DefaultLevel, Evict, EvictPolicy};
use crate::state_machine::testing::domains::{create, drop, new, register_actor, retire_actor};
use crate::state_machine::testing::{self, put, put_command};
use crate::state_machine::{Command, EntryPayload, State, StateStore};
use crate::types::{ActorId, DomainId, Rejection, Tier};

fn state_store() -> (tempfile::TempDir, Arc<StateStore>, State) {
    let directory = tempfile::tempdir().unwrap();
    let engines = crate::consensus::tests::memory_engines();
    let (store, state) = StateStore::open(directory.path(), engines).unwrap();
    (directory, store, state)
}

fn apply(store: &StateStore, state: &mut State, command: Command) {
    let index = state.applied().map_or(0, |position| position.index) + 1;
    let payload = EntryPayload::Group(testing::group(0, &[command]));
    state.apply(&[testing::entry(index, payload)]).unwrap();
    store.publish_batch(state);
}

#[test]
fn the_published_tables_change_with_what_is_applied_and_only_then() {
    let (_directory, store, mut state) = state_store();
    let mut domains = store.domains().watch();
    let mut actors = store.actors().watch();
    assert_eq!(domains.borrow_and_update().len(), 7);
    assert_eq!(actors.borrow_and_update().live(1), None);
    apply(&store, &mut state, put_command(put("a", "1")));
    assert!(!domains.has_changed().unwrap() && !actors.has_changed().unwrap());
    apply(&store, &mut state, create(new("orders", Tier::Strong)));
    assert!(domains.has_changed().unwrap() && !actors.has_changed().unwrap());
    assert_eq!(store.domains().load().strong("orders").unwrap().id, DomainId(8));
    apply(&store, &mut state, register_actor(1, 5));
    assert!(actors.has_changed().unwrap());
    assert_eq!(store.actors().load().live(1), Some(ActorId(5)));
    apply(&store, &mut state, retire_actor(5, &[(1, 2)]));
    assert_eq!(store.actors().load().finals(ActorId(5)).unwrap().last(1), 2);
    apply(&store, &mut state, drop("orders"));
    let gone = store.domains().load().strong("orders").unwrap_err();
    assert!(matches!(gone, Rejection::UnknownDomain { .. }));
}

#[test]
fn an_installed_snapshot_brings_its_tables() {
    let (_one, store, mut state) = state_store();
    apply(&store, &mut state, create(new("orders", Tier::Eventual)));
    apply(&store, &mut state, register_actor(1, 5));
    let snapshot = store.build_snapshot().unwrap();
    let (_other, behind, _) = state_store();
    let domains = behind.domains().watch();
    let state = behind.install(&snapshot).unwrap();
    assert!(domains.has_changed().unwrap());
    assert_eq!(behind.domains().load().eventual("orders").unwrap().id, DomainId(8));
    assert_eq!(behind.actors().load().live(1), Some(ActorId(5)));
    assert_eq!(state.domains().iter().count(), 8);
}

#[test]
fn the_table_names_the_tier_that_a_call_cannot_address() {
    let (_directory, store, _) = state_store();
    let table = store.domains().load();
    let eventual = table.strong("cache").unwrap_err();
    assert_eq!(
        eventual.to_string(),
        "domain \"cache\" is eventual: this call cannot address it"
    );
    let strong = table.eventual("session").unwrap_err();
    assert_eq!(
        strong.to_string(),
        "domain \"session\" is strong: this call cannot address it"
    );
    let cache = table.eventual("cache").unwrap();
    assert_eq!(
        (cache.volatile, cache.evict, cache.policy),
        (true, Evict::Drop, EvictPolicy::Lru)
    );
    assert!(table.eventual("ephemeral").unwrap().ttl_required);
    let bounded = DefaultLevel::BoundedStale { max_staleness_ms: 100 };
    assert_eq!(table.strong("session").unwrap().level, bounded);
}
