//! Each circle under its own name, and no longer than it must be.

use super::kit::{a, anomalies, at_once, in_turn, names, passes, r, t, unknown};

#[test]
fn two_writers_in_two_orders_are_g0() {
    let found = names(&at_once(vec![
        vec![a("x", 1), a("y", 1)],
        vec![a("x", 2), a("y", 2)],
        vec![r("x", &[1, 2])],
        vec![r("y", &[2, 1])],
    ]));
    assert_eq!(found, ["G0"]);
}

#[test]
fn two_that_read_one_another_are_g1c() {
    let found = names(&at_once(vec![
        vec![a("x", 1), r("y", &[1])],
        vec![a("y", 1), r("x", &[1])],
    ]));
    assert_eq!(found, ["G1c"]);
}

#[test]
fn a_lost_update_is_g_single() {
    let found = names(&at_once(vec![
        vec![r("x", &[]), a("x", 1)],
        vec![r("x", &[]), a("x", 2)],
        vec![r("x", &[1, 2])],
    ]));
    assert_eq!(found, ["G-single"]);
}

#[test]
fn a_reader_that_sees_half_of_a_transaction_is_g_single() {
    let found = names(&at_once(vec![
        vec![a("x", 1), a("y", 1)],
        vec![r("x", &[1]), r("y", &[])],
        vec![r("y", &[1])],
    ]));
    assert_eq!(found, ["G-single"]);
}

#[test]
fn write_skew_is_g2() {
    let found = names(&at_once(vec![
        vec![r("x", &[]), r("y", &[]), a("x", 1)],
        vec![r("x", &[]), r("y", &[]), a("y", 1)],
        vec![r("x", &[1]), r("y", &[1])],
    ]));
    assert_eq!(found, ["G2"]);
}

#[test]
fn two_readers_that_saw_two_writes_in_two_orders_are_g2() {
    let found = names(&at_once(vec![
        vec![a("x", 1)],
        vec![a("y", 1)],
        vec![r("x", &[1]), r("y", &[])],
        vec![r("x", &[]), r("y", &[1])],
    ]));
    assert_eq!(found, ["G2"]);
}

#[test]
fn a_stale_read_is_g_single_realtime() {
    let history = in_turn(vec![vec![a("x", 1)], vec![r("x", &[])], vec![r("x", &[1])]]);
    assert_eq!(names(&history), ["G-single-realtime"]);
    let circle = &anomalies(&history)[0].what;
    assert!(circle.starts_with("2 transactions"), "{circle}");
    assert!(circle.contains("T1 -rw-> T0 (1 of \"x\" was not read)"), "{circle}");
    assert!(circle.contains("T0 -realtime-> T1"), "{circle}");
}

#[test]
fn a_client_that_does_not_see_its_own_append_is_g_single_process() {
    let found = names(&[
        t(1, 0, 5, vec![a("x", 1)]),
        t(1, 10, 15, vec![r("x", &[])]),
        t(2, 10, 30, vec![r("x", &[1])]),
    ]);
    assert_eq!(found, ["G-single-process"]);
}

#[test]
fn writes_whose_order_is_not_that_of_time_are_g0_realtime() {
    let found = names(&in_turn(vec![vec![a("x", 1)], vec![a("x", 2)], vec![r("x", &[2, 1])]]));
    assert_eq!(found, ["G0-realtime"]);
    let own = names(&[
        t(1, 0, 5, vec![a("x", 1)]),
        t(1, 10, 15, vec![a("x", 2)]),
        t(2, 20, 25, vec![r("x", &[2, 1])]),
    ]);
    assert_eq!(own, ["G0-process"]);
}

#[test]
fn a_read_of_the_future_is_g1c_realtime() {
    let found = names(&in_turn(vec![vec![r("x", &[1])], vec![a("x", 1)]]));
    assert_eq!(found, ["G1c-realtime"]);
}

#[test]
fn a_skew_that_only_time_reveals_is_g2_realtime() {
    // T3 before T0, which has not read what T1 appended, which has not read what T2 appended, which ended before T0.
    let found = names(&[
        t(0, 10, 50, vec![r("x", &[]), r("z", &[3])]),
        t(1, 0, 60, vec![a("x", 1), r("y", &[])]),
        t(2, 0, 5, vec![a("y", 2)]),
        t(3, 0, 60, vec![a("z", 3)]),
        t(4, 70, 75, vec![r("x", &[1]), r("y", &[2])]),
    ]);
    assert_eq!(found, ["G2-realtime"]);
}

#[test]
fn what_has_no_known_end_stands_before_nothing_in_time() {
    passes(&[
        unknown(t(0, 0, 5, vec![a("x", 1)])),
        t(0, 10, 15, vec![r("x", &[])]),
        t(1, 20, 25, vec![r("x", &[1])]),
    ]);
    let early = names(&[t(1, 0, 5, vec![r("x", &[1])]), unknown(t(0, 10, 15, vec![a("x", 1)]))]);
    assert_eq!(early, ["G1c-realtime"]);
}

#[test]
fn the_shortest_circle_is_shown() {
    // T0 to T5 one behind the other on x, and T5 before T4 on y.
    let mut transactions: Vec<_> = (0..4).map(|number| vec![a("x", number)]).collect();
    transactions.push(vec![a("x", 4), a("y", 4)]);
    transactions.push(vec![a("x", 5), a("y", 5)]);
    transactions.push(vec![r("x", &[0, 1, 2, 3, 4, 5])]);
    transactions.push(vec![r("y", &[5, 4])]);
    let found = anomalies(&at_once(transactions));
    assert_eq!(found.len(), 1);
    assert!(found[0].what.starts_with("2 transactions"), "{}", found[0].what);
}

#[test]
fn appends_that_nobody_read_stand_behind_those_that_somebody_did() {
    // Each sees the other's list before the append that nobody reads.
    let found = names(&at_once(vec![
        vec![r("x", &[]), a("y", 1)],
        vec![r("y", &[]), a("x", 1)],
    ]));
    assert_eq!(found, ["G2"]);
}
