//! What is wrong with lists by themselves.

use super::kit::{a, aborted, anomalies, at_once, in_turn, names, passes, r, t, unknown};
use crate::cycles::{Kind, Step, Verdict, check};

#[test]
fn a_transaction_reads_what_it_has_appended() {
    passes(&in_turn(vec![
        vec![a("x", 1)],
        vec![r("x", &[1]), a("x", 2), r("x", &[1, 2]), a("x", 3)],
        vec![r("x", &[1, 2, 3])],
    ]));
}

#[test]
fn a_transaction_that_does_not_read_its_own_append_is_internal() {
    let found = names(&at_once(vec![vec![a("x", 1)], vec![a("x", 2), r("x", &[1])]]));
    assert!(found.contains(&"internal".to_owned()), "{found:?}");
}

#[test]
fn a_transaction_whose_reads_differ_is_internal() {
    let found = names(&at_once(vec![vec![a("x", 1)], vec![r("x", &[]), r("x", &[1])]]));
    assert_eq!(found, ["internal"]);
}

#[test]
fn a_read_without_an_answer_says_nothing() {
    let no_answer = Step::Read {
        key: "x".to_owned(),
        list: None,
    };
    passes(&in_turn(vec![vec![a("x", 1), no_answer], vec![r("x", &[1])]]));
}

#[test]
fn an_element_that_nobody_appended_is_unwritten() {
    assert_eq!(
        names(&in_turn(vec![vec![a("x", 1)], vec![r("x", &[1, 7])]])),
        ["unwritten"]
    );
}

#[test]
fn an_element_of_a_refused_transaction_is_g1a() {
    let history = vec![aborted(t(0, 0, 5, vec![a("x", 1)])), t(1, 10, 15, vec![r("x", &[1])])];
    assert_eq!(names(&history), ["G1a"]);
}

#[test]
fn an_append_behind_one_that_was_refused_is_a_dirty_update() {
    let history = vec![
        aborted(t(0, 0, 5, vec![a("x", 1)])),
        t(1, 10, 15, vec![a("x", 2)]),
        t(1, 20, 25, vec![r("x", &[1, 2])]),
    ];
    assert_eq!(names(&history), ["G1a", "dirty update"]);
}

#[test]
fn an_element_of_unknown_outcome_may_be_there_or_not() {
    let history = |list: &[u64]| {
        vec![
            unknown(t(0, 0, 5, vec![a("x", 1)])),
            t(1, 10, 15, vec![a("x", 2)]),
            t(1, 20, 25, vec![r("x", list)]),
        ]
    };
    for list in [&[1, 2][..], &[2, 1], &[2]] {
        passes(&history(list));
    }
}

#[test]
fn a_list_that_ends_in_the_middle_of_a_transaction_is_g1b() {
    let found = names(&at_once(vec![vec![a("x", 1), a("x", 2)], vec![r("x", &[1])]]));
    assert!(found.contains(&"G1b".to_owned()), "{found:?}");
    passes(&at_once(vec![vec![a("x", 1), a("x", 2)], vec![r("x", &[1, 2])]]));
}

#[test]
fn ones_own_appends_behind_the_middle_of_another_transaction_are_g1b() {
    let found = names(&at_once(vec![
        vec![a("x", 1), a("x", 2)],
        vec![a("x", 3), r("x", &[1, 3])],
    ]));
    assert!(found.contains(&"G1b".to_owned()), "{found:?}");
}

#[test]
fn an_element_that_is_there_twice_is_a_duplicate() {
    let found = names(&in_turn(vec![
        vec![a("x", 1)],
        vec![a("x", 2)],
        vec![r("x", &[1, 2, 1])],
    ]));
    assert!(found.contains(&"duplicate".to_owned()), "{found:?}");
}

#[test]
fn lists_of_which_neither_begins_with_the_other_are_an_incompatible_order() {
    let found = names(&at_once(vec![
        vec![a("x", 1)],
        vec![a("x", 2)],
        vec![r("x", &[1, 2])],
        vec![r("x", &[2])],
    ]));
    assert_eq!(found[0], "incompatible order");
}

#[test]
fn an_acknowledged_element_that_no_later_reader_finds_is_lost() {
    let history = in_turn(vec![vec![a("x", 1)], vec![a("x", 2)], vec![r("x", &[1])]]);
    let found = names(&history);
    assert_eq!(found, ["lost", "G-single-realtime"]);
    let lost = anomalies(&history)
        .into_iter()
        .find(|found| found.kind == Kind::Lost)
        .unwrap();
    assert!(lost.what.starts_with("2 of \"x\""), "{}", lost.what);
}

#[test]
fn an_element_that_was_appended_while_the_last_reader_read_is_not_lost() {
    passes(&[
        t(0, 0, 5, vec![a("x", 1)]),
        t(1, 10, 30, vec![a("x", 2)]),
        t(2, 20, 40, vec![r("x", &[1])]),
    ]);
}

#[test]
fn elements_must_be_unique() {
    let twice = check(&at_once(vec![vec![a("x", 1)], vec![a("x", 1)]]));
    assert!(
        matches!(&twice, Verdict::Unknown(why) if why.contains("twice")),
        "{twice:?}"
    );
    passes(&in_turn(vec![
        vec![a("x", 1), a("y", 1)],
        vec![r("x", &[1]), r("y", &[1])],
    ]));
}

#[test]
fn a_history_that_read_nothing_is_no_pass() {
    let nothing = check(&in_turn(vec![vec![a("x", 1)], vec![a("x", 2)]]));
    assert!(matches!(nothing, Verdict::Unknown(_)), "{nothing:?}");
}
