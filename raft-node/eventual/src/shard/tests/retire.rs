//! Processes that are gone for good.

use super::hand::{frugal_member, member, register};
use super::node::Node;
use crate::{ActorId, Strategy};

const LAST: Strategy = Strategy::LastWrite;
const GONE: ActorId = ActorId(9);

/// Two members that have three operations of a process that is gone.
fn two() -> (Node, Node) {
    let mut gone = member(GONE.0);
    for value in ["a", "b", "c"] {
        gone.puts(&register(0), LAST, value);
    }
    let (mut one, mut other) = (member(1), member(2));
    one.catches_up_with(&gone);
    other.catches_up_with(&gone);
    (one, other)
}

fn retires(node: &mut Node, last: u64) -> bool {
    let gone = node.index(GONE);
    node.shard.retire(gone, last)
}

fn hash(node: &Node) -> u64 {
    node.shard.clock().hash(&node.actors)
}

#[test]
fn a_retired_actor_is_listed_no_more_and_its_values_stay() {
    let (mut one, other) = two();
    assert!(retires(&mut one, 3));
    assert_eq!(one.shard.clock().iter().count(), 0);
    assert_eq!(one.values(&register(0)), ["c"]);
    assert_eq!(one.shard.log_len(), 0);
    assert_eq!(hash(&one), hash(&other), "the other has not heard of it yet");
    assert!(retires(&mut one, 3), "twice is once");
}

#[test]
fn who_lacks_an_operation_or_has_one_more_does_not_retire() {
    let (mut one, _) = two();
    assert!(!retires(&mut one, 4));
    assert!(!retires(&mut one, 2));
    let me = one.shard.me();
    assert!(!one.shard.retire(me, 0), "itself");
}

#[test]
fn members_of_which_one_has_retired_exchange_operations_as_before() {
    let (mut one, mut other) = two();
    retires(&mut one, 3);
    one.puts(&register(0), LAST, "d");
    let have = one.clock_of(&other.numbers(true));
    assert!(one.missing_to(&have).is_some(), "no state is needed");
    other.catches_up_with(&one);
    other.puts(&register(0), LAST, "e");
    one.catches_up_with(&other);
    assert_eq!(one.live(), other.live());
}

#[test]
fn a_member_with_an_old_disk_gets_a_state_and_retires_with_it() {
    let (mut one, mut other) = two();
    let mut gone = frugal_member(GONE.0, 100, 100);
    gone.puts(&register(0), LAST, "a");
    let mut restored = member(3);
    restored.catches_up_with(&gone);
    retires(&mut one, 3);
    retires(&mut other, 3);
    assert!(!retires(&mut restored, 3));
    assert_ne!(hash(&restored), hash(&one));

    // What it has of the retired actor is nothing new to the others, and takes nothing from them.
    one.catches_up_with(&restored);
    one.joins(&restored);
    assert_eq!(one.values(&register(0)), ["c"]);

    let have = one.clock_of(&restored.numbers(true));
    assert!(
        one.missing_to(&have).is_none(),
        "operations of retired actors are not remembered"
    );
    restored.catches_up_with(&one);
    assert_eq!(restored.live(), one.live());
    assert!(restored.shard.clock().is_retired(restored.index(GONE)));
    assert_eq!(hash(&restored), hash(&one));
}

#[test]
fn a_member_with_an_empty_disk_does_not_look_complete() {
    let (mut one, _) = two();
    retires(&mut one, 3);
    let mut wiped = member(3);
    assert_ne!(hash(&wiped), hash(&one));
    assert!(one.missing_to(wiped.shard.clock()).is_none());
    wiped.catches_up_with(&one);
    assert_eq!(wiped.values(&register(0)), ["c"]);
    assert_eq!(hash(&wiped), hash(&one));
}

#[test]
fn what_was_lost_with_a_retired_process_is_awaited_no_more() {
    let mut gone = member(GONE.0);
    gone.puts(&register(0), LAST, "lost");
    let mut one = member(1);
    one.index(GONE);
    let read = gone.context(&register(0));
    one.deletes(&register(0), Some(&read));
    assert!(one.shard.awaits_something());
    assert!(retires(&mut one, 0));
    assert!(!one.shard.awaits_something());
}
