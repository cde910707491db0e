//! A watch is refused only where it must be.

use super::expected;
use crate::watch_check::assemble::Assembled;
use crate::watch_check::record::{Cancel, Start};
use crate::watch_check::truth::Truth;
use crate::watch_check::violation::Wrong;

pub(in crate::watch_check) fn canceled(assembled: &Assembled<'_>, truth: &Truth) -> Result<(), Wrong> {
    let position = assembled.position();
    let next = match (position, assembled.incarnation.start) {
        (Some(position), _) => position + 1,
        (None, Start::From(first)) => first,
        (None, Start::Now) => u64::MAX,
    };
    let wrong = |how: String| Err(Wrong::Canceled { how });
    match assembled.canceled {
        Some(Cancel::Compacted(boundary)) if boundary <= next => wrong(format!(
            "compacted up to {boundary}, although it wanted nothing before {next}"
        )),
        Some(Cancel::Compacted(boundary)) if boundary > truth.last() => wrong(format!(
            "compacted up to {boundary}, although the newest revision is {}",
            truth.last()
        )),
        Some(Cancel::Lagged(resume)) => {
            match expected(truth, &assembled.watcher.asked, next, resume.saturating_sub(1)).next() {
                Some((revision, _)) => wrong(format!(
                    "told to resume at {resume}, although revision {revision} has not come"
                )),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
