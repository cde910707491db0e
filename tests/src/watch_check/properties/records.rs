//! Each event tells what happened as it happened.

use quorate_proto::v1;

use crate::watch_check::assemble::Assembled;
use crate::watch_check::events::{Event, KeyEvent, KeyKind};
use crate::watch_check::record::Asked;
use crate::watch_check::truth::Truth;
use crate::watch_check::violation::Wrong;

/// Compares every event with the truth: the record, whether it was created, the record before.
pub(in crate::watch_check) fn records(assembled: &Assembled<'_>, truth: &Truth) -> Result<(), Wrong> {
    for (revision, told) in assembled.revisions() {
        let happened = truth.events(revision);
        for (index, event) in told.iter().enumerate() {
            // Several things may happen to one name in one revision; they are told in their order.
            let place = told[..index]
                .iter()
                .filter(|earlier| earlier.is_about_the_same(event))
                .count();
            let mut same = happened.iter().filter(|known| known.is_about_the_same(event));
            // What never happened at all has been found by then.
            let Some(known) = same.nth(place) else { continue };
            compare(revision, event, known, &assembled.watcher.asked)?;
        }
    }
    Ok(())
}

fn compare(revision: u64, told: &Event, truth: &Event, asked: &Asked) -> Result<(), Wrong> {
    let differs = || Wrong::Record {
        revision,
        told: Box::new(told.clone()),
        truth: Box::new(truth.clone()),
    };
    match (told, truth) {
        (Event::Key(told), Event::Key(known)) => {
            created(revision, told, known)?;
            if (told.kind, &told.record) != (known.kind, &shown(&known.record, asked)) {
                return Err(differs());
            }
            previous(revision, told, known, asked)
        }
        (Event::Other(told), Event::Other(known)) => match told.what.is_some() && told.what != known.what {
            true => Err(differs()),
            false => Ok(()),
        },
        _ => Err(differs()),
    }
}

fn created(revision: u64, told: &KeyEvent, known: &KeyEvent) -> Result<(), Wrong> {
    let existed = known.previous.is_some();
    let version = told.record.version;
    match told.kind == KeyKind::Put && existed == (version == 1) {
        true => Err(Wrong::Creation {
            revision,
            version,
            existed,
        }),
        false => Ok(()),
    }
}

fn previous(revision: u64, told: &KeyEvent, known: &KeyEvent, asked: &Asked) -> Result<(), Wrong> {
    let expected = known.previous.as_ref().map(|record| shown(record, asked));
    match asked.previous && told.previous != expected {
        true => Err(Wrong::Previous {
            revision,
            told: Box::new(Event::Key(told.clone())),
            truth: Box::new(Event::Key(known.clone())),
        }),
        false => Ok(()),
    }
}

/// A record as this watch shows it.
fn shown(record: &v1::Record, asked: &Asked) -> v1::Record {
    let mut record = record.clone();
    if asked.keys_only {
        record.value.clear();
    }
    record
}
