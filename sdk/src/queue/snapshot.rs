//! A whole queue at one revision.
//!
//! It is read in pages, each of which says when the queue last changed: if that differs between two of them, the pages are
//! of different states of the queue, and reading begins anew.

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::queue_answer::Answer;
use quorate_proto::v1::queue_query::Query;

use super::call::Queue;
use super::item::ItemState;
use super::query::{QueueItem, QueueStats, misread};
use crate::error::{Error, ErrorKind, Outcome, Result};

/// Items that a snapshot may have.
const ITEMS_MAX: u64 = 100_000;
/// How often reading begins anew before it is given up.
const ATTEMPTS: u32 = 16;
/// In which order the items are read.
const STATES: [ItemState; 4] = [
    ItemState::Ready,
    ItemState::Delayed,
    ItemState::Claimed,
    ItemState::Dead,
];

/// All items of a queue, as they were at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueSnapshot {
    /// What [`SyncQueue::new`](crate::SyncQueue::new) expects; 0: there is no such queue.
    pub revision: u64,
    /// What it promises and how full it is; none: there is no such queue.
    pub stats: Option<QueueStats>,
    /// The ready items by priority, group and id; then the delayed, the claimed and the dead ones, each by id.
    pub items: Vec<QueueItem>,
}

impl QueueSnapshot {
    /// The items in this state.
    pub fn in_state(&self, state: ItemState) -> impl Iterator<Item = &QueueItem> {
        self.items.iter().filter(move |item| item.state == state)
    }
}

impl Queue {
    /// All items, with their payloads, and the revision that a [`sync`](Self::sync) made from them expects. A queue that
    /// does not exist has none, and revision 0.
    ///
    /// ```no_run
    /// use quorate::{ItemState, NewItem, SyncQueue};
    ///
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let pages = client.queue("pages");
    /// let snapshot = pages.snapshot().await?;
    /// // Everything that was given up goes, and one item comes: unless somebody changes the queue meanwhile.
    /// let mut wanted = SyncQueue::new(snapshot.revision).enqueue(NewItem::new("https://example.com/"));
    /// for item in snapshot.in_state(ItemState::Dead) {
    ///     wanted = wanted.remove(item);
    /// }
    /// pages.sync(wanted).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if it holds more than 100,000 items, [`Conflict`](ErrorKind::Conflict) if it
    /// changed during each of 16 attempts to read it, and what any call may return.
    pub async fn snapshot(&self) -> Result<QueueSnapshot> {
        for _ in 0..ATTEMPTS {
            let Some(stats) = self.stats().await? else {
                return Ok(QueueSnapshot {
                    revision: 0,
                    stats: None,
                    items: Vec::new(),
                });
            };
            self.check(&stats)?;
            if let Some(items) = self.items_at(stats.changed_revision).await? {
                return Ok(QueueSnapshot {
                    revision: stats.changed_revision,
                    stats: Some(stats),
                    items,
                });
            }
        }
        let message = format!(
            "queue {:?} changed during each of {ATTEMPTS} attempts to read it",
            self.name
        );
        Err(Error::new(ErrorKind::Conflict, Outcome::NotAMutation, message))
    }

    fn check(&self, stats: &QueueStats) -> Result<()> {
        if stats.changed_revision == 0 {
            let message = "the member does not say when a queue last changed: it runs an older version";
            return Err(Error::new(ErrorKind::Unimplemented, Outcome::NotAMutation, message));
        }
        let items = stats.depth();
        if items <= ITEMS_MAX {
            return Ok(());
        }
        let kind = ErrorKind::TooLarge {
            field: "queue".to_owned(),
            limit: ITEMS_MAX,
            value: items,
        };
        let message = format!(
            "queue {:?} holds {items} items; a snapshot has at most {ITEMS_MAX}: peek at them page by page",
            self.name
        );
        Err(Error::new(kind, Outcome::NotAMutation, message))
    }

    /// None if the queue is not, or no longer, as it was after the change at this revision.
    async fn items_at(&self, changed_revision: u64) -> Result<Option<Vec<QueueItem>>> {
        let mut items = Vec::new();
        for state in STATES {
            let mut after = Bytes::new();
            loop {
                let page = self.page(state, after).await?;
                if !page.exists || page.changed_revision != changed_revision {
                    return Ok(None);
                }
                for item in page.items {
                    let item = QueueItem::from_wire(item);
                    items.push(item.map_err(|error| error.with_outcome(Outcome::NotAMutation))?);
                }
                if page.next.is_empty() {
                    break;
                }
                after = page.next;
            }
        }
        Ok(Some(items))
    }

    async fn page(&self, state: ItemState, after: Bytes) -> Result<v1::QueuePeekAnswer> {
        let peek = Query::Peek(v1::QueuePeek {
            queue: self.name.clone(),
            state: state.to_wire().into(),
            limit: 0,
            after,
        });
        match self.query(peek, std::time::Duration::ZERO).await? {
            Answer::Peek(answer) => Ok(answer),
            other => Err(misread("snapshot", &other)),
        }
    }
}
