//! The five faults that a watch is known to have elsewhere, each in a history as it would be recorded: two members, a
//! resume in between, history compacted meanwhile. Without the fault the history passes.

use super::kit::{Story, all_of, created, incarnation, mark, prefix, told, verdict, watcher, wrong};
use crate::watch_check::{Asked, Cancel, Incarnation, Told, Truth, Verdict, Watcher, Wrong};

fn asked() -> Asked {
    all_of([prefix("k/")])
}

/// Forty revisions: every third touches two keys, every fourth deletes one, every seventh is of no interest.
fn truth() -> Truth {
    let mut story = Story::default();
    for revision in 2..=41 {
        let words = match revision {
            _ if revision % 7 == 0 => format!("other={revision}"),
            _ if revision % 4 == 0 => format!("k/d={revision}"),
            _ if revision % 4 == 1 && revision > 5 && (revision - 1) % 7 != 0 => "-k/d".to_owned(),
            _ if revision % 3 == 0 => format!("k/a={revision} k/b={revision}"),
            _ => format!("k/a={revision}"),
        };
        assert_eq!(story.revision(&words), revision);
    }
    story.truth
}

/// Catches up from 2, is cut off after 15, resumes at another member, is refused there as compacted below 20, and follows
/// to the end with marks.
fn recorded(truth: &Truth) -> Watcher {
    let asked = asked();
    let catching_up = incarnation(truth, &asked, 2, 15);
    let refused = Incarnation {
        told: vec![created(15), Told::Canceled(Cancel::Compacted(20))],
        ..incarnation(truth, &asked, 16, 16)
    };
    let mut followed = incarnation(truth, &asked, 20, 30);
    followed.told.push(mark(30));
    followed
        .told
        .extend((31..=36).filter_map(|revision| told(truth, &asked, revision)));
    followed.told.push(mark(36));
    let mut resumed = incarnation(truth, &asked, 37, 41);
    resumed.told.push(mark(41));
    let mut watcher = watcher(asked, vec![catching_up, refused, followed, resumed]);
    watcher.due = 41;
    watcher
}

/// Where the events of a revision stand in an incarnation.
fn place(incarnation: &Incarnation, wanted: u64) -> usize {
    let is_it = |told: &Told| matches!(told, Told::Events { revision, .. } if *revision == wanted);
    incarnation.told.iter().position(is_it).unwrap()
}

#[test]
fn without_a_fault_the_history_passes() {
    let truth = truth();
    let Verdict::Ok(summary) = verdict(&recorded(&truth), &truth) else {
        panic!("{:?}", verdict(&recorded(&truth), &truth))
    };
    assert_eq!((summary.incarnations, summary.compacted, summary.marks), (4, 1, 3));
}

#[test]
fn an_event_dropped_at_compaction_is_found() {
    let truth = truth();
    let mut dropped = recorded(&truth);
    // The history was compacted up to 20 while the watch was catching up; it went on at 20 as if nothing had been before.
    dropped.incarnations[0].told.truncate(8);
    let catching_up = &mut dropped.incarnations[0].told;
    catching_up.extend((20..=22).filter_map(|revision| told(&truth, &asked(), revision)));
    dropped.incarnations.truncate(1);
    assert!(matches!(wrong(verdict(&dropped, &truth)), Wrong::Reliable { .. }));

    // The same where the compaction fell on a deletion, which alone is missing.
    let mut dropped = recorded(&truth);
    let deletion = place(&dropped.incarnations[2], 25);
    let gone = dropped.incarnations[2].told.remove(deletion);
    assert!(format!("{gone:?}").contains("Delete"), "{gone:?}");
    assert!(matches!(
        wrong(verdict(&dropped, &truth)),
        Wrong::Reliable { revision: 25, .. }
    ));
}

#[test]
fn a_duplicate_on_resume_is_found() {
    let truth = truth();
    let mut twice = recorded(&truth);
    let again = told(&truth, &asked(), 36).unwrap();
    twice.incarnations[3].told.insert(1, again);
    assert!(matches!(
        wrong(verdict(&twice, &truth)),
        Wrong::Unique { revision: 36, .. }
    ));
}

#[test]
fn a_split_revision_is_found() {
    let truth = truth();
    let mut split = recorded(&truth);
    let at = place(&split.incarnations[2], 27);
    let Told::Events { events, .. } = split.incarnations[2].told[at].clone() else {
        panic!("{split:?}")
    };
    assert_eq!(events.len(), 2);
    let parts = events.into_iter().map(|event| Told::Events {
        revision: 27,
        events: vec![event],
        more: false,
    });
    split.incarnations[2].told.splice(at..=at, parts);
    assert!(matches!(
        wrong(verdict(&split, &truth)),
        Wrong::Atomic { revision: 27, .. }
    ));

    // A member that is gone between the parts: only the first was seen, and the next goes on behind it.
    let mut torn = recorded(&truth);
    let at = place(&torn.incarnations[0], 15);
    let Told::Events { events, .. } = &mut torn.incarnations[0].told[at] else {
        panic!("{torn:?}")
    };
    events.pop();
    assert!(matches!(
        wrong(verdict(&torn, &truth)),
        Wrong::Atomic { revision: 15, .. }
    ));
}

#[test]
fn a_progress_mark_that_runs_ahead_is_found() {
    let truth = truth();
    // The events follow it.
    let mut ahead = recorded(&truth);
    let at = place(&ahead.incarnations[2], 30);
    ahead.incarnations[2].told.insert(at, mark(30));
    assert_eq!(
        wrong(verdict(&ahead, &truth)),
        Wrong::MarkAhead { mark: 30, revision: 30 }
    );

    // The connection went before they could: whoever resumes behind the mark never sees them.
    let mut ahead = recorded(&truth);
    let at = place(&ahead.incarnations[2], 33);
    ahead.incarnations[2].told.drain(at..);
    ahead.incarnations[2].told.push(mark(36));
    assert_eq!(
        wrong(verdict(&ahead, &truth)),
        Wrong::MarkAhead { mark: 36, revision: 33 }
    );
}

#[test]
fn an_event_replayed_from_before_the_start_is_found() {
    let truth = truth();
    let mut early = recorded(&truth);
    let replayed = told(&truth, &asked(), 19).unwrap();
    early.incarnations[2].told.insert(1, replayed);
    let before = Wrong::BeforeStart {
        revision: 19,
        first: 20,
    };
    assert_eq!(wrong(verdict(&early, &truth)), before);
}
