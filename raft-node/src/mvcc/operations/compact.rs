//! Forgets history.
//!
//! Compaction has two halves. The command moves the boundary, at once and on every replica alike. The garbage below it
//! is deleted later, by each member on its own and in small steps: nobody can read it any more, so when it goes does
//! not matter.
//!
//! Below boundary C, every row of a revision less than C goes: what it touched, and the records it replaced. The rows
//! of C itself stay, so that its events can still be replayed with the records they replaced.

use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use crate::codec;
use crate::mvcc::changes::Changes;
use crate::mvcc::keys;
use crate::mvcc::record::corrupt;
use crate::storage::{Batch, StorageError, Table, View};
use crate::types::{Rejection, Revision};

/// Rows that one step deletes, unless a single revision has more.
const ROWS_MAX: usize = 20_000;

/// The new boundary: what was asked for, if that is neither gone already nor in the future.
pub fn boundary(asked: Revision, compacted: Revision, newest: Revision) -> Result<Revision, Rejection> {
    if asked > newest {
        return Err(Rejection::FutureRevision { asked, newest });
    }
    readable(asked, compacted, newest)
}

/// The revision, if it can be read.
pub fn readable(asked: Revision, compacted: Revision, newest: Revision) -> Result<Revision, Rejection> {
    if asked < compacted {
        return Err(Rejection::Compacted {
            asked,
            oldest: compacted,
        });
    }
    if asked > newest {
        return Err(Rejection::FutureRevision { asked, newest });
    }
    Ok(asked)
}

/// How far the garbage is deleted: every row of a revision below `cleaned_below` is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cleaned {
    /// The first revision whose rows may still be there.
    pub cleaned_below: Revision,
}

impl codec::Record for Cleaned {
    const ID: u16 = 0x0207;
    const VERSION: u8 = 1;
}

/// The deletion of some garbage, with the mark of how far it goes, and of how many revisions it is.
pub fn garbage(view: &dyn View, compacted: Revision, revisions_max: usize) -> Result<(Batch, usize), StorageError> {
    let mark = keys::meta(b"cleaned");
    let cleaned_below = match view.get(Table::Meta, &mark)? {
        Some(row) => codec::decode::<Cleaned>(&row).map_err(|error| corrupt("reading the cleaner's mark", &error))?,
        None => Cleaned {
            cleaned_below: Revision::EMPTY,
        },
    }
    .cleaned_below;
    let mut batch = Batch::new();
    let mut rows = 0;
    let mut revisions = 0;
    let mut next = compacted;
    let mut failed = None;
    let (from, to) = (keys::changes(cleaned_below), keys::changes(compacted));
    if from >= to {
        return Ok((batch, 0));
    }
    let (from, to) = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
    view.scan(Table::Changes, from, to, false, &mut |key, row| {
        let (Some(revision), Ok(changes)) = (keys::decode_changes(key), Changes::from_row(row)) else {
            failed = Some(corrupt("reading changes", &"a row does not decode"));
            return ControlFlow::Break(());
        };
        if revisions >= revisions_max || rows >= ROWS_MAX {
            next = revision;
            return ControlFlow::Break(());
        }
        for changed in &changes.keys {
            batch.delete(Table::History, keys::history(changed.domain, &changed.key, revision));
        }
        batch.delete(Table::Changes, key);
        rows += changes.keys.len() + 1;
        revisions += 1;
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let row = codec::encode(&Cleaned { cleaned_below: next }).map_err(|error| corrupt("writing the mark", &error))?;
    batch.put(Table::Meta, mark, row);
    Ok((batch, revisions))
}
