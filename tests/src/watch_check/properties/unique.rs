//! None comes twice, and a revision comes at once.

use std::collections::BTreeMap;

use crate::watch_check::Event;
use crate::watch_check::assemble::Assembled;
use crate::watch_check::violation::Wrong;

/// What a watcher has seen, over all its incarnations.
#[derive(Debug, Default)]
pub(in crate::watch_check) struct Seen(BTreeMap<u64, Vec<Event>>);

impl Seen {
    pub(in crate::watch_check) fn add(&mut self, assembled: &Assembled<'_>) -> Result<(), Wrong> {
        for (revision, events) in assembled.revisions() {
            if let Some(seen) = self.0.get(&revision) {
                let again = events.iter().find(|event| seen.contains(event));
                return Err(match again {
                    Some(event) => unique(revision, event),
                    None => Wrong::Atomic {
                        revision,
                        how: "the rest of it came later".to_owned(),
                    },
                });
            }
            for (index, event) in events.iter().enumerate() {
                let is_key = matches!(event, Event::Key(_));
                if is_key && events[..index].iter().any(|earlier| earlier.is_about_the_same(event)) {
                    return Err(unique(revision, event));
                }
            }
            self.0.insert(revision, events.to_vec());
        }
        Ok(())
    }
}

fn unique(revision: u64, event: &Event) -> Wrong {
    Wrong::Unique {
        revision,
        event: Box::new(event.clone()),
    }
}
