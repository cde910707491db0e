//! Each property has histories that break it and nothing else.

use std::time::Duration;

use bytes::Bytes;

use super::kit::{
    Story, acks, all_of, created, granted, incarnation, key_event, keys, mark, of_lease, prefix, told, verdict,
    watcher, wrong,
};
use crate::watch_check::{
    Asked, Cancel, Event, Incarnation, Names, Space, Start, Told, Truth, Verdict, Wanted, Watcher, Wrong, check,
};

/// Revisions 2 to 10.
fn story() -> Story {
    let mut story = Story::default();
    for words in [
        "j/a=1",
        "j/b=1 x=1",
        "j/a=2",
        "j/a=3 j/b=2 j/c=1",
        "-j/b",
        "@7",
        "~j/a",
        "x=2",
        "j/a=4",
    ] {
        story.revision(words);
    }
    assert_eq!(story.truth.last(), 10);
    story
}

fn jobs() -> Asked {
    all_of([prefix("j/")])
}

/// A watcher of all jobs, from revision 2 to 10, changed.
fn changed(truth: &Truth, change: impl FnOnce(&mut Vec<Told>)) -> Watcher {
    let mut whole = incarnation(truth, &jobs(), 2, 10);
    change(&mut whole.told);
    watcher(jobs(), vec![whole])
}

/// Where the events of a revision stand; `Created` is first.
fn at(told: &[Told], wanted: u64) -> usize {
    let is_it = |told: &Told| matches!(told, Told::Events { revision, .. } if *revision == wanted);
    told.iter().position(is_it).unwrap()
}

#[test]
fn what_was_told_rightly_passes() {
    let Story { truth, .. } = &story();
    let mut incarnations = vec![incarnation(truth, &jobs(), 2, 5), incarnation(truth, &jobs(), 6, 10)];
    incarnations[0].told.push(mark(5));
    incarnations[1].told.insert(1, mark(5));
    let mut whole = watcher(jobs(), incarnations);
    whole.due = 10;
    let summary = verdict(&whole, truth).into_result().unwrap();
    assert_eq!(
        (summary.watchers, summary.incarnations, summary.revisions, summary.marks),
        (1, 2, 7, 2)
    );
    assert_eq!(summary.events, 9);
}

#[test]
fn every_way_to_ask_is_compared_with_what_it_asks_for() {
    let Story { truth, .. } = &story();
    let pattern = keys(Names::Pattern("*".to_owned()));
    let leases = Wanted {
        space: Space::Leases,
        names: Names::Prefix(Bytes::new()),
    };
    let interval = keys(Names::Interval {
        start: Bytes::from_static(b"j/b"),
        end: Bytes::from_static(b"j/c"),
    });
    let one = keys(Names::One(Bytes::from_static(b"x")));
    let revisions = |asked: &Asked| {
        let whole = watcher(asked.clone(), vec![incarnation(truth, asked, 2, 10)]);
        verdict(&whole, truth).into_result().unwrap().revisions
    };
    assert_eq!(revisions(&all_of([pattern])), 2);
    assert_eq!(revisions(&all_of([leases.clone()])), 1);
    assert_eq!(revisions(&all_of([leases, prefix("")])), 9);
    assert_eq!(revisions(&all_of([interval])), 3);
    assert_eq!(revisions(&all_of([one])), 2);
    let quiet = Asked {
        previous: false,
        keys_only: true,
        ..jobs()
    };
    assert_eq!(revisions(&quiet), 7);
    assert_eq!(revisions(&Asked { puts: false, ..jobs() }), 2);
    assert_eq!(
        revisions(&Asked {
            deletes: false,
            ..jobs()
        }),
        5
    );
}

#[test]
fn filter_nothing_comes_that_was_not_asked_for() {
    let Story { truth, .. } = &story();
    let everything = told(truth, &all_of([prefix("")]), 9).unwrap();
    let too_much = changed(truth, |told| told.insert(at(told, 10), everything));
    assert!(matches!(
        wrong(verdict(&too_much, truth)),
        Wrong::Filter { revision: 9, .. }
    ));

    let puts = Asked {
        deletes: false,
        ..jobs()
    };
    let mut deletes = watcher(puts.clone(), vec![incarnation(truth, &puts, 2, 10)]);
    let deletion = told(truth, &jobs(), 6).unwrap();
    deletes.incarnations[0].told.insert(5, deletion);
    assert!(matches!(
        wrong(verdict(&deletes, truth)),
        Wrong::Filter { revision: 6, .. }
    ));

    for asked in [
        Asked {
            previous: false,
            ..jobs()
        },
        Asked {
            keys_only: true,
            ..jobs()
        },
    ] {
        let generous = watcher(asked, vec![incarnation(truth, &jobs(), 2, 10)]);
        assert!(matches!(wrong(verdict(&generous, truth)), Wrong::Surplus { .. }));
    }
}

#[test]
fn ordered_a_lower_revision_does_not_come_after_a_higher_one() {
    let Story { truth, .. } = &story();
    let swapped = changed(truth, |told| told.swap(3, 4));
    assert_eq!(
        wrong(verdict(&swapped, truth)),
        Wrong::Ordered { revision: 4, after: 5 }
    );
}

#[test]
fn unique_no_revision_and_no_key_comes_twice() {
    let Story { truth, .. } = &story();
    let twice = changed(truth, |told| told.insert(4, told[3].clone()));
    assert!(matches!(
        wrong(verdict(&twice, truth)),
        Wrong::Unique { revision: 4, .. }
    ));

    let key_twice = changed(truth, |told| {
        let Told::Events { events, .. } = &mut told[4] else {
            panic!("{told:?}")
        };
        events.push(events[0].clone());
    });
    assert!(matches!(
        wrong(verdict(&key_twice, truth)),
        Wrong::Unique { revision: 5, .. }
    ));
}

#[test]
fn atomic_parts_belong_together_and_nothing_comes_between_them() {
    let Story { truth, .. } = &story();
    let parts = |more: bool| {
        let Some(Told::Events { events, .. }) = told(truth, &jobs(), 5) else {
            panic!("no events")
        };
        let part = |events: &[Event], more| Told::Events {
            revision: 5,
            events: events.to_vec(),
            more,
        };
        [part(&events[..1], more), part(&events[1..], false)]
    };
    let in_parts = changed(truth, |told| drop(told.splice(4..5, parts(true))));
    assert!(matches!(verdict(&in_parts, truth), Verdict::Ok(_)));

    let [first, second] = parts(true);
    let between = [
        changed(truth, |told| {
            drop(told.splice(4..5, [first.clone(), mark(4), second.clone()]))
        }),
        changed(truth, |told| {
            let other = told[5].clone();
            told.splice(4..6, [first.clone(), other, second.clone()]);
        }),
    ];
    for between in between {
        assert!(matches!(
            wrong(verdict(&between, truth)),
            Wrong::Atomic { revision: 5, .. }
        ));
    }
    let [first, _] = parts(false);
    let half = changed(truth, |told| told[4] = first);
    assert!(matches!(
        wrong(verdict(&half, truth)),
        Wrong::Atomic { revision: 5, .. }
    ));
}

#[test]
fn a_part_that_stays_alone_at_the_end_of_a_connection_was_not_delivered() {
    let Story { truth, .. } = &story();
    let mut broken = incarnation(truth, &jobs(), 2, 5);
    let Some(Told::Events { more, .. }) = broken.told.last_mut() else {
        panic!("{broken:?}")
    };
    *more = true;
    let resumed = watcher(jobs(), vec![broken.clone(), incarnation(truth, &jobs(), 5, 10)]);
    assert_eq!(verdict(&resumed, truth).into_result().unwrap().revisions, 7);

    let too_late = watcher(jobs(), vec![broken, incarnation(truth, &jobs(), 6, 10)]);
    let Verdict::Unknown(reason) = verdict(&too_late, truth) else {
        panic!("a watcher that resumes at the wrong place says nothing about the server")
    };
    assert!(reason.contains("From(6)") && reason.contains("From(5)"), "{reason}");
}

#[test]
fn start_nothing_comes_from_before_it_or_before_the_watch_is_there() {
    let Story { truth, .. } = &story();
    let mut early = incarnation(truth, &jobs(), 4, 10);
    early.told.insert(1, told(truth, &jobs(), 3).unwrap());
    let early = watcher(jobs(), vec![early]);
    assert_eq!(
        wrong(verdict(&early, truth)),
        Wrong::BeforeStart { revision: 3, first: 4 }
    );

    let uncreated = changed(truth, |told| drop(told.remove(0)));
    assert!(matches!(wrong(verdict(&uncreated, truth)), Wrong::NotCreated { .. }));
    let elsewhere = changed(truth, |told| told[0] = created(2));
    assert_eq!(wrong(verdict(&elsewhere, truth)), Wrong::OtherStart { created: 2 });
}

#[test]
fn start_now_is_between_the_writes_before_and_those_after() {
    let Story { truth, .. } = &story();
    let millis = Duration::from_millis;
    // Revision 5 was acknowledged before, 6 is on its way, 7 begins when the watch is there.
    let acks = acks(&[(0, 9, 5), (8, 25, 6), (21, 30, 7)]);
    let now = |after: u64| {
        let mut now = incarnation(truth, &jobs(), after + 1, 10);
        now.start = Start::Now;
        now.asked = millis(10);
        now.told[0] = Told::Created {
            revision: after,
            at: millis(20),
        };
        check(&[watcher(jobs(), vec![now])], truth, &acks)
    };
    assert!(matches!(now(5), Verdict::Ok(_)));
    assert!(matches!(now(6), Verdict::Ok(_)));
    assert!(matches!(wrong(now(4)), Wrong::NowTooEarly { acknowledged: 5, .. }));
    assert!(matches!(wrong(now(7)), Wrong::NowTooLate { written: 7, .. }));
}

#[test]
fn bookmarkable_a_mark_is_neither_early_nor_does_it_go_back() {
    let Story { truth, .. } = &story();
    let early = changed(truth, |told| told.insert(4, mark(5)));
    assert_eq!(wrong(verdict(&early, truth)), Wrong::MarkAhead { mark: 5, revision: 5 });

    let back = changed(truth, |told| drop(told.splice(4..4, [mark(4), mark(3)])));
    assert_eq!(wrong(verdict(&back, truth)), Wrong::MarkBack { mark: 3, before: 4 });

    let lost = changed(truth, |told| {
        told.truncate(4);
        told.push(mark(9));
    });
    assert_eq!(wrong(verdict(&lost, truth)), Wrong::MarkAhead { mark: 9, revision: 5 });

    let beyond = changed(truth, |told| told.push(mark(11)));
    assert_eq!(
        wrong(verdict(&beyond, truth)),
        Wrong::MarkAhead { mark: 11, revision: 11 }
    );
}

#[test]
fn bookmarkable_a_linearizable_mark_is_as_new_as_its_probe() {
    let Story { truth, .. } = &story();
    let acks = acks(&[(0, 9, 5), (8, 25, 6)]);
    let probed = |revision| {
        let mut some = incarnation(truth, &jobs(), 2, revision);
        some.told.push(Told::Mark {
            revision,
            probed: Some(Duration::from_millis(10)),
        });
        check(&[watcher(jobs(), vec![some])], truth, &acks)
    };
    assert!(matches!(probed(5), Verdict::Ok(_)));
    let stale = Wrong::MarkStale {
        mark: 4,
        acknowledged: 5,
    };
    assert_eq!(wrong(probed(4)), stale);
}

#[test]
fn resumable_the_first_event_is_the_first_that_there_is() {
    let Story { truth, .. } = &story();
    let late = changed(truth, |told| drop(told.remove(1)));
    assert_eq!(wrong(verdict(&late, truth)), Wrong::Resumable { came: 3, expected: 2 });
}

#[test]
fn reliable_nothing_is_left_out_or_made_up() {
    let Story { truth, .. } = &story();
    let hole = changed(truth, |told| drop(told.remove(3)));
    assert!(matches!(
        wrong(verdict(&hole, truth)),
        Wrong::Reliable { revision: 4, .. }
    ));

    let mut stalled = changed(truth, |told| told.truncate(3));
    assert!(matches!(verdict(&stalled, truth), Verdict::Ok(_)));
    stalled.due = 4;
    assert!(matches!(
        wrong(verdict(&stalled, truth)),
        Wrong::Reliable { revision: 4, .. }
    ));
    stalled.due = 11;
    assert!(matches!(verdict(&stalled, truth), Verdict::Unknown(_)));

    let made_up = changed(truth, |told| {
        let Told::Events { events, .. } = &mut told[3] else {
            panic!("{told:?}")
        };
        let mut more = events[0].clone();
        let Event::Key(event) = &mut more else {
            panic!("{more:?}")
        };
        event.record.key = Bytes::from_static(b"j/never");
        events.push(more);
    });
    assert!(matches!(
        wrong(verdict(&made_up, truth)),
        Wrong::Phantom { revision: 4, .. }
    ));
}

#[test]
fn records_are_those_of_the_revision() {
    let Story { truth, .. } = &story();
    let value = changed(truth, |told| {
        key_event(&mut told[3]).record.value = Bytes::from_static(b"9")
    });
    assert!(matches!(
        wrong(verdict(&value, truth)),
        Wrong::Record { revision: 4, .. }
    ));
    let created = changed(truth, |told| key_event(&mut told[3]).record.version = 1);
    let creation = Wrong::Creation {
        revision: 4,
        version: 1,
        existed: true,
    };
    assert_eq!(wrong(verdict(&created, truth)), creation);
    let updated = changed(truth, |told| key_event(&mut told[1]).record.version = 2);
    let creation = Wrong::Creation {
        revision: 2,
        version: 2,
        existed: false,
    };
    assert_eq!(wrong(verdict(&updated, truth)), creation);
}

#[test]
fn what_happened_to_a_lease_is_compared_where_it_is_known() {
    let Story { truth, .. } = &story();
    let leases = Wanted {
        space: Space::Leases,
        names: Names::Prefix(Bytes::new()),
    };
    let asked = all_of([leases]);
    let shown = |event: Event| {
        let mut all = incarnation(truth, &asked, 2, 10);
        all.told[1] = Told::Events {
            revision: 7,
            events: vec![event],
            more: false,
        };
        verdict(&watcher(asked.clone(), vec![all]), truth)
    };
    assert!(matches!(shown(granted(7)), Verdict::Ok(_)));
    assert!(matches!(shown(of_lease("7")), Verdict::Ok(_)));
    let Event::Other(mut other) = granted(7) else {
        panic!("a lease is no key")
    };
    let Event::Other(eight) = granted(8) else {
        panic!("a lease is no key")
    };
    other.what = eight.what;
    assert!(matches!(
        wrong(shown(Event::Other(other))),
        Wrong::Record { revision: 7, .. }
    ));
}

#[test]
fn previous_is_the_record_before() {
    let Story { truth, .. } = &story();
    let changes: [fn(&mut super::super::KeyEvent); 3] = [
        |event| event.previous = None,
        |event| event.previous.as_mut().unwrap().value = Bytes::from_static(b"9"),
        |event| event.previous.as_mut().unwrap().mod_revision += 1,
    ];
    for change in changes {
        let other = changed(truth, |told| change(key_event(&mut told[3])));
        assert!(matches!(
            wrong(verdict(&other, truth)),
            Wrong::Previous { revision: 4, .. }
        ));
    }
}

#[test]
fn cancelled_as_compacted_leaves_a_gap_that_is_known() {
    let Story { truth, .. } = &story();
    let refused = |boundary: u64| {
        let mut refused = incarnation(truth, &jobs(), 2, 4);
        refused.told.push(Told::Canceled(Cancel::Compacted(boundary)));
        let again = incarnation(truth, &jobs(), boundary, 10);
        watcher(jobs(), vec![refused, again])
    };
    let summary = verdict(&refused(8), truth).into_result().unwrap();
    assert_eq!((summary.compacted, summary.revisions), (1, 5));
    assert!(
        matches!(wrong(verdict(&refused(5), truth)), Wrong::Canceled { .. }),
        "nothing was lost"
    );

    let mut at_once = refused(8);
    at_once.incarnations[0] = Incarnation {
        start: Start::From(2),
        asked: Duration::ZERO,
        told: vec![Told::Canceled(Cancel::Compacted(8))],
    };
    assert!(matches!(verdict(&at_once, truth), Verdict::Ok(_)));
}

#[test]
fn cancelled_as_lagging_says_where_to_resume_and_skips_nothing() {
    let Story { truth, .. } = &story();
    let lagged = |resume: u64| {
        let mut lagged = incarnation(truth, &jobs(), 2, 6);
        lagged.told.push(Told::Canceled(Cancel::Lagged(resume)));
        watcher(jobs(), vec![lagged, incarnation(truth, &jobs(), 7, 10)])
    };
    for resume in [7, 8] {
        assert_eq!(verdict(&lagged(resume), truth).into_result().unwrap().lagged, 1);
    }
    assert!(matches!(wrong(verdict(&lagged(9), truth)), Wrong::Canceled { .. }));
}

#[test]
fn nothing_comes_after_the_end() {
    let Story { truth, .. } = &story();
    let after = changed(truth, |told| told.insert(4, Told::Canceled(Cancel::Other)));
    assert!(matches!(wrong(verdict(&after, truth)), Wrong::Canceled { .. }));
}

#[test]
fn watchers_that_saw_nothing_are_no_pass() {
    let Story { truth, .. } = &story();
    assert!(matches!(verdict(&watcher(jobs(), vec![]), truth), Verdict::Unknown(_)));
    let silent = changed(truth, |told| told.truncate(1));
    assert!(matches!(verdict(&silent, truth), Verdict::Unknown(_)));
}

#[test]
fn a_truth_that_contradicts_itself_is_refused() {
    let mut story = story();
    let stale = story.truth.events(4).to_vec();
    let error = story.truth.push(11, stale.clone()).unwrap_err().to_string();
    assert!(error.contains("is not the one that was written last"), "{error}");
    let error = story.truth.push(12, stale).unwrap_err().to_string();
    assert!(error.contains("makes revision 12 after 10"), "{error}");
}
