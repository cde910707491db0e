//! Reads keys.

use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use super::collect::Collector;
use crate::mvcc::lookup::record_at;
use crate::mvcc::pager::Pager;
use crate::mvcc::past::{latest_end, visit_past};
use crate::mvcc::record::corrupt;
use crate::mvcc::selector::Span;
use crate::mvcc::{KeyRecord, Selector, keys};
use crate::storage::{StorageError, Table, View};
use crate::types::{DomainId, Revision};

/// What to sort a range by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// Writes since creation.
    Version,
    /// Revision of creation.
    CreateRevision,
    /// Revision of the last write.
    ModRevision,
    /// The value.
    Value,
}

/// Reads every key that matches, up to the limits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Range {
    /// Name of the domain.
    pub domain: String,
    /// Which keys.
    pub keys: Selector,
    /// At which revision; absent: the current one. Always absent inside a transaction.
    pub revision: Option<Revision>,
    /// At most this many records, at least 1.
    pub limit: u64,
    /// At most this many bytes of keys and values, but at least one record. A sort by value counts the values even
    /// where only keys are returned.
    pub bytes_max: u64,
    /// Leave the values out.
    pub keys_only: bool,
    /// Return the count alone.
    pub count_only: bool,
    /// Sort by.
    pub sort: SortTarget,
    /// Largest first.
    pub descending: bool,
    /// Bounds on the revision of the last write, inclusive.
    pub mod_revision: (Option<Revision>, Option<Revision>),
    /// Bounds on the revision of creation, inclusive.
    pub create_revision: (Option<Revision>, Option<Revision>),
    /// Only records that carry this tag.
    pub tag: Option<String>,
    /// Only keys after this one, or before it if descending. It makes pages in key order; with another order it is no
    /// more than a condition on the key.
    pub after: Option<Vec<u8>>,
}

/// What a range answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RangeReply {
    /// The records, in the order that was asked for.
    pub records: Vec<KeyRecord>,
    /// Every record that matches (and comes after [`Range::after`]), whatever the limits.
    pub count: u64,
    /// There are more than were returned. False where only the count was asked for.
    pub more: bool,
}

/// Reads the keys of a domain at an older revision, or as they are. The revision must be readable.
pub fn range(
    view: &dyn View,
    domain: DomainId,
    range: &Range,
    at: Option<Revision>,
) -> Result<RangeReply, StorageError> {
    let mut span = range.keys.span();
    if let Some(after) = &range.after {
        span = span.after(after, range.descending);
    }
    // Scans run backwards only over the newest records in the order of keys; other reversals are sorted.
    let backwards = range.descending && range.sort == SortTarget::Key && at.is_none() && range.tag.is_none();
    let mut collector = Collector::new(range, !backwards);
    if span.is_empty() {
        return Ok(collector.finish());
    }
    match (&range.keys, at, &range.tag) {
        (Selector::Key(key), _, _) => {
            if let Some(stored) = record_at(view, domain, key, at)? {
                collector.offer(key, &stored)?;
            }
        }
        (_, Some(at), _) => visit_past(view, domain, &span, at, &mut |key, stored| collector.offer(key, stored))?,
        (_, None, Some(tag)) => visit_tagged(view, domain, &span, tag, &mut collector)?,
        (_, None, None) => visit_newest(view, domain, &span, backwards, &mut collector)?,
    }
    Ok(collector.finish())
}

fn visit_newest(
    view: &dyn View,
    domain: DomainId,
    span: &Span,
    backwards: bool,
    collector: &mut Collector<'_>,
) -> Result<(), StorageError> {
    let mut failed = None;
    let (from, to) = (keys::latest(domain, &span.start), latest_end(domain, span));
    let (from, to) = (Bound::Included(from.as_slice()), keys::up_to(to.as_ref()));
    view.scan(
        Table::Latest,
        from,
        to,
        backwards,
        &mut |stored_key, stored| match collector.offer(keys::user_key(stored_key), stored) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// Through the index, so that the cost is that of the tagged keys and not of the span.
fn visit_tagged(
    view: &dyn View,
    domain: DomainId,
    span: &Span,
    tag: &str,
    collector: &mut Collector<'_>,
) -> Result<(), StorageError> {
    let from = Bound::Included(keys::tag(domain, tag, &span.start));
    let to = match &span.end {
        Some(end) => Some(keys::tag(domain, tag, end)),
        None => keys::successor(&keys::tag(domain, tag, b"")),
    };
    let mut rows = Pager::new(view, Table::Index, from, to);
    while let Some((entry, _)) = rows.next()? {
        let Some((_, _, key)) = keys::decode_tag(&entry) else {
            return Err(corrupt("reading the tag index", &"an entry does not decode"));
        };
        if collector.counts_alone() {
            collector.count(key);
            continue;
        }
        let Some(stored) = view.get(Table::Latest, &keys::latest(domain, key))? else {
            return Err(corrupt("reading the tag index", &"an entry has no record"));
        };
        collector.offer(key, &stored)?;
    }
    Ok(())
}
