//! The token of a hold is the revision of its grant, and so greater than that of every hold of the lock before it.

use super::super::history::History;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (lock, holds) in history.holds.by_lock() {
        let mut before: Option<(u64, u64)> = None;
        for granted in holds {
            let (revision, token) = (granted.revision, granted.hold.token);
            if token != revision {
                found.push(format!(
                    "the token of a grant of {lock:?} at revision {revision} is {token}"
                ));
            }
            if let Some((earlier, smaller)) = before
                && token <= smaller
                && earlier < revision
            {
                found.push(format!(
                    "the token of {lock:?} is {token} at revision {revision}, and was {smaller} at revision {earlier}"
                ));
            }
            before = Some((revision, token));
        }
    }
    found
}
