//! What a write supersedes, and what it writes.

use super::hand::{NOW_MS, counter, member, put, register};
use super::node::Node;
use super::targets::place;
use crate::shard::{Action, Refused, SIBLINGS_MAX, ShardLimits};
use crate::{ActorId, Context, Hlc, Space, Strategy};

#[test]
fn a_write_replaces_what_is_there() {
    for strategy in [Strategy::LastWrite, Strategy::Max, Strategy::Union, Strategy::Merge] {
        let values = match strategy {
            Strategy::Union => ["[1]", "[1,2]"],
            Strategy::Merge => [r#"{"a":1}"#, r#"{"a":2}"#],
            _ => ["1", "2"],
        };
        let mut node = member(1);
        assert_eq!(node.puts(&register(0), strategy, values[0]).siblings, 1);
        assert_eq!(node.puts(&register(0), strategy, values[1]).siblings, 1);
        assert_eq!(node.values(&register(0)), [values[1]]);
    }
}

#[test]
fn what_says_nothing_new_is_no_operation() {
    let mut node = member(1);
    node.puts(&register(0), Strategy::Max, "5");
    assert_eq!(node.puts(&register(0), Strategy::Max, "4").dot, None);
    assert_eq!(node.shard.own_number(), 1);
    assert_eq!(node.deletes(&register(1), None).dot, None, "there is nothing to delete");
}

#[test]
fn what_is_to_live_longer_is_written_again_though_it_says_nothing_new() {
    let mut node = member(1);
    node.puts_until(&register(0), Strategy::Max, "5", NOW_MS + 10, NOW_MS);
    node.puts(&register(0), Strategy::Max, "3");
    assert_eq!(node.values_at(&register(0), NOW_MS + 20), ["5"]);
}

#[test]
fn a_value_that_grows_beyond_the_limit_is_refused_and_changes_nothing() {
    let limits = ShardLimits {
        value_bytes_max: 8,
        ..ShardLimits::default()
    };
    let mut node = Node::new(ActorId(1), &[], limits, None);
    node.puts(&register(0), Strategy::Union, "[10,20]");
    let refused = node.does(&register(0), put(Strategy::Union, "[30]"), None, 0, NOW_MS);
    let too_large = Refused::TooLarge {
        bytes: 10,
        bytes_max: 8,
    };
    assert_eq!(refused, Err(too_large));
    assert_eq!(node.values(&register(0)), ["[10,20]"]);
    assert_eq!(node.shard.own_number(), 1);
    assert_eq!(
        node.puts(&register(0), Strategy::Union, "[20]").dot,
        None,
        "it says nothing new"
    );
    node.puts(&register(0), Strategy::LastWrite, "[30]");
    assert_eq!(node.values(&register(0)), ["[30]"]);
}

#[test]
fn what_was_written_with_no_look_at_it_survives_a_write_with_the_context_of_a_write() {
    let mut node = member(1);
    let mine = node.puts(&register(0), Strategy::Siblings, "mine").dot.unwrap();
    node.puts(&register(0), Strategy::Siblings, "another's");
    let context = Context::default().with(node.actor, mine.number());
    node.puts_over(&register(0), Strategy::Siblings, "mine again", &context);
    assert_eq!(node.values(&register(0)), ["another's", "mine again"]);
}

#[test]
fn a_blind_sibling_stands_beside_what_is_there() {
    let mut node = member(1);
    node.puts(&register(0), Strategy::Siblings, "a");
    assert_eq!(node.puts(&register(0), Strategy::Siblings, "b").siblings, 2);
    assert_eq!(node.values(&register(0)), ["a", "b"]);
}

#[test]
fn a_context_replaces_exactly_what_was_read() {
    let mut node = member(1);
    node.puts(&register(0), Strategy::Siblings, "a");
    let read = node.context(&register(0));
    node.puts(&register(0), Strategy::Siblings, "b");
    node.puts_over(&register(0), Strategy::Siblings, "c", &read);
    assert_eq!(node.values(&register(0)), ["b", "c"]);
}

#[test]
fn a_context_replaces_a_value_that_was_superseded_where_it_was_read() {
    let (mut here, mut there) = (member(1), member(2));
    here.index(there.actor);
    here.puts(&register(0), Strategy::Siblings, "old");
    there.catches_up_with(&here);
    let read = there.context(&register(0));
    there.puts_over(&register(0), Strategy::Siblings, "newer", &read);
    let read = there.context(&register(0));
    here.puts_over(&register(0), Strategy::Siblings, "newest", &read);
    assert_eq!(here.values(&register(0)), ["newest"], "old was not among what was read");
    here.catches_up_with(&there);
    assert_eq!(here.values(&register(0)), ["newest"], "newer comes late");
    assert!(!here.shard.awaits_something());
}

#[test]
fn a_key_has_at_most_64_values_with_or_without_a_context() {
    let mut node = member(1);
    let nothing = Context::default();
    for number in 0..SIBLINGS_MAX {
        let context = (number % 2 == 0).then_some(&nothing);
        let write = put(Strategy::Siblings, "x");
        node.does(&register(0), write, context, 0, NOW_MS).unwrap();
    }
    for context in [None, Some(&nothing)] {
        let refused = node.does(&register(0), put(Strategy::Siblings, "x"), context, 0, NOW_MS);
        assert_eq!(refused, Err(Refused::TooManySiblings { siblings: SIBLINGS_MAX }));
    }
    let read = node.context(&register(0));
    assert_eq!(
        node.puts_over(&register(0), Strategy::Siblings, "all", &read).siblings,
        1
    );
}

#[test]
fn a_delete_with_a_context_takes_siblings_that_were_read() {
    let mut node = member(1);
    node.puts(&register(0), Strategy::Siblings, "a");
    let read = node.context(&register(0));
    node.puts(&register(0), Strategy::Siblings, "b");
    node.deletes(&register(0), Some(&read));
    assert_eq!(node.values(&register(0)), ["b"]);
    node.deletes(&register(0), None);
    assert!(node.values(&register(0)).is_empty());
    assert_eq!((node.shard.len(), node.counted()), (0, [0; 5]));
}

#[test]
fn a_delete_takes_a_value_that_comes_later() {
    let (mut here, mut there) = (member(1), member(2));
    there.puts(&register(0), Strategy::LastWrite, "seen");
    // Every member hears of every process when it starts.
    here.index(there.actor);
    let read = there.context(&register(0));
    assert!(here.deletes(&register(0), Some(&read)).dot.is_some());
    assert!(here.shard.awaits_something());
    here.catches_up_with(&there);
    assert!(here.values(&register(0)).is_empty() && !here.shard.awaits_something());
}

#[test]
fn a_context_takes_nothing_from_a_counter() {
    let (mut here, mut there) = (member(1), member(2));
    there.adds(10);
    here.index(there.actor);
    let read = there.context(&counter());
    here.does(&counter(), Action::Add(1), Some(&read), 0, NOW_MS).unwrap();
    here.catches_up_with(&there);
    assert_eq!(here.sum(), 11);
}

#[test]
fn a_context_takes_nothing_from_a_maximum() {
    let (mut here, mut there) = (member(1), member(2));
    there.puts(&register(0), Strategy::Max, "10");
    here.index(there.actor);
    let read = there.context(&register(0));
    here.puts_over(&register(0), Strategy::Max, "5", &read);
    here.catches_up_with(&there);
    assert_eq!(here.values(&register(0)), ["10", "5"]);
}

#[test]
fn a_context_names_no_operation_that_this_process_has_not_done() {
    let mut node = member(1);
    let made_up = Context::new(vec![(node.actor, 1), (node.actor, 9)], vec![]);
    node.puts_over(&register(0), Strategy::Siblings, "a", &made_up);
    assert_eq!(node.values(&register(0)), ["a"]);
    let mut peer = member(2);
    peer.catches_up_with(&node);
    assert!(!node.shard.awaits_something() && !peer.shard.awaits_something());
}

#[test]
fn a_context_gives_no_place_to_actors_that_nobody_has_heard_of() {
    let mut node = member(1);
    let made_up = (1_000..2_000).map(|actor| (crate::ActorId(actor), 1)).collect();
    node.puts_over(&register(0), Strategy::Siblings, "a", &Context::new(made_up, vec![]));
    assert!(!node.shard.awaits_something());
    assert_eq!(node.actors.find(crate::ActorId(1_000)), None);
}

#[test]
fn a_last_write_with_an_older_time_changes_nothing() {
    let mut node = member(1);
    node.puts(&register(0), Strategy::LastWrite, "now");
    let late = |ms| Action::Put {
        value: b"late",
        strategy: Strategy::LastWrite,
        written: Some(Hlc::at_ms(ms)),
    };
    let written = node.does(&register(0), late(NOW_MS - 5), None, 0, NOW_MS).unwrap();
    assert_eq!((written.dot, written.siblings), (None, 1));
    assert_eq!(node.values(&register(0)), ["now"]);
    node.does(&register(0), late(NOW_MS + 5), None, 0, NOW_MS).unwrap();
    assert_eq!(node.values(&register(0)), ["late"]);
}

#[test]
fn a_later_write_is_newer_though_the_wall_clock_went_back() {
    let mut node = member(1);
    node.puts(&register(0), Strategy::LastWrite, "a");
    let before = node.shard.read(&register(0), NOW_MS).siblings[0].1.hlc;
    node.puts_until(&register(0), Strategy::LastWrite, "b", 0, NOW_MS - 60_000);
    let after = node.shard.read(&register(0), NOW_MS).siblings[0].1.hlc;
    assert!(after > before);
}

#[test]
fn a_process_has_one_share_of_a_counter() {
    let mut node = member(1);
    node.adds(5);
    assert_eq!(node.adds(-7).siblings, 1);
    assert_eq!(node.sum(), -2);
}

#[test]
fn shares_of_other_processes_stay_beside_it() {
    let (mut here, mut there) = (member(1), member(2));
    here.adds(5);
    there.adds(6);
    here.catches_up_with(&there);
    assert_eq!(here.adds(1).siblings, 2);
    assert_eq!(here.sum(), 12);
}

#[test]
fn the_share_of_an_earlier_process_is_inherited_when_it_is_retired() {
    let mut before = member(1);
    before.adds(5);
    let mut now = member(2);
    now.earlier.push(before.actor);
    now.catches_up_with(&before);
    assert_eq!(now.adds(1).siblings, 2, "not yet");
    let index = now.index(before.actor);
    assert!(now.shard.retire(index, 1));
    assert_eq!(now.adds(1).siblings, 1);
    assert_eq!(now.sum(), 7);
}

#[test]
fn nothing_is_inherited_past_a_process_that_is_not_retired() {
    let mut first = member(1);
    first.adds(5);
    let mut second = member(2);
    second.earlier.push(first.actor);
    second.catches_up_with(&first);
    let index = second.index(first.actor);
    assert!(second.shard.retire(index, 1));
    second.adds(10);
    let mut elsewhere = member(9);
    elsewhere.catches_up_with(&second);
    // What the second did is not on its disk.
    let mut third = member(3);
    third.earlier.extend([first.actor, second.actor]);
    third.catches_up_with(&first);
    let index = third.index(first.actor);
    assert!(third.shard.retire(index, 1));
    third.adds(100);
    third.catches_up_with(&elsewhere);
    assert_eq!(third.sum(), 115);
}

#[test]
fn members_of_a_set_are_entries() {
    let mut node = member(1);
    let (ann, bob) = (place(Space::Set, Some(b"ann"), 1), place(Space::Set, Some(b"bob"), 1));
    let set = place(Space::Set, None, 1);
    node.puts(&ann, Strategy::LastWrite, "");
    node.puts(&bob, Strategy::LastWrite, "");
    let names = |node: &super::node::Node| -> Vec<Vec<u8>> {
        let elements = node.shard.read_elements(&set, NOW_MS);
        elements.into_iter().map(|(name, _)| name.into_vec()).collect()
    };
    assert_eq!(names(&node), [b"ann", b"bob"]);
    node.deletes(&ann, None);
    assert_eq!(names(&node), [b"bob"]);
    node.deletes(&bob, None);
    assert!(names(&node).is_empty() && node.shard.matching(|_| true).is_empty());
}

#[test]
fn an_addition_to_a_set_wins_over_a_concurrent_removal() {
    let (mut here, mut there) = (member(1), member(2));
    let ann = place(Space::Set, Some(b"ann"), 1);
    here.puts(&ann, Strategy::LastWrite, "");
    there.catches_up_with(&here);
    there.deletes(&ann, None);
    here.puts(&ann, Strategy::LastWrite, "");
    here.catches_up_with(&there);
    there.catches_up_with(&here);
    assert_eq!(here.values(&ann), [""]);
    assert_eq!(there.values(&ann), [""]);
}
