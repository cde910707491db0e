//! Every property has a history that breaks it, and one beside it that does not.

use std::collections::BTreeMap;

use super::*;

const MEMBERS: [u64; 3] = [1, 2, 3];

fn key(kind: Kind) -> Key {
    Key {
        domain: "d",
        kind,
        name: "k".to_owned(),
    }
}

fn values(values: &[&str]) -> std::collections::BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn put(value: &str) -> Change {
    Change::Put {
        value: value.to_owned(),
        over: None,
    }
}

fn put_over(value: &str, over: &[&str]) -> Change {
    Change::Put {
        value: value.to_owned(),
        over: Some(values(over)),
    }
}

/// A history of one key. Writes follow each other, a millisecond each, and are made at member 1.
#[derive(Default)]
struct Case {
    history: History,
    us: u64,
}

impl Case {
    fn new() -> Case {
        Case::default()
    }

    fn write(mut self, kind: Kind, change: Change, outcome: Outcome) -> Case {
        let began_us = self.us + 100;
        self.us += 1_000;
        self.history.writes.push(Write {
            writer: 1,
            key: key(kind),
            change,
            member: 1,
            once: true,
            began_us,
            ended_us: self.us,
            outcome,
        });
        self
    }

    fn acked(self, kind: Kind, change: Change, members: u32) -> Case {
        self.write(kind, change, Outcome::Acked(members))
    }

    fn unknown(self, kind: Kind, change: Change) -> Case {
        self.write(kind, change, Outcome::Unknown("no answer".to_owned()))
    }

    fn may_be_there_twice(mut self) -> Case {
        if let Some(write) = self.history.writes.last_mut() {
            write.once = false;
        }
        self
    }

    fn kill(mut self) -> Case {
        let began_us = self.us + 100;
        self.us += 1_000;
        self.history.kills.push(Kill {
            member: 1,
            began_us,
            ended_us: self.us,
        });
        self
    }

    fn even(mut self) -> Case {
        let began_us = self.us + 100;
        self.us += 1_000;
        self.history.evens.push(Even {
            began_us,
            ended_us: self.us,
        });
        self
    }

    fn hop(mut self, wrote: u64, read: HopRead) -> Case {
        let began_us = self.us + 100;
        self.us += 1_000;
        self.history.hops.push(Hop {
            reader: 1,
            member: 2,
            wrote,
            tried: wrote,
            read,
            began_us,
            ended_us: self.us,
        });
        self
    }

    /// All members end with this.
    fn ends(mut self, kind: Kind, held: Held) -> Case {
        for member in MEMBERS {
            let state = self.history.states.entry(member).or_default();
            state.insert(key(kind), held.clone());
        }
        self
    }

    fn ends_with(self, kind: Kind, there: &[&str]) -> Case {
        let held = Held {
            values: values(there),
            ..Held::default()
        };
        self.ends(kind, held)
    }

    fn ends_with_members(self, there: &[&str]) -> Case {
        let held = Held {
            members: values(there),
            ..Held::default()
        };
        self.ends(Kind::Set, held)
    }

    fn ends_with_sum(self, sum: i64) -> Case {
        self.ends(Kind::Counter, Held { sum, ..Held::default() })
    }

    fn found(self) -> Vec<Property> {
        match check(&self.history) {
            Verdict::Illegal(violations) => violations.into_iter().map(|violation| violation.property).collect(),
            Verdict::Ok(_) | Verdict::Unknown(_) => Vec::new(),
        }
    }
}

const SIBLINGS: Kind = Kind::Siblings;

#[test]
fn members_that_differ_are_not_equal() {
    let mut case = Case::new().acked(SIBLINGS, put("a"), 2).ends_with(SIBLINGS, &["a"]);
    assert_eq!(case.history.states.len(), 3);
    case.history.states.insert(3, BTreeMap::new());
    assert_eq!(case.found(), [Property::Equal]);
}

#[test]
fn a_sibling_that_nobody_had_read_is_kept() {
    let case = |there: &[&str]| {
        Case::new()
            .acked(SIBLINGS, put("a"), 2)
            .acked(SIBLINGS, put("b"), 2)
            .ends_with(SIBLINGS, there)
            .found()
    };
    assert_eq!(case(&["a", "b"]), []);
    assert_eq!(case(&["b"]), [Property::Kept]);
}

#[test]
fn a_write_of_unknown_end_may_have_replaced_what_it_had_read() {
    let case = |there: &[&str]| {
        Case::new()
            .acked(SIBLINGS, put("a"), 2)
            .unknown(SIBLINGS, put_over("b", &["a"]))
            .ends_with(SIBLINGS, there)
            .found()
    };
    assert_eq!(case(&["a"]), []);
    assert_eq!(case(&["b"]), []);
    assert_eq!(
        case(&["a", "b"]),
        [Property::Replaced],
        "it is there, so it has replaced"
    );
}

#[test]
fn what_one_member_had_may_be_lost_with_it_but_not_after_all_were_even() {
    let written = || Case::new().acked(SIBLINGS, put("a"), 1);
    let nothing: &[&str] = &[];
    assert_eq!(written().kill().ends_with(SIBLINGS, nothing).found(), []);
    assert_eq!(written().ends_with(SIBLINGS, nothing).found(), [Property::Kept]);
    assert_eq!(
        written().even().kill().ends_with(SIBLINGS, nothing).found(),
        [Property::Kept]
    );
    let restarted = Case::new().kill().acked(SIBLINGS, put("a"), 1);
    assert_eq!(restarted.ends_with(SIBLINGS, nothing).found(), [Property::Kept]);
    let by_two = Case::new().acked(SIBLINGS, put("a"), 2).kill();
    assert_eq!(by_two.ends_with(SIBLINGS, nothing).found(), [Property::Kept]);
}

#[test]
fn what_was_lost_with_a_process_is_counted() {
    let case = Case::new().acked(SIBLINGS, put("a"), 1).kill().ends_with(SIBLINGS, &[]);
    assert_eq!(lost::lost_with_a_process(&case.history), 1);
}

#[test]
fn what_was_replaced_or_deleted_does_not_come_back() {
    let over = |change: Change, members: u32, there: &[&str]| {
        Case::new()
            .acked(SIBLINGS, put("a"), 2)
            .acked(SIBLINGS, change, members)
            .ends_with(SIBLINGS, there)
            .found()
    };
    let delete = || Change::Delete { over: values(&["a"]) };
    assert_eq!(over(put_over("b", &["a"]), 2, &["b"]), []);
    assert_eq!(over(put_over("b", &["a"]), 2, &["a", "b"]), [Property::Replaced]);
    assert_eq!(over(delete(), 2, &[]), []);
    assert_eq!(over(delete(), 2, &["a"]), [Property::Replaced]);
    let lost = Case::new()
        .acked(SIBLINGS, put("a"), 2)
        .acked(SIBLINGS, delete(), 1)
        .kill();
    assert_eq!(lost.ends_with(SIBLINGS, &["a"]).found(), [], "the deletion was lost");
}

#[test]
fn a_value_that_may_have_been_sent_twice_may_have_been_replaced_once() {
    let case = Case::new()
        .acked(SIBLINGS, put("a"), 2)
        .may_be_there_twice()
        .acked(SIBLINGS, put_over("b", &["a"]), 2);
    assert_eq!(case.ends_with(SIBLINGS, &["a", "b"]).found(), []);
}

#[test]
fn what_nobody_wrote_is_not_there() {
    for kind in [SIBLINGS, Kind::LastWrite, Kind::Union] {
        let case = Case::new().unknown(kind, put("a"));
        assert_eq!(case.ends_with(kind, &["b"]).found(), [Property::Real], "{kind:?}");
    }
    let refused = Case::new().write(SIBLINGS, put("a"), Outcome::Refused("full".to_owned()));
    assert_eq!(refused.ends_with(SIBLINGS, &["a"]).found(), [Property::Real]);
    let case = Case::new().unknown(Kind::Max, put("5"));
    assert_eq!(case.ends_with(Kind::Max, &["6"]).found(), [Property::Real]);
    let case = Case::new().unknown(Kind::Set, Change::Insert("a".to_owned()));
    assert_eq!(case.ends_with_members(&["b"]).found(), [Property::Real]);
}

#[test]
fn the_newest_write_of_a_process_stays() {
    let written = || {
        Case::new()
            .acked(Kind::LastWrite, put("a"), 2)
            .acked(Kind::LastWrite, put("b"), 2)
    };
    assert_eq!(written().ends_with(Kind::LastWrite, &["b"]).found(), []);
    assert_eq!(written().ends_with(Kind::LastWrite, &["a"]).found(), [Property::Newest]);
    assert_eq!(written().ends_with(Kind::LastWrite, &[]).found(), [Property::Newest]);
    assert_eq!(
        written().ends_with(Kind::LastWrite, &["a", "b"]).found(),
        [Property::Newest]
    );
    let restarted = Case::new()
        .acked(Kind::LastWrite, put("a"), 2)
        .kill()
        .acked(Kind::LastWrite, put("b"), 2);
    assert_eq!(
        restarted.ends_with(Kind::LastWrite, &["a"]).found(),
        [],
        "the new process need not have known it"
    );
}

#[test]
fn an_element_stays_unless_another_write_came() {
    let one = || Case::new().acked(Kind::Union, put("a"), 2);
    assert_eq!(one().ends_with(Kind::Union, &["a"]).found(), []);
    assert_eq!(one().ends_with(Kind::Union, &[]).found(), [Property::Joined]);
    let two = || one().acked(Kind::Union, put("b"), 2);
    assert_eq!(two().ends_with(Kind::Union, &["b"]).found(), []);
    assert_eq!(two().ends_with(Kind::Union, &["a"]).found(), [Property::Joined]);
}

#[test]
fn a_maximum_does_not_go_down() {
    let written = || Case::new().acked(Kind::Max, put("9"), 2).acked(Kind::Max, put("10"), 1);
    assert_eq!(written().ends_with(Kind::Max, &["10"]).found(), []);
    assert_eq!(written().ends_with(Kind::Max, &["9"]).found(), [Property::Greatest]);
    assert_eq!(written().ends_with(Kind::Max, &[]).found(), [Property::Greatest]);
    assert_eq!(written().kill().ends_with(Kind::Max, &["9"]).found(), []);
}

#[test]
fn a_counter_is_between_what_survives_and_what_was_tried() {
    let case = |sum| {
        Case::new()
            .acked(Kind::Counter, Change::Add(3), 2)
            .acked(Kind::Counter, Change::Add(5), 1)
            .unknown(Kind::Counter, Change::Add(7))
            .kill()
            .ends_with_sum(sum)
            .found()
    };
    assert_eq!(case(2), [Property::Counted]);
    assert_eq!(case(3), []);
    assert_eq!(case(15), []);
    assert_eq!(case(16), [Property::Counted], "something was counted twice");
}

#[test]
fn a_set_has_what_was_added_and_not_what_was_removed() {
    let insert = || Change::Insert("a".to_owned());
    let remove = || Change::Remove("a".to_owned());
    let added = || Case::new().acked(Kind::Set, insert(), 2);
    assert_eq!(added().ends_with_members(&["a"]).found(), []);
    assert_eq!(added().ends_with_members(&[]).found(), [Property::Members]);
    let removed = || added().acked(Kind::Set, remove(), 2);
    assert_eq!(removed().ends_with_members(&[]).found(), []);
    assert_eq!(removed().ends_with_members(&["a"]).found(), [Property::Members]);
    let elsewhere = added().kill().acked(Kind::Set, remove(), 2);
    assert_eq!(
        elsewhere.ends_with_members(&["a"]).found(),
        [],
        "the removal was made where it may not have been known"
    );
}

#[test]
fn a_client_reads_what_it_wrote_and_nothing_older_than_it_read() {
    let number = HopRead::Number;
    assert_eq!(Case::new().hop(4, number(4)).hop(5, number(5)).found(), []);
    assert_eq!(Case::new().hop(5, number(4)).found(), [Property::Session]);
    assert_eq!(Case::new().hop(5, number(6)).found(), [Property::Session]);
    let back = || Case::new().hop(2, number(2)).hop(0, number(1));
    assert_eq!(back().found(), [Property::Session]);
    let late = HopRead::NotNow("stale".to_owned());
    assert_eq!(Case::new().hop(4, late).hop(4, number(4)).found(), []);
}

#[test]
fn a_context_is_lost_only_with_a_process_and_is_owed_to_nobody_afterwards() {
    let lost = || HopRead::ContextLost;
    assert_eq!(Case::new().hop(4, lost()).found(), [Property::Session]);
    let after = |wrote, read| {
        Case::new()
            .kill()
            .hop(4, lost())
            .hop(wrote, HopRead::Number(read))
            .found()
    };
    assert_eq!(after(4, 3), []);
    assert_eq!(after(5, 5), []);
    assert_eq!(after(5, 4), [Property::Session], "it was written since");
}

#[test]
fn a_run_without_acknowledged_writes_of_a_kind_is_no_pass() {
    let case = Case::new().acked(SIBLINGS, put("a"), 2).ends_with(SIBLINGS, &["a"]);
    assert!(matches!(check(&case.history), Verdict::Unknown(_)));
    assert!(matches!(check(&History::default()), Verdict::Unknown(_)));
    let mut case = case;
    for (kind, change) in [
        (Kind::LastWrite, put("l")),
        (Kind::Union, put("u")),
        (Kind::Max, put("1")),
        (Kind::Counter, Change::Add(1)),
        (Kind::Set, Change::Insert("s".to_owned())),
    ] {
        case = case.acked(kind, change, 2);
    }
    let case = case
        .ends_with(Kind::LastWrite, &["l"])
        .ends_with(Kind::Union, &["u"])
        .ends_with(Kind::Max, &["1"])
        .ends_with_sum(1)
        .ends_with_members(&["s"]);
    assert!(matches!(check(&case.history), Verdict::Ok(summary) if summary.acked_by_two == 6));
}
