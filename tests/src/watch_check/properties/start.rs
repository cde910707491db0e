//! A watch starts where it was asked to.

use crate::watch_check::assemble::Assembled;
use crate::watch_check::record::{Acks, Start};
use crate::watch_check::violation::Wrong;

/// `Created` says where it starts; from now on, that is between what was acknowledged before and what was begun after.
pub(in crate::watch_check) fn start(assembled: &Assembled<'_>, acks: &Acks) -> Result<(), Wrong> {
    let Some((created, at)) = assembled.created else {
        return Ok(());
    };
    let asked = assembled.incarnation.asked;
    match assembled.incarnation.start {
        Start::From(first) if created + 1 != first => Err(Wrong::OtherStart { created }),
        Start::From(_) => Ok(()),
        Start::Now => {
            if let Some(acknowledged) = acks.highest_before(asked).filter(|known| *known > created) {
                return Err(Wrong::NowTooEarly {
                    created,
                    acknowledged,
                    asked,
                });
            }
            match acks.lowest_after(at).filter(|written| *written <= created) {
                Some(written) => Err(Wrong::NowTooLate { created, written }),
                None => Ok(()),
            }
        }
    }
}

/// Nothing comes from before it.
pub(in crate::watch_check) fn not_before(assembled: &Assembled<'_>) -> Result<(), Wrong> {
    let Some(first) = assembled.first() else {
        return Ok(());
    };
    match assembled.revisions().find(|(revision, _)| *revision < first) {
        Some((revision, _)) => Err(Wrong::BeforeStart { revision, first }),
        None => Ok(()),
    }
}
