//! A search for an order of the calls of some keys, which trusts no revision.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use crate::history::Operation;
use crate::linearizable::{self, Budget, by_key};
use crate::verdict::Verdict;

/// Keys that are searched; of more, every other one, or every third, and so on.
const KEYS_MAX: usize = 1_000;

/// Of the keys that are searched, so many of a hundred must be searched to the end.
const ENDED_PERCENT_MIN: usize = 90;

/// `written` has every value that the log has: a write of unknown outcome that is not there never happened.
pub(super) fn search(history: &[Operation], written: &HashSet<Bytes>) -> Verdict {
    let histories = by_key(history, Some(written));
    let every = histories.len().div_ceil(KEYS_MAX).max(1);
    let (mut ended, mut spent, mut operations) = (0, 0, 0);
    for (key, history) in histories.into_iter().step_by(every) {
        match linearizable::check(&BTreeMap::from([(key, history)]), Budget::default()) {
            linearizable::Verdict::Ok(summary) => {
                ended += 1;
                operations += summary.operations;
            }
            linearizable::Verdict::Illegal(illegal) => return Verdict::Illegal(illegal.to_string()),
            linearizable::Verdict::Unknown(_) => spent += 1,
        }
    }
    let text =
        format!("{operations} operations of {ended} keys linearizable by search, {spent} keys not searched to the end");
    match ended > 0 && ended * 100 >= (ended + spent) * ENDED_PERCENT_MIN {
        true => Verdict::Ok(text),
        false => Verdict::Unknown(text),
    }
}
