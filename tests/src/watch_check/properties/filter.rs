//! Nothing comes that was not asked for.

use crate::watch_check::Event;
use crate::watch_check::assemble::Assembled;
use crate::watch_check::select::asks_for;
use crate::watch_check::violation::Wrong;

pub(in crate::watch_check) fn filter(assembled: &Assembled<'_>) -> Result<(), Wrong> {
    let asked = &assembled.watcher.asked;
    for (revision, events) in assembled.revisions() {
        for event in events {
            if !asks_for(asked, event) {
                return Err(Wrong::Filter {
                    revision,
                    event: Box::new(event.clone()),
                });
            }
            let Event::Key(key) = event else { continue };
            let mut records = [Some(&key.record), key.previous.as_ref()].into_iter().flatten();
            let has_value = records.any(|record| !record.value.is_empty());
            if (asked.keys_only && has_value) || (!asked.previous && key.previous.is_some()) {
                return Err(Wrong::Surplus {
                    revision,
                    event: Box::new(event.clone()),
                });
            }
        }
    }
    Ok(())
}
