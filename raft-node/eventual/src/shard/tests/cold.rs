//! Values that are on the disk alone, by hand, with real rows.

use std::collections::BTreeMap;

use super::hand::{NOW_MS, counter, put, register};
use super::node::Node;
use super::targets::{DOMAIN, shard_number};
use crate::frame::{Forgotten, NotEncoded};
use crate::key::Key;
use crate::policy::{Policy, Tick};
use crate::row::{Rows, StoredEntry, Unreadable, entry_key};
use crate::shard::{Action, Cold, Fetched, Refused};
use crate::{ActorId, Clock, Place, ShardLimits, Strategy};

/// A member with a disk.
struct Durable {
    node: Node,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Durable {
    fn new(actor: u64) -> Self {
        let mut node = super::hand::member(actor);
        node.shard.track_unflushed();
        Durable {
            node,
            rows: BTreeMap::new(),
        }
    }

    fn flushes(&mut self) {
        let Some(mut unflushed) = self.node.shard.take_unflushed() else {
            return;
        };
        let fetched = self.fetches(&unflushed.cold());
        unflushed.fill(&fetched);
        let rows = Rows::of(shard_number(), &unflushed, &self.node.actors);
        self.rows.extend(rows.puts);
        for key in rows.deletes {
            self.rows.remove(&key);
        }
    }

    fn row(&self, place: &Place) -> Result<StoredEntry, Unreadable> {
        let key = Key::keep(place);
        let row = &self.rows[&entry_key(shard_number(), key.bytes())];
        StoredEntry::read(shard_number(), key, row, &self.node.actors)
    }

    fn chills(&mut self, place: &Place) -> u64 {
        let stored = self.row(place).unwrap();
        self.node.shard.chill(&stored)
    }

    fn fetches(&self, cold: &[Cold]) -> Fetched {
        let mut fetched = Fetched::default();
        for Cold { key, dot } in cold {
            assert!(fetched.take(&self.row(&Place::of(key.address())).unwrap(), *dot));
        }
        fetched
    }

    /// Its values, brought from the disk where they are not in memory.
    fn values(&self, place: &Place) -> Vec<String> {
        let mut held = self.node.shard.read(place, NOW_MS);
        assert!(held.fill(&self.fetches(&self.node.shard.cold_of(place))));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut values: Vec<String> = held.siblings.iter().map(|(_, one)| text(one.value.bytes())).collect();
        values.sort();
        values
    }

    /// Bytes in memory, cold values and their bytes.
    fn counted(&self) -> [u64; 3] {
        let [_, _, bytes, values, cold] = self.node.counted();
        [bytes, values, cold]
    }
}

fn long(letter: &str) -> String {
    letter.repeat(100)
}

#[test]
fn a_value_that_is_on_the_disk_alone_costs_no_memory_and_is_read_all_the_same() {
    let (mut member, key) = (Durable::new(1), register(1));
    member.node.puts(&key, Strategy::LastWrite, &long("a"));
    let [bytes, ..] = member.counted();
    let digest = member.node.shard.digest();
    member.flushes();
    assert_eq!(member.chills(&key), 100);
    assert_eq!(member.counted(), [bytes - 100, 1, 100]);
    assert_eq!(member.node.shard.digest(), digest);
    assert!(member.node.shard.take_unflushed().is_none(), "nothing changed");
    assert!(member.node.shard.read(&key, NOW_MS).is_cold());
    assert_eq!(member.values(&key), [long("a")]);
    assert_eq!(member.chills(&key), 0, "it is gone already");

    let fetched = member.fetches(&member.node.shard.cold_of(&key));
    member.node.shard.warm(&key, &fetched);
    assert_eq!(member.counted(), [bytes, 0, 0]);
    assert!(!member.node.shard.has_cold());
}

#[test]
fn a_value_stays_in_memory_that_is_newer_than_its_row_short_or_of_a_counter() {
    let (mut member, key) = (Durable::new(1), register(1));
    member.node.puts(&key, Strategy::LastWrite, &long("a"));
    member.flushes();
    let old = member.row(&key).unwrap();
    member.node.puts(&key, Strategy::LastWrite, &long("b"));
    assert_eq!(member.node.shard.chill(&old), 0);
    member.node.puts(&register(2), Strategy::LastWrite, &"a".repeat(63));
    member.node.shard.limits.cold_bytes_min = 1;
    member.node.adds(5);
    member.flushes();
    assert_eq!(member.chills(&counter()), 0);
    member.node.shard.limits.cold_bytes_min = ShardLimits::default().cold_bytes_min;
    assert_eq!(member.chills(&register(2)), 0);
    assert_eq!(member.chills(&key), 100);
}

#[test]
fn a_row_that_is_damaged_or_of_another_key_is_no_proof() {
    let (mut member, key) = (Durable::new(1), register(1));
    member.node.puts(&key, Strategy::LastWrite, &long("a"));
    member.flushes();
    let row = member.rows.get_mut(&entry_key(shard_number(), key.bytes())).unwrap();
    row[30] ^= 1;
    let damaged = member.row(&key).unwrap_err();
    assert!(matches!(damaged, Unreadable::Damaged(_)), "{damaged}");
    let row = member.rows[&entry_key(shard_number(), key.bytes())].clone();
    member.rows.insert(entry_key(shard_number(), register(2).bytes()), row);
    assert!(member.row(&register(2)).is_err());
}

#[test]
fn the_last_write_needs_no_cold_value_and_a_union_does() {
    let (mut member, list) = (Durable::new(1), register(2));
    let values = format!("[{:?}]", long("a"));
    member.node.puts(&list, Strategy::Union, &values);
    member.flushes();
    member.chills(&list);
    let before = member.node.shard.own_number();
    let refused = member
        .node
        .does(&list, put(Strategy::Union, "[1]"), None, 0, NOW_MS)
        .unwrap_err();
    assert_eq!(refused, Refused::Cold);
    assert_eq!(member.node.shard.own_number(), before);
    let fetched = member.fetches(&member.node.shard.cold_of(&list));
    member.node.shard.warm(&list, &fetched);
    member.node.puts(&list, Strategy::Union, "[1]");
    assert_eq!(member.values(&list), [format!("[1,{:?}]", long("a"))]);

    member.flushes();
    member.chills(&list);
    member.node.puts(&list, Strategy::LastWrite, "new");
    assert_eq!(member.values(&list), ["new"]);
    assert_eq!(member.counted()[1..], [0, 0]);
    member.flushes();
    assert_eq!(member.row(&list).unwrap().key, Key::keep(&list));
}

#[test]
fn what_comes_to_stand_beside_a_cold_value_does_not_take_it_from_the_disk() {
    let (mut member, key) = (Durable::new(1), register(1));
    member.node.puts(&key, Strategy::Siblings, &long("a"));
    member.flushes();
    member.chills(&key);
    member.node.puts(&key, Strategy::Siblings, &long("b"));
    member
        .node
        .puts_until(&key, Strategy::Siblings, "c", NOW_MS + 1, NOW_MS);
    member.flushes();
    assert_eq!(member.chills(&key), 100, "the second");
    assert_eq!(member.node.shard.drop_ended(NOW_MS + 5_000, 10), 1);
    member.flushes();
    assert_eq!(member.values(&key), [long("a"), long("b")]);
    assert_eq!(member.counted()[1..], [2, 200]);
}

#[test]
fn peers_get_cold_values_as_operations_and_as_a_state() {
    let (mut member, key) = (Durable::new(1), register(1));
    member.node.puts(&key, Strategy::LastWrite, &long("a"));
    member.flushes();
    member.chills(&key);
    let cold = member.node.shard.cold_of(&key);
    let (mut frame, none) = (Vec::new(), Fetched::default());
    let (shard, have) = (&member.node.shard, Clock::default());
    assert_eq!(shard.encode_own(shard_number(), 0, &mut frame), Err(Forgotten));
    let refused = shard.encode_missing(shard_number(), &have, &none, &mut frame);
    assert_eq!(refused, Err(NotEncoded::Cold(cold.clone())));
    let refused = shard.encode_state(shard_number(), &have, &none, &mut frame);
    assert_eq!(refused, Err(cold.clone()));
    assert!(frame.is_empty());

    let fetched = member.fetches(&cold);
    let (mut operations, mut state) = (Vec::new(), Vec::new());
    shard
        .encode_missing(shard_number(), &have, &fetched, &mut operations)
        .unwrap();
    shard.encode_state(shard_number(), &have, &fetched, &mut state).unwrap();
    for (frame, actor) in [operations, state].iter().zip(2..) {
        let mut peer = super::hand::member(actor);
        peer.takes(frame).unwrap();
        assert_eq!(peer.values(&key), [long("a")]);
    }
    // A peer that has it needs no value.
    let all = member.node.shard.clock().clone();
    let mut frame = Vec::new();
    shard.encode_state(shard_number(), &all, &none, &mut frame).unwrap();
}

#[test]
fn a_cold_value_that_a_peer_superseded_is_sent_no_more() {
    let (mut member, key) = (Durable::new(1), register(1));
    let mut peer = super::hand::member(2);
    member.node.puts(&key, Strategy::LastWrite, &long("a"));
    peer.catches_up_with(&member.node);
    member.flushes();
    member.chills(&key);
    peer.puts(&key, Strategy::LastWrite, "b");
    member.node.catches_up_with(&peer);
    assert_eq!(member.values(&key), ["b"]);
    assert_eq!((member.node.shard.orphan_bytes(), member.counted()[1]), (0, 0));
    let mut frame = Vec::new();
    let own = member.node.shard.encode_own(shard_number(), 0, &mut frame);
    assert_eq!(own, Err(Forgotten), "with its successor alone");
    let mut third = super::hand::member(3);
    third.catches_up_with(&member.node);
    assert_eq!(third.values(&key), ["b"]);
}

#[test]
fn what_was_not_used_for_longest_goes_first_and_what_is_cold_is_not_drawn_again() {
    let mut member = Durable::new(1);
    member.node.shard.evict_by(DOMAIN, Some(Policy::Lru));
    let keys: Vec<Place> = (1..=6).map(register).collect();
    for (key, tick) in keys.iter().zip(1..) {
        let written = member
            .node
            .does(key, put(Strategy::LastWrite, &long("a")), None, 0, NOW_MS + tick);
        written.unwrap();
    }
    member.node.shard.tick(Tick(NOW_MS + 10));
    member.node.shard.used(&keys[0]);
    member.flushes();
    for expected in [1, 2, 3, 4, 5, 0] {
        let victims = member.node.shard.victims(DOMAIN, 1);
        assert_eq!(victims, [Key::keep(&keys[expected])]);
        assert_eq!(member.chills(&keys[expected]), 100);
    }
    assert!(member.node.shard.victims(DOMAIN, 1).is_empty());
    assert_eq!(member.counted()[1..], [6, 600]);
    for key in &keys {
        member.node.deletes(key, None);
    }
    assert_eq!(member.node.counted(), [0; 5]);
}

#[test]
fn after_a_restart_values_of_a_domain_that_keeps_them_on_the_disk_are_cold() {
    for (cold_domains, expected) in [(&[DOMAIN][..], [1, 100]), (&[][..], [0, 0])] {
        let (mut before, key) = (Durable::new(1), register(1));
        before.node.puts(&key, Strategy::LastWrite, &long("a"));
        let mut unflushed = before.node.shard.take_unflushed().unwrap();
        unflushed.fill(&Fetched::default());
        let rows = Rows::of(shard_number(), &unflushed, &before.node.actors);
        let mut after = Durable::new(2);
        let mut stored = crate::row::Stored::new(shard_number());
        let actors = std::sync::Arc::clone(&after.node.actors);
        stored.take(&rows.head.0, &rows.head.1, &actors).unwrap();
        for (key, row) in rows.puts {
            stored.take(&key, &row, &actors).unwrap();
            after.rows.insert(key, row);
        }
        after
            .node
            .shard
            .restore(stored.finish().unwrap().unwrap(), cold_domains)
            .unwrap();
        assert_eq!(after.counted()[1..], expected);
        assert_eq!(after.values(&key), [long("a")]);
        assert_eq!(after.node.shard.digest(), before.node.shard.digest());
        assert!(after.node.actors.find(ActorId(1)).is_some());
    }
}

#[test]
fn a_delete_needs_no_cold_value() {
    let (mut member, key) = (Durable::new(1), register(1));
    member
        .node
        .puts(&key, Strategy::Max, &format!("{}1", "0.".to_owned() + &"0".repeat(99)));
    member.flushes();
    assert!(member.chills(&key) > 0);
    let deleted = member.node.does(&key, Action::Delete, None, 0, NOW_MS).unwrap();
    assert!(deleted.dot.is_some());
    member.flushes();
    assert!(member.rows.is_empty());
    assert_eq!(member.node.counted(), [0; 5]);
}
