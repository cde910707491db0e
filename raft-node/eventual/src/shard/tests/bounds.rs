//! What is kept for peers, and how much of it.

use super::hand::{frugal_member, member, register};
use super::node::Node;
use crate::Strategy;

const LAST: Strategy = Strategy::LastWrite;

/// The peer supersedes what the member wrote, and the member hears of it.
fn superseded_by(node: &mut Node, peer: &mut Node, number: usize, value: &str) {
    node.puts(&register(number), LAST, value);
    peer.catches_up_with(node);
    peer.puts(&register(number), LAST, "");
    node.catches_up_with(peer);
}

#[test]
fn a_log_keeps_its_bound_whoever_writes() {
    let (mut node, mut peer) = (frugal_member(1, 8, 1_000), member(2));
    for round in 0..50 {
        node.puts(&register(round % 3), LAST, "a");
        peer.puts(&register(round % 5), LAST, "b");
        node.catches_up_with(&peer);
        assert!(node.shard.log_len() <= 8);
    }
    assert!(node.own_after(49).is_some());
    assert!(node.own_after(0).is_none());
}

#[test]
fn a_superseded_value_is_sent_until_every_peer_has_had_it() {
    let (mut node, mut peer) = (member(1), member(2));
    superseded_by(&mut node, &mut peer, 0, "old");
    let mut third = member(3);
    third.takes(&node.own_after(0).unwrap()).unwrap();
    assert_eq!(third.values(&register(0)), ["old"], "the new one is not its to send");
    assert!(node.shard.orphan_bytes() > 0);
    node.shard.acknowledged_by_all(1);
    assert_eq!(node.shard.orphan_bytes(), 0);
}

#[test]
fn nothing_is_kept_that_every_peer_had_before() {
    let (mut node, mut peer) = (member(1), member(2));
    node.puts(&register(0), LAST, "old");
    peer.catches_up_with(&node);
    node.shard.acknowledged_by_all(1);
    peer.puts(&register(0), LAST, "new");
    node.catches_up_with(&peer);
    assert_eq!(node.shard.orphan_bytes(), 0);
    assert!(node.own_after(1).is_some());
}

#[test]
fn a_peer_that_lost_its_disk_never_gets_an_operation_without_what_superseded_it() {
    let (mut node, mut peer) = (member(1), member(2));
    superseded_by(&mut node, &mut peer, 0, "old");
    node.shard.acknowledged_by_all(1);
    assert!(node.own_after(0).is_none());
    let mut wiped = member(3);
    wiped.catches_up_with(&node);
    assert_eq!(wiped.values(&register(0)), [""]);
}

#[test]
fn kept_values_keep_their_bound_for_a_peer_that_never_comes() {
    let (mut node, mut peer) = (frugal_member(1, 1_000, 2_000), member(2));
    for number in 0..100 {
        superseded_by(&mut node, &mut peer, number % 4, &"x".repeat(200));
        assert!(node.shard.orphan_bytes() <= 2_000);
    }
    assert!(node.shard.orphan_bytes() > 1_000, "as many as there is room for");
    assert!(node.own_after(0).is_none());
    assert!(node.own_after(97).is_some(), "those are still there");
    let mut late = member(3);
    late.catches_up_with(&node);
    assert_eq!(late.live(), node.live());
}

#[test]
fn a_peer_that_has_everything_or_more_is_sent_nothing() {
    let mut node = member(1);
    assert_eq!(node.own_after(0), Some(vec![]));
    node.puts(&register(0), LAST, "a");
    assert_eq!(node.own_after(1), Some(vec![]));
    assert_eq!(node.own_after(9), Some(vec![]));
    assert_eq!(node.missing_to(node.shard.clock()), Some(vec![]));
}
