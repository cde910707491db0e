//! A claim does not run out before its time, counted from the call that was answered with it.

use super::super::history::History;
use super::super::truth::Ended;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (receipt, until) in history.promises() {
        let ended = history.items.claim(receipt).and_then(|claim| claim.ended);
        let Some((revision, Ended::TimedOut)) = ended else {
            continue;
        };
        let gone = history.moments.latest(revision);
        if gone < until {
            found.push(format!(
                "{receipt:?} was to hold until {until:?}, and ran out at revision {revision}, which was there at {gone:?}"
            ));
        }
    }
    found
}
