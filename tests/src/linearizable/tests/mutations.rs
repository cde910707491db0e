//! One history a kind of wrong, each next to one that is right.

use super::kit::{at, is_legal, put, read, sequence, swap, unchanged, verdict};
use crate::linearizable::Answer::{Done, Unknown};
use crate::linearizable::Call::{Delete, Get};
use crate::linearizable::{Expected, KeyOperation, Verdict};

#[track_caller]
fn is_wrong(operations: Vec<KeyOperation>) {
    assert!(!is_legal(&operations), "the search should find nothing");
    let verdict = verdict(&operations);
    assert!(matches!(verdict, Verdict::Illegal(_)), "{verdict:?}");
}

#[track_caller]
fn is_right(operations: Vec<KeyOperation>) {
    assert!(is_legal(&operations));
    let verdict = verdict(&operations);
    assert!(matches!(verdict, Verdict::Ok(_)), "{verdict:?}");
}

#[test]
fn every_call_one_after_the_other_passes() {
    is_right(sequence(vec![
        (Get, read("")),
        (Delete, unchanged("")),
        (put("a"), Done),
        (swap("a", "b"), Done),
        (swap("a", "c"), unchanged("b")),
        (swap("", "c"), unchanged("b")),
        (Get, read("b")),
        (Delete, Done),
        (swap("", "d"), Done),
        (Get, read("d")),
    ]));
}

#[test]
fn a_stale_read_is_seen() {
    is_wrong(sequence(vec![(put("a"), Done), (put("b"), Done), (Get, read("a"))]));
}

#[test]
fn a_read_that_goes_back_while_a_write_is_under_way_is_seen() {
    let reads = |first: &str, second: &str| {
        vec![
            at(0, 5, put("a"), Done),
            at(10, 90, put("b"), Done),
            at(20, 30, Get, read(first)),
            at(40, 50, Get, read(second)),
        ]
    };
    is_right(reads("a", "a"));
    is_right(reads("a", "b"));
    is_right(reads("b", "b"));
    is_wrong(reads("b", "a"));
}

#[test]
fn a_lost_write_is_seen() {
    is_wrong(sequence(vec![(put("a"), Done), (Get, read(""))]));
}

#[test]
fn a_lost_write_of_a_compare_and_swap_is_seen() {
    is_wrong(sequence(vec![
        (put("a"), Done),
        (swap("a", "b"), Done),
        (Get, read("a")),
    ]));
}

#[test]
fn a_deleted_value_that_comes_back_is_seen() {
    is_wrong(sequence(vec![(put("a"), Done), (Delete, Done), (Get, read("a"))]));
}

#[test]
fn a_replaced_value_that_comes_back_is_seen() {
    is_wrong(sequence(vec![
        (put("a"), Done),
        (put("b"), Done),
        (Get, read("b")),
        (Get, read("a")),
    ]));
}

#[test]
fn two_compare_and_swaps_that_both_win_are_seen() {
    let both = |second| {
        vec![
            at(0, 5, put("a"), Done),
            at(10, 30, swap("a", "b"), Done),
            at(10, 30, swap("a", "c"), second),
        ]
    };
    is_right(both(unchanged("b")));
    is_wrong(both(Done));
}

#[test]
fn two_creations_that_both_win_are_seen() {
    is_wrong(vec![at(0, 30, swap("", "a"), Done), at(0, 30, swap("", "b"), Done)]);
}

#[test]
fn two_deletes_of_one_value_are_seen() {
    is_wrong(vec![
        at(0, 5, put("a"), Done),
        at(10, 30, Delete, Done),
        at(10, 30, Delete, Done),
    ]);
}

#[test]
fn swapped_reads_are_seen() {
    is_wrong(sequence(vec![
        (put("a"), Done),
        (Get, read("b")),
        (put("b"), Done),
        (Get, read("a")),
    ]));
}

#[test]
fn two_readers_who_saw_two_writes_in_two_orders_are_seen() {
    is_wrong(vec![
        at(0, 100, put("a"), Done),
        at(0, 100, put("b"), Done),
        at(10, 20, Get, read("a")),
        at(30, 40, Get, read("b")),
        at(50, 60, Get, read("a")),
    ]);
}

#[test]
fn a_value_that_nobody_wrote_is_seen() {
    is_wrong(sequence(vec![(put("a"), Done), (Get, read("z"))]));
    is_wrong(sequence(vec![(Get, read("z"))]));
}

#[test]
fn a_value_from_the_future_is_seen() {
    is_wrong(sequence(vec![(Get, read("a")), (put("a"), Done)]));
    is_wrong(sequence(vec![(Get, read("a")), (put("a"), Unknown)]));
}

#[test]
fn a_client_that_does_not_see_its_own_write_is_seen() {
    is_wrong(vec![
        at(0, 5, put("a"), Done),
        at(10, 20, put("b"), Done),
        at(0, 60, put("c"), Done),
        at(25, 30, Get, read("a")),
    ]);
}

#[test]
fn a_compare_that_held_and_was_refused_is_seen() {
    is_wrong(sequence(vec![(put("a"), Done), (swap("a", "b"), unchanged("a"))]));
    is_wrong(sequence(vec![(swap("", "b"), unchanged(""))]));
}

#[test]
fn a_delete_that_found_nothing_although_there_was_something_is_seen() {
    is_wrong(sequence(vec![(put("a"), Done), (Delete, unchanged(""))]));
}

#[test]
fn a_refused_compare_that_shows_an_old_value_is_seen() {
    is_wrong(sequence(vec![
        (put("a"), Done),
        (put("b"), Done),
        (swap("z", "c"), unchanged("a")),
    ]));
}

#[test]
fn a_write_that_was_applied_twice_is_seen() {
    is_wrong(vec![
        at(0, 5, put("a"), Done),
        at(10, 15, put("b"), Unknown),
        at(20, 25, Get, read("b")),
        at(30, 35, put("c"), Done),
        at(40, 45, Get, read("b")),
    ]);
}

#[test]
fn a_write_of_unknown_outcome_may_come_late_or_never() {
    let read_then = |value: &str| {
        vec![
            at(0, 5, put("a"), Unknown),
            at(10, 15, put("b"), Done),
            at(20, 25, Get, read("b")),
            at(30, 35, Get, read(value)),
        ]
    };
    is_right(read_then("a"));
    is_right(read_then("b"));
    is_wrong(read_then(""));
}

#[test]
fn a_compare_and_swap_of_unknown_outcome_takes_effect_only_where_its_compare_holds() {
    let swapped = |seen: &str| {
        vec![
            at(0, 5, put("a"), Done),
            at(10, 15, swap("a", "b"), Unknown),
            at(20, 25, put("c"), Done),
            at(30, 35, Get, read(seen)),
        ]
    };
    is_right(swapped("c"));
    is_wrong(swapped("b"));
}

#[test]
fn a_compare_with_a_revision_that_nobody_was_shown_needs_some_value() {
    let swapped = || crate::linearizable::Call::CompareAndSwap(Expected::Present, super::kit::bytes("b"));
    is_right(sequence(vec![(put("a"), Done), (swapped(), Done), (Get, read("b"))]));
    is_wrong(sequence(vec![(swapped(), Done)]));
}

#[test]
fn the_explanation_names_the_order_and_the_operation_that_does_not_fit() {
    let operations = sequence(vec![(put("a"), Done), (put("b"), Done), (Get, read("a"))]);
    let message = verdict(&operations).into_result().unwrap_err();
    assert!(message.contains("the longest that does has 2"), "{message}");
    assert!(message.ends_with(&format!("{:?}", operations[2])), "{message}");
}
