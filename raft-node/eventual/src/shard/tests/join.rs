//! States: what they take away, what they bring, and whom they are for.

use super::hand::{frugal_member, member, register};
use super::node::Node;
use crate::{Clock, Strategy};

const LAST: Strategy = Strategy::LastWrite;

fn same(one: &Node, other: &Node) {
    assert_eq!(one.live(), other.live());
    assert_eq!(one.shard.digest(), other.shard.digest());
    assert_eq!(
        one.shard.clock().hash(&one.actors),
        other.shard.clock().hash(&other.actors)
    );
}

#[test]
fn a_state_brings_what_was_not_here_and_takes_what_is_superseded() {
    let (mut here, mut there) = (member(1), member(2));
    here.puts(&register(0), LAST, "old");
    here.puts(&register(1), LAST, "deleted there");
    there.catches_up_with(&here);
    there.puts(&register(0), LAST, "new");
    there.deletes(&register(1), None);
    there.puts(&register(2), LAST, "added");
    here.puts(&register(3), LAST, "not there");
    let applied = here.joins(&there);
    assert_eq!(applied.operations, 3);
    assert_eq!(here.values(&register(0)), ["new"]);
    assert!(here.values(&register(1)).is_empty());
    assert_eq!(here.values(&register(2)), ["added"]);
    assert_eq!(here.values(&register(3)), ["not there"]);
    there.joins(&here);
    same(&here, &there);
}

#[test]
fn a_state_leaves_out_what_the_receiver_has_had() {
    let (mut here, mut there) = (member(1), member(2));
    here.puts(&register(0), LAST, &"x".repeat(1_000));
    there.catches_up_with(&here);
    let whole = there.state_without(&Clock::default());
    let rest = there.state_without(&there.clock_of(&here.numbers(true)));
    assert!(whole.len() > 1_000 && rest.len() < 100);
    here.takes(&rest).unwrap();
    assert_eq!(here.values(&register(0)).len(), 1);
}

#[test]
fn a_state_made_for_the_process_before_is_refused() {
    let (mut here, mut there) = (member(1), member(2));
    there.puts(&register(0), LAST, "precious");
    here.catches_up_with(&there);
    let state = there.state_without(&there.clock_of(&here.numbers(true)));
    let mut wiped = member(3);
    assert!(wiped.takes(&state).is_err());
    assert_eq!(wiped.shard.clock().all().count(), 0);
    wiped.joins(&there);
    assert_eq!(wiped.values(&register(0)), ["precious"]);
}

#[test]
fn a_value_that_a_state_superseded_before_it_came_does_not_stay() {
    let (mut writer, mut deleter, mut third) = (member(1), member(2), member(3));
    writer.puts(&register(0), LAST, "a");
    deleter.catches_up_with(&writer);
    deleter.deletes(&register(0), None);
    // The third has the delete, and awaits what it deletes.
    third.takes(&deleter.own_after(0).unwrap()).unwrap();
    assert!(third.shard.awaits_something());
    let mut fourth = member(4);
    fourth.joins(&third);
    assert!(fourth.shard.awaits_something(), "it awaits what the other awaited");
    fourth.takes(&writer.own_after(0).unwrap()).unwrap();
    assert!(fourth.values(&register(0)).is_empty() && !fourth.shard.awaits_something());
}

#[test]
fn a_state_takes_away_what_its_sender_knows_to_be_superseded_though_it_has_not_come_there() {
    let (mut writer, mut deleter, mut third) = (member(1), member(2), member(3));
    writer.puts(&register(0), LAST, "a");
    deleter.catches_up_with(&writer);
    deleter.deletes(&register(0), None);
    third.takes(&deleter.own_after(0).unwrap()).unwrap();
    writer.joins(&third);
    assert!(writer.values(&register(0)).is_empty());
}

#[test]
fn who_was_away_for_a_year_brings_nothing_back() {
    let (mut away, mut here) = (member(1), member(2));
    for number in 0..5 {
        away.puts(&register(number), LAST, "a");
    }
    here.catches_up_with(&away);
    for number in 0..5 {
        here.deletes(&register(number), None);
    }
    here.joins(&away);
    assert_eq!(here.shard.len(), 0);
    away.joins(&here);
    assert_eq!(away.shard.len(), 0);
    same(&here, &away);
}

#[test]
fn joining_twice_or_with_oneself_changes_nothing() {
    let (mut here, mut there) = (member(1), member(2));
    here.puts(&register(0), Strategy::Siblings, "a");
    there.puts(&register(0), Strategy::Siblings, "b");
    here.joins(&there);
    let (before, counted) = (here.live(), here.counted());
    let state = here.state_without(&Clock::default());
    for bytes in [there.state_without(&Clock::default()), state] {
        let applied = here.takes(&bytes).unwrap();
        assert_eq!((applied.operations, applied.merged), (0, 0));
    }
    assert_eq!((here.live(), here.counted()), (before, counted));
}

#[test]
fn after_a_state_operations_go_on() {
    let (mut here, mut there) = (frugal_member(1, 3, 1_000), member(2));
    here.puts(&register(0), LAST, "first");
    there.takes(&here.own_after(0).unwrap()).unwrap();
    for number in 1..6 {
        here.puts(&register(number), LAST, "a");
    }
    assert!(here.missing_to(&Clock::default()).is_none(), "the log has forgotten");
    there.catches_up_with(&here);
    here.puts(&register(0), LAST, "b");
    let frame = here.own_after(6).unwrap();
    assert_eq!(there.takes(&frame).unwrap().operations, 1);
    same(&here, &there);
    // And the one that got a state hands on only what came after it.
    let mut third = member(3);
    assert!(there.missing_to(third.shard.clock()).is_none());
    third.catches_up_with(&there);
    same(&third, &there);
}
