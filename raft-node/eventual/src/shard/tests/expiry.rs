//! Values that end.

use super::hand::{NOW_MS, counter, member, register};
use super::node::Node;
use crate::Strategy;
use crate::shard::{Action, DROP_AFTER_MS};

const END_MS: u64 = NOW_MS + 100;

/// When the next value is to be dropped.
fn next_drop_ms(node: &Node) -> Option<u64> {
    node.shard.endings.first().map(|(end, _)| end + DROP_AFTER_MS)
}

#[test]
fn a_value_is_hidden_at_its_end_and_dropped_later() {
    let mut node = member(1);
    node.puts_until(&register(0), Strategy::LastWrite, "a", END_MS, NOW_MS);
    assert_eq!(node.values_at(&register(0), END_MS - 1), ["a"]);
    assert!(node.values_at(&register(0), END_MS).is_empty());
    assert_eq!(next_drop_ms(&node), Some(END_MS + DROP_AFTER_MS));
    assert_eq!(node.shard.drop_ended(END_MS + DROP_AFTER_MS - 1, 10), 0);
    assert_eq!(node.shard.drop_ended(END_MS + DROP_AFTER_MS, 10), 1);
    assert_eq!((node.shard.len(), next_drop_ms(&node)), (0, None));
    assert_eq!(node.counted(), [0; 5]);
}

#[test]
fn a_key_can_be_written_again_before_its_value_is_dropped() {
    let mut node = member(1);
    for strategy in [Strategy::LastWrite, Strategy::Max, Strategy::Union] {
        let (first, second) = if strategy == Strategy::Union {
            ("[9]", "[1]")
        } else {
            ("9", "1")
        };
        node.puts_until(&register(0), strategy, first, END_MS, NOW_MS);
        node.puts_until(&register(0), strategy, second, 0, END_MS + 1);
        assert_eq!(node.values_at(&register(0), END_MS + 1), [second], "{strategy:?}");
        assert_eq!(node.shard.drop_ended(END_MS + DROP_AFTER_MS, 10), 0);
        node.deletes(&register(0), None);
    }
}

#[test]
fn what_has_ended_is_not_added_to() {
    let mut node = member(1);
    node.does(&counter(), Action::Add(50), None, END_MS, NOW_MS).unwrap();
    assert_eq!(node.sum_at(END_MS), 0);
    node.does(&counter(), Action::Add(1), None, 0, END_MS).unwrap();
    assert_eq!(node.sum_at(END_MS), 1);
}

#[test]
fn a_value_that_was_dropped_does_not_come_back() {
    let (mut here, mut there) = (member(1), member(2));
    here.puts_until(&register(0), Strategy::LastWrite, "a", END_MS, NOW_MS);
    there.catches_up_with(&here);
    here.shard.drop_ended(END_MS + DROP_AFTER_MS, 10);
    here.joins(&there);
    assert_eq!(here.shard.len(), 0);
    there.joins(&here);
    assert_eq!(there.shard.len(), 0);
    assert_eq!(here.shard.digest(), there.shard.digest());
}

#[test]
fn siblings_that_end_together_are_all_dropped() {
    let mut node = member(1);
    for value in ["a", "b"] {
        node.puts_until(&register(0), Strategy::Siblings, value, END_MS, NOW_MS);
    }
    node.puts(&register(0), Strategy::Siblings, "c");
    assert_eq!(node.shard.drop_ended(END_MS + DROP_AFTER_MS, 10), 2);
    assert_eq!(node.values(&register(0)), ["c"]);
    assert_eq!(next_drop_ms(&node), None);
}

#[test]
fn of_siblings_that_end_together_one_is_superseded_and_the_other_still_ends() {
    let mut node = member(1);
    node.puts_until(&register(0), Strategy::Siblings, "a", END_MS, NOW_MS);
    let read = node.context(&register(0));
    node.puts_until(&register(0), Strategy::Siblings, "b", END_MS, NOW_MS);
    node.deletes(&register(0), Some(&read));
    assert_eq!(node.values(&register(0)), ["b"]);
    assert_eq!(next_drop_ms(&node), Some(END_MS + DROP_AFTER_MS));
    assert_eq!(node.shard.drop_ended(END_MS + DROP_AFTER_MS, 10), 1);
}

#[test]
fn a_sweep_drops_about_as_many_as_it_may_and_goes_on_with_the_next() {
    let mut node = member(1);
    for number in 0..10 {
        node.puts_until(&register(number), Strategy::LastWrite, "a", END_MS, NOW_MS);
    }
    let end = END_MS + DROP_AFTER_MS;
    assert_eq!(node.shard.drop_ended(end, 4), 4);
    assert_eq!(node.shard.drop_ended(end, 4), 4);
    assert_eq!(node.shard.drop_ended(end, 4), 2);
}
