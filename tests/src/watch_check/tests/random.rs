//! Random histories and random watchers of them: right ones pass, and one random change is always noticed.

use proptest::prelude::*;

use super::kit::{Story, all_of, created, mark, prefix, told, verdict, watcher};
use crate::watch_check::{Asked, Event, Incarnation, Start, Told, Truth, Verdict, Watcher};

/// Three keys below a prefix and one outside.
const KEYS: [&str; 4] = ["k/a", "k/b", "k/c", "z"];

fn story(steps: &[Vec<(usize, u8)>]) -> Truth {
    let mut story = Story::default();
    let mut alive = [false; KEYS.len()];
    for step in steps {
        let mut words = Vec::new();
        let mut touched = [false; KEYS.len()];
        for (key, value) in step {
            if std::mem::replace(&mut touched[*key], true) {
                continue;
            }
            let goes = alive[*key] && value % 3 == 0;
            alive[*key] = !goes;
            words.push(match goes {
                true => format!("-{}", KEYS[*key]),
                false => format!("{}={value}", KEYS[*key]),
            });
        }
        story.revision(&words.join(" "));
    }
    story.truth
}

/// What a right server may tell: revisions in parts, marks in between, a new incarnation here and there.
fn recorded(truth: &Truth, asked: &Asked, choices: &[u8]) -> Watcher {
    let mut incarnations = vec![begun(2)];
    let mut choices = choices.iter().cycle();
    for revision in 2..=truth.last() {
        let (choice, told) = (*choices.next().unwrap_or(&0), told(truth, asked, revision));
        let quiet = told.is_none();
        let current = &mut incarnations.last_mut().unwrap().told;
        if let Some(Told::Events { events, .. }) = told {
            let cut = usize::from(choice % 2 == 0).min(events.len() - 1);
            let part = |events: &[Event], more| Told::Events {
                revision,
                events: events.to_vec(),
                more,
            };
            if cut > 0 {
                current.push(part(&events[..cut], true));
            }
            current.push(part(&events[cut..], false));
        }
        if choice % 5 == 0 {
            current.push(mark(revision));
        }
        // The next one starts behind what was told last, which a revision without events is not.
        if choice % 7 == 0 && (!quiet || choice % 5 == 0) {
            incarnations.push(begun(revision + 1));
        }
    }
    let mut watcher = watcher(asked.clone(), incarnations);
    watcher.due = truth.last();
    watcher
}

fn begun(first: u64) -> Incarnation {
    Incarnation {
        start: Start::From(first),
        asked: std::time::Duration::ZERO,
        told: vec![created(first - 1)],
    }
}

fn is_event(told: &Told) -> bool {
    matches!(told, Told::Events { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_right_passes_and_one_change_is_noticed(
        steps in prop::collection::vec(prop::collection::vec((0..KEYS.len(), any::<u8>()), 1..4), 4..30),
        choices in prop::collection::vec(any::<u8>(), 1..20),
        change in 0..5_u8,
        at in any::<prop::sample::Index>(),
    ) {
        let truth = story(&steps);
        let asked = all_of([prefix("k/")]);
        let mut watcher = recorded(&truth, &asked, &choices);
        let places: Vec<(usize, usize)> = watcher.incarnations.iter().enumerate().flat_map(|(number, incarnation)| {
            let events = incarnation.told.iter().enumerate().filter(|(_, told)| is_event(told));
            events.map(move |(index, _)| (number, index)).collect::<Vec<_>>()
        }).collect();
        prop_assume!(!places.is_empty());
        prop_assert!(matches!(verdict(&watcher, &truth), Verdict::Ok(_)), "{:?}", verdict(&watcher, &truth));

        let (number, index) = places[at.index(places.len())];
        let told = &mut watcher.incarnations[number].told;
        match change {
            0 => drop(told.remove(index)),
            1 => told.insert(index, told[index].clone()),
            2 => told.insert(index, mark(truth.last())),
            3 => told.insert(1, Told::Events { revision: 1, events: vec![], more: false }),
            _ => {
                let Told::Events { events, .. } = &mut told[index] else { unreachable!() };
                let Event::Key(event) = &mut events[0] else { unreachable!() };
                event.record.mod_revision += 1;
            }
        }
        prop_assert!(!matches!(verdict(&watcher, &truth), Verdict::Ok(_)), "{watcher:?}");
    }
}
