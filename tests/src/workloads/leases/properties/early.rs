//! A lease that was granted or renewed lives for its whole time to live, counted from the moment the call was made.

use super::super::history::History;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for promise in history.promises() {
        let life = history.lives.get(promise.lease);
        let Some(end) = life.and_then(|life| life.ended) else {
            continue;
        };
        let gone = history.moments.latest(end.revision);
        let certain = promise.certain_until();
        if end.expired && gone < certain {
            found.push(format!(
                "lease {} was to live until {certain:?}, as was answered to a call made at {:?}, and expired at revision {}, \
                 which was there at {gone:?}",
                promise.lease, promise.sent, end.revision
            ));
        }
    }
    found
}
