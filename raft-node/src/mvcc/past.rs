//! A span of keys as it was at an older revision.
//!
//! A key's record at revision R is the newest one if that was written at or before R; otherwise it is in history, under
//! the first revision after R, unless the key was created only after R. Each key comes from one of the two, so merging
//! them by key gives every record once.

use std::ops::Bound;

use super::keys;
use super::lookup::history_key;
use super::pager::Pager;
use super::record::RecordRef;
use super::selector::Span;
use crate::storage::{StorageError, Table, View};
use crate::types::{DomainId, Revision};

/// After so many rows of one key that do not matter, a seek is cheaper than reading on.
const SKIPS_MAX: u32 = 16;

/// Calls `visit` with each key and stored record of the span at revision `at`, in the order of keys.
pub fn visit_past(
    view: &dyn View,
    domain: DomainId,
    span: &Span,
    at: Revision,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut newest = Newest::new(view, domain, span, at);
    let mut replaced = Replaced::new(view, domain, span, at);
    let mut left = newest.next()?;
    let mut right = replaced.next()?;
    loop {
        let take_left = match (&left, &right) {
            (Some((a, _)), Some((b, _))) => a < b,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return Ok(()),
        };
        let taken = if take_left {
            std::mem::replace(&mut left, newest.next()?)
        } else {
            std::mem::replace(&mut right, replaced.next()?)
        };
        if let Some((key, stored)) = taken {
            visit(&key, &stored)?;
        }
    }
}

type Row = (Vec<u8>, Vec<u8>);

/// Newest records that were there at the revision already.
struct Newest<'v> {
    rows: Pager<'v>,
    at: Revision,
}

impl<'v> Newest<'v> {
    fn new(view: &'v dyn View, domain: DomainId, span: &Span, at: Revision) -> Self {
        let from = Bound::Included(keys::latest(domain, &span.start));
        Self {
            rows: Pager::new(view, Table::Latest, from, latest_end(domain, span)),
            at,
        }
    }

    fn next(&mut self) -> Result<Option<Row>, StorageError> {
        while let Some((key, stored)) = self.rows.next()? {
            if RecordRef::parse(&stored)?.mod_revision <= self.at {
                return Ok(Some((keys::user_key(&key).to_vec(), stored)));
            }
        }
        Ok(None)
    }
}

/// Records that were there at the revision and have been replaced since.
struct Replaced<'v> {
    rows: Pager<'v>,
    domain: DomainId,
    at: Revision,
    done: Option<Vec<u8>>,
    skips: u32,
}

impl<'v> Replaced<'v> {
    fn new(view: &'v dyn View, domain: DomainId, span: &Span, at: Revision) -> Self {
        let from = Bound::Included(keys::history(domain, &span.start, Revision(0)));
        let to = match &span.end {
            Some(end) => Some(keys::history(domain, end, Revision(0))),
            None => keys::successor(&keys::latest(domain, b"")),
        };
        Self {
            rows: Pager::new(view, Table::History, from, to),
            domain,
            at,
            done: None,
            skips: 0,
        }
    }

    fn next(&mut self) -> Result<Option<Row>, StorageError> {
        while let Some((key, stored)) = self.rows.next()? {
            let (key, replaced_at) = history_key(&key)?;
            if self.done.as_ref() == Some(&key) {
                self.skip(keys::history(self.domain, &key, Revision(u64::MAX)));
                continue;
            }
            if replaced_at <= self.at {
                self.skip(keys::history(self.domain, &key, self.at));
                continue;
            }
            self.skips = 0;
            self.done = Some(key.clone());
            if RecordRef::parse(&stored)?.mod_revision <= self.at {
                return Ok(Some((key, stored)));
            }
        }
        Ok(None)
    }

    fn skip(&mut self, behind: Vec<u8>) {
        self.skips += 1;
        if self.skips >= SKIPS_MAX {
            self.skips = 0;
            self.rows.seek(Bound::Excluded(behind));
        }
    }
}

/// The end of a span in the latest table.
pub fn latest_end(domain: DomainId, span: &Span) -> Option<Vec<u8>> {
    match &span.end {
        Some(end) => Some(keys::latest(domain, end)),
        None => keys::successor(&keys::latest(domain, b"")),
    }
}
