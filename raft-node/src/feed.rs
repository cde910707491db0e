//! Hands what was applied to those who watch at this member.
//!
//! Apply publishes each batch after it can be read, and never waits: the feed keeps the newest revisions, up to a bound,
//! and whoever reads it and finds that revisions are missing takes them from the store instead. While nobody watches it
//! keeps nothing, and apply does not collect anything for it either.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::mvcc::AppliedRevision;
use crate::types::Revision;

/// Revisions that are kept.
const REVISIONS_MAX: usize = 8192;
/// Bytes of keys and records that are kept; a larger revision is not kept at all.
const BYTES_MAX: usize = 16 << 20;

/// The newest revisions that were applied.
#[derive(Default)]
pub struct Feed {
    recent: Mutex<Recent>,
    watched: AtomicBool,
    published: Notify,
}

/// Consecutive revisions, of which `newest` is the last.
#[derive(Default)]
struct Recent {
    revisions: VecDeque<Arc<AppliedRevision>>,
    bytes: usize,
    newest: Revision,
}

/// What the feed has after a revision.
#[derive(Clone, Debug)]
pub enum Fed {
    /// All of it, in order; perhaps nothing.
    Revisions(Vec<Arc<AppliedRevision>>),
    /// Not all of it: the store has been applied up to `newest`.
    Gap {
        /// The newest revision.
        newest: Revision,
    },
}

impl Feed {
    /// From now on, whether what is applied is to be collected.
    pub fn set_watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Release);
    }

    /// Somebody watches.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// A batch was applied, or a snapshot installed: the state is at `newest`. `revisions` is all that the batch made, or
    /// nothing if that was not collected.
    pub fn publish(&self, newest: Revision, revisions: Vec<AppliedRevision>) {
        let mut recent = self.recent.lock();
        let complete = revisions
            .first()
            .map_or(newest == recent.newest, |first| first.revision == recent.newest.next());
        if !complete {
            recent.clear();
        }
        recent.newest = newest;
        for revision in revisions {
            recent.push(revision);
        }
        drop(recent);
        if self.is_watched() {
            self.published.notify_one();
        }
    }

    /// What was applied after `after`, at most `count` revisions of it.
    pub fn after(&self, after: Revision, count: usize) -> Fed {
        let recent = self.recent.lock();
        let missing = recent.newest.0.saturating_sub(after.0);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let Some(skip) = recent.revisions.len().checked_sub(missing) else {
            return Fed::Gap { newest: recent.newest };
        };
        Fed::Revisions(recent.revisions.iter().skip(skip).take(count).cloned().collect())
    }

    /// Completes when something was published since the last call. For one reader.
    pub async fn published(&self) {
        self.published.notified().await;
    }
}

impl Recent {
    fn clear(&mut self) {
        self.revisions.clear();
        self.bytes = 0;
    }

    fn push(&mut self, revision: AppliedRevision) {
        let bytes = revision.bytes();
        self.revisions.push_back(Arc::new(revision));
        self.bytes += bytes;
        while self.bytes > BYTES_MAX || self.revisions.len() > REVISIONS_MAX {
            let Some(oldest) = self.revisions.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mvcc::{ChangedRecords, Changes};

    fn revision(number: u64, bytes: usize) -> AppliedRevision {
        AppliedRevision {
            revision: Revision(number),
            changes: Changes::default(),
            records: vec![ChangedRecords {
                record: Some(vec![0; bytes]),
                previous: None,
            }],
        }
    }

    fn numbers(fed: Fed) -> Option<Vec<u64>> {
        match fed {
            Fed::Revisions(revisions) => Some(revisions.iter().map(|one| one.revision.0).collect()),
            Fed::Gap { .. } => None,
        }
    }

    #[test]
    fn what_was_published_is_had_from_any_revision_on() {
        let feed = Feed::default();
        feed.publish(Revision(4), Vec::new());
        feed.publish(Revision(6), vec![revision(5, 1), revision(6, 1)]);
        feed.publish(Revision(6), Vec::new());
        feed.publish(Revision(7), vec![revision(7, 1)]);
        assert_eq!(numbers(feed.after(Revision(4), 9)), Some(vec![5, 6, 7]));
        assert_eq!(numbers(feed.after(Revision(4), 2)), Some(vec![5, 6]));
        assert_eq!(numbers(feed.after(Revision(6), 9)), Some(vec![7]));
        assert_eq!(numbers(feed.after(Revision(7), 9)), Some(vec![]));
        assert_eq!(
            numbers(feed.after(Revision(9), 9)),
            Some(vec![]),
            "ahead of this member"
        );
        assert_eq!(numbers(feed.after(Revision(3), 9)), None);
    }

    #[test]
    fn a_batch_that_was_not_collected_is_a_gap() {
        let feed = Feed::default();
        feed.publish(Revision(5), vec![revision(5, 1)]);
        feed.publish(Revision(6), Vec::new());
        assert_eq!(numbers(feed.after(Revision(5), 9)), None);
        feed.publish(Revision(7), vec![revision(7, 1)]);
        assert_eq!(numbers(feed.after(Revision(6), 9)), Some(vec![7]));
        assert_eq!(numbers(feed.after(Revision(5), 9)), None);
    }

    #[test]
    fn memory_is_bounded_by_bytes_and_by_revisions() {
        let feed = Feed::default();
        for number in 2..=4 {
            feed.publish(Revision(number), vec![revision(number, BYTES_MAX / 2 - 1000)]);
        }
        assert_eq!(numbers(feed.after(Revision(1), 9)), None);
        assert_eq!(numbers(feed.after(Revision(2), 9)), Some(vec![3, 4]));
        feed.publish(Revision(5), vec![revision(5, BYTES_MAX)]);
        assert_eq!(
            numbers(feed.after(Revision(4), 9)),
            None,
            "larger than all that is kept"
        );
        for number in 6..6 + REVISIONS_MAX as u64 + 1 {
            feed.publish(Revision(number), vec![revision(number, 1)]);
        }
        assert_eq!(numbers(feed.after(Revision(5), 9)), None);
        assert!(numbers(feed.after(Revision(6), 9)).is_some());
    }
}
