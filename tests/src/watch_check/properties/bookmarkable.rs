//! A mark says that everything up to it has come.

use crate::watch_check::assemble::{Assembled, Step};
use crate::watch_check::record::Acks;
use crate::watch_check::violation::Wrong;

/// Nothing comes at or below a mark after it, marks do not go back, and one that answers a linearizable probe is as new as
/// the probe. What does not come at all is [`reliable`](super::reliable)'s.
pub(in crate::watch_check) fn bookmarkable(assembled: &Assembled<'_>, acks: &Acks) -> Result<(), Wrong> {
    let Some(first) = assembled.first() else {
        return Ok(());
    };
    let mut before = first.saturating_sub(1);
    let mut marked = 0;
    for step in &assembled.steps {
        match *step {
            Step::Revision { revision, .. } if revision <= marked => {
                return Err(Wrong::MarkAhead { mark: marked, revision });
            }
            Step::Revision { revision, .. } => before = before.max(revision),
            Step::Mark { revision: mark, .. } if mark < before => return Err(Wrong::MarkBack { mark, before }),
            Step::Mark { revision: mark, probed } => {
                let known = probed.and_then(|probed| acks.highest_before(probed));
                if let Some(acknowledged) = known.filter(|known| *known > mark) {
                    return Err(Wrong::MarkStale { mark, acknowledged });
                }
                (before, marked) = (mark, mark);
            }
        }
    }
    Ok(())
}
