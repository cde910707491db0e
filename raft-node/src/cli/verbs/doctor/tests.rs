//! What is said of a cluster, by what its members answered.

use std::time::Duration;

use quorate::{Member, MemberStatus};

use super::check::{Check, Verdict};
use super::cluster::examine;
use super::visit::{Answer, Visit, Visited};

const VERSION: &str = "1.2.3";

fn member(id: u64) -> Member {
    let mut member = Member::default();
    member.id = id;
    member.client_address = address(id);
    member.voter = true;
    member
}

fn address(id: u64) -> String {
    format!("10.0.0.{id}:7401")
}

fn well(id: u64) -> Visit {
    let mut status = MemberStatus::default();
    status.cluster_id = 7;
    status.member_id = id;
    status.version = VERSION.to_owned();
    status.leader_id = Some(1);
    status.role = String::from(if id == 1 { "leader" } else { "follower" });
    status.committed_index = 100;
    status.applied_index = 100;
    status.state_hash = 42;
    status.disk_free_bytes = 100 << 30;
    Visit {
        address: address(id),
        answer: Ok(Answer {
            status,
            round_trip: Duration::from_micros(400),
            ahead_ms: Some(0),
        }),
    }
}

fn silent(id: u64) -> Visit {
    Visit {
        address: address(id),
        answer: Err("connection refused".to_owned()),
    }
}

fn visited(voters: u64, visits: Vec<Visit>) -> Visited {
    Visited {
        members: Ok((1..=voters).map(member).collect()),
        visits,
    }
}

/// Three members, the third of which answers this.
fn with_third(change: impl FnOnce(&mut Answer)) -> Visited {
    let mut third = well(3);
    change(third.answer.as_mut().unwrap());
    visited(3, vec![well(1), well(2), third])
}

/// Everything that is not good: what it is of, and what is said.
fn complaints(visited: &Visited) -> Vec<(String, Verdict, String)> {
    let checks = examine(visited, VERSION).into_iter();
    let told = checks.filter(|check: &Check| check.verdict != Verdict::Good);
    told.map(|check| {
        assert!(!check.advice.is_empty(), "{check:?}");
        (check.of, check.verdict, check.found)
    })
    .collect()
}

/// The only complaint.
fn complaint(visited: &Visited) -> (String, Verdict, String) {
    let mut complaints = complaints(visited);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    complaints.remove(0)
}

#[test]
fn three_members_that_are_well_are_good_in_every_respect() {
    let visited = visited(3, vec![well(1), well(2), well(3)]);
    assert_eq!(complaints(&visited), []);
    let checks = examine(&visited, VERSION);
    let quorum = checks.iter().find(|check| check.of == "quorum").unwrap();
    assert_eq!(quorum.found, "3 of 3 voters answer, and 2 are needed: 1 may fail");
}

#[test]
fn a_member_that_does_not_answer_is_named_with_the_reason_and_the_margin_that_is_left() {
    let complaints = complaints(&visited(3, vec![well(1), well(2), silent(3)]));
    let (of, verdict, found) = &complaints[0];
    assert_eq!((of.as_str(), *verdict), ("quorum", Verdict::Warning));
    assert!(found.ends_with("one more failure stops the cluster"), "{found}");
    let (of, verdict, found) = &complaints[1];
    assert_eq!((of.as_str(), *verdict), ("member 3", Verdict::Bad));
    assert_eq!(found, "10.0.0.3:7401: connection refused");
    assert_eq!(complaints.len(), 2);
}

#[test]
fn without_a_majority_that_answers_the_quorum_is_bad() {
    let mut alone = well(1);
    alone.answer.as_mut().unwrap().status.leader_id = None;
    let complaints = complaints(&visited(3, vec![alone, silent(2), silent(3)]));
    let bad = |of: &str| complaints.iter().any(|one| one.0 == of && one.1 == Verdict::Bad);
    assert!(bad("leader") && bad("quorum"), "{complaints:?}");
}

#[test]
fn one_voter_and_an_even_number_of_them_are_worth_a_word() {
    assert_eq!(complaint(&visited(1, vec![well(1)])).0, "quorum");
    assert_eq!(complaint(&visited(4, (1..=4).map(well).collect())).0, "quorum");
    let two = complaint(&visited(2, vec![well(1), well(2)]));
    assert!(two.2.ends_with("one more failure stops the cluster"), "{two:?}");
}

#[test]
fn members_that_disagree_on_the_leader_are_named() {
    let (of, verdict, found) = complaint(&with_third(|answer| answer.status.leader_id = Some(2)));
    assert_eq!((of.as_str(), verdict), ("leader", Verdict::Warning));
    assert_eq!(found, "members name different ones: 1, 2");
    let (_, _, found) = complaint(&with_third(|answer| answer.status.leader_id = None));
    assert_eq!(found, "member 1, of which these know nothing: 3");
}

#[test]
fn members_of_two_clusters_are_not_taken_for_one() {
    let complaints = complaints(&with_third(|answer| answer.status.cluster_id = 8));
    assert_eq!((complaints[0].0.as_str(), complaints[0].1), ("cluster", Verdict::Bad));
}

#[test]
fn a_member_that_was_removed_and_still_runs_is_bad() {
    let (of, verdict, _) = complaint(&visited(3, vec![well(1), well(2), well(3), well(4)]));
    assert_eq!((of.as_str(), verdict), ("member 4", Verdict::Bad));
}

#[test]
fn an_endpoint_that_no_member_has_is_only_worth_a_word() {
    let complaint = complaint(&visited(3, vec![well(1), well(2), well(3), silent(9)]));
    assert_eq!((complaint.0.as_str(), complaint.1), ("10.0.0.9:7401", Verdict::Warning));
}

#[test]
fn different_states_at_the_same_index_are_bad_and_at_different_ones_say_nothing() {
    let (of, verdict, _) = complaint(&with_third(|answer| answer.status.state_hash = 43));
    assert_eq!((of.as_str(), verdict), ("state", Verdict::Bad));
    let behind = with_third(|answer| {
        answer.status.applied_index = 99;
        answer.status.state_hash = 43;
    });
    assert_eq!(complaints(&behind), []);
}

#[test]
fn what_one_member_alone_has_is_found() {
    let (of, _, found) = complaint(&with_third(|answer| answer.status.version = "1.2.2".to_owned()));
    assert_eq!(of, "versions");
    assert!(found.contains("1.2.2 at member 3"), "{found}");
    let (of, ..) = complaint(&with_third(|answer| answer.status.disk_free_bytes = 1 << 30));
    assert_eq!(of, "disks");
    let (of, verdict, found) = complaint(&with_third(|answer| answer.status.alarms = vec!["no space".to_owned()]));
    assert_eq!(
        (of.as_str(), verdict, found.as_str()),
        ("member 3", Verdict::Bad, "no space")
    );
    let mut behind = with_third(|answer| answer.status.applied_index = 0);
    for visit in &mut behind.visits[..2] {
        let status = &mut visit.answer.as_mut().unwrap().status;
        (status.committed_index, status.applied_index) = (20_000, 20_000);
    }
    let (of, _, found) = complaint(&behind);
    assert_eq!(
        (of.as_str(), found.as_str()),
        ("member 3", "it has 20000 entries of the log yet to apply")
    );
}

#[test]
fn clocks_are_compared_with_each_other_and_with_the_one_here_as_far_as_round_trips_allow() {
    let (of, _, found) = complaint(&with_third(|answer| answer.ahead_ms = Some(-300)));
    assert_eq!(of, "clocks");
    assert!(found.contains("member 3 -300 ms"), "{found}");
    let slow = with_third(|answer| {
        answer.ahead_ms = Some(-300);
        answer.round_trip = Duration::from_millis(200);
    });
    assert_eq!(complaints(&slow), []);
    let mut here = visited(3, vec![well(1), well(2), well(3)]);
    for visit in &mut here.visits {
        visit.answer.as_mut().unwrap().ahead_ms = Some(5000);
    }
    let (_, _, found) = complaint(&here);
    assert!(
        found.starts_with("members are no more than 0 ms apart, but not"),
        "{found}"
    );
    let unsaid = with_third(|answer| answer.ahead_ms = None);
    assert_eq!(complaints(&unsaid), []);
}
