//! The queue of the fleet, as lists of tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::handle::{Memory, Shared};
use super::metrics::count;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::queue::{ItemState, NewItem, Queue, QueueItem, QueueSnapshot, QueueSynced, SyncQueue};

/// How often a queue is read again that others change meanwhile.
const ROUNDS_MAX: u32 = 8;
/// The shortest and the longest claim.
const VISIBILITY_MIN: Duration = Duration::from_millis(100);
const VISIBILITY_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The queue of the fleet: which tasks wait, and which somebody works on.
///
/// One that [`Memory::get_queue`] answered remembers the revision at which it was read: when it is changed and given to
/// [`Memory::sync_queue`], it is refused if anybody else changed the queue meanwhile. One made by [`new`](Self::new) says
/// what the queue is to be, whatever it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueState {
    /// Tasks that wait, the next one first, with those that are delayed behind them; without those that somebody works on, too.
    pub pending: Vec<String>,
    /// Tasks that somebody works on.
    pub processing: Vec<String>,
    /// How many wait for a claim.
    pub ready: u64,
    /// How many wait for their time.
    pub delayed: u64,
    /// How many somebody works on.
    pub claimed: u64,
    /// How many were given up after too many attempts.
    pub dead: u64,
    /// The revision at which it was read, which a sync of it expects; absent: it is not from a read. 0: there is no queue.
    pub revision: Option<u64>,
}

impl QueueState {
    /// What the queue is to be.
    pub fn new(
        pending: impl IntoIterator<Item = impl Into<String>>,
        processing: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            pending: pending.into_iter().map(Into::into).collect(),
            processing: processing.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    fn of(snapshot: &QueueSnapshot) -> Result<Self> {
        let named = |state| {
            let items = snapshot.in_state(state);
            items
                .map(|item| name_of(item).map(str::to_owned))
                .collect::<Result<Vec<_>>>()
        };
        // A task may have several items. It is named once, by what is done with it.
        let mut known = BTreeSet::new();
        let mut once = |mut tasks: Vec<String>| {
            tasks.retain(|task| known.insert(task.clone()));
            tasks
        };
        let processing = once(named(ItemState::Claimed)?);
        let mut pending = once(named(ItemState::Ready)?);
        pending.extend(once(named(ItemState::Delayed)?));
        let of = |state| snapshot.in_state(state).count() as u64;
        Ok(Self {
            pending,
            processing,
            ready: of(ItemState::Ready),
            delayed: of(ItemState::Delayed),
            claimed: of(ItemState::Claimed),
            dead: of(ItemState::Dead),
            revision: Some(snapshot.revision),
        })
    }
}

impl Memory {
    /// The queue of the fleet, all of it at one revision. To take tasks from it one by one, claim them from
    /// [`queue`](Self::queue).
    ///
    /// # Errors
    ///
    /// As [`Queue::snapshot`]; [`Json`](ErrorKind::Json) if the payload of an item is no text;
    /// [`Closed`](ErrorKind::Closed).
    pub async fn get_queue(&self) -> Result<QueueState> {
        let shared = &self.shared;
        let _pass = shared.gate.enter_to_read()?;
        count(&shared.counters.reads, 1);
        QueueState::of(&self.queue().snapshot().await?)
    }

    /// Makes the queue what `wanted` says, all of that at one revision. A task that is missing is added behind the others, in
    /// the order of the list; one that is there keeps its place; one that is not named is removed, unless it is a dead
    /// letter. One that moves to `processing` is claimed by this worker, for the default time to live of this memory or as
    /// long as the worker is registered; one that moves to `pending` is taken from whoever had it, whose receipt is fenced.
    ///
    /// ```no_run
    /// # async fn example(memory: quorate::Memory) -> quorate::Result<()> {
    /// let mut queue = memory.get_queue().await?;
    /// queue.pending.push("task-4".to_owned());
    /// // Refused if anybody else changed the queue meanwhile.
    /// memory.sync_queue(&queue).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the queue has changed since `wanted` was read, or, if it was not read, during
    /// each of eight attempts; [`InvalidArgument`](ErrorKind::InvalidArgument) if a task is named twice;
    /// [`Closed`](ErrorKind::Closed), and as [`Queue::snapshot`] and [`Queue::sync`].
    pub async fn sync_queue(&self, wanted: &QueueState) -> Result<QueueSynced> {
        let shared = &self.shared;
        let _pass = shared.gate.enter()?;
        check(wanted)?;
        count(&shared.counters.writes, 1);
        let queue = self.queue();
        let mut rounds = 1;
        loop {
            match shared.sync_queue(&queue, wanted).await {
                Err(error)
                    if *error.kind() == ErrorKind::Conflict && wanted.revision.is_none() && rounds < ROUNDS_MAX =>
                {
                    rounds += 1;
                }
                other => return other,
            }
        }
    }
}

impl Shared {
    async fn sync_queue(&self, queue: &Queue, wanted: &QueueState) -> Result<QueueSynced> {
        let snapshot = queue.snapshot().await?;
        if let Some(expected) = wanted.revision.filter(|expected| *expected != snapshot.revision) {
            let (name, found) = (queue.name(), snapshot.revision);
            let message = format!("queue {name:?} was changed at revision {found}, after {expected}: read it again");
            return Err(Error::new(ErrorKind::Conflict, Outcome::NotApplied, message));
        }
        let visibility = match self.settings.default_ttl {
            Duration::ZERO => VISIBILITY_MAX,
            ttl => ttl.clamp(VISIBILITY_MIN, VISIBILITY_MAX),
        };
        let mut sync = difference(&snapshot, wanted)
            .worker(&self.settings.worker_id)
            .visibility(visibility);
        if let Some(registered) = self.registration.current.lock().await.as_ref()
            && registered.session.loss().is_none()
        {
            sync = sync.session(&registered.session);
        }
        if sync.is_empty() {
            return Ok(QueueSynced {
                pushed: Vec::new(),
                claimed: Vec::new(),
                visibility,
                new: false,
                revision: snapshot.revision,
            });
        }
        queue.sync(sync).await
    }
}

fn name_of(item: &QueueItem) -> Result<&str> {
    std::str::from_utf8(&item.payload).map_err(|error| {
        let message = format!("the payload of item {} of the queue is no text: {error}", item.item);
        Error::new(ErrorKind::Json, Outcome::NotAMutation, message)
    })
}

fn check(wanted: &QueueState) -> Result<()> {
    let mut named = BTreeSet::new();
    let twice = wanted
        .pending
        .iter()
        .chain(&wanted.processing)
        .find(|task| !named.insert(*task));
    match twice {
        Some(task) => Err(Error::invalid("queue", format!("task {task:?} is named twice"))),
        None => Ok(()),
    }
}

/// What makes a queue what is wanted of it.
fn difference(snapshot: &QueueSnapshot, wanted: &QueueState) -> SyncQueue {
    // Of several items of one task one stays, that which somebody works on before the others.
    let order = |item: &&QueueItem| match item.state {
        ItemState::Claimed => 0,
        ItemState::Ready => 1,
        ItemState::Delayed => 2,
        _ => 3,
    };
    let mut there: BTreeMap<&Bytes, Vec<&QueueItem>> = BTreeMap::new();
    for item in &snapshot.items {
        there.entry(&item.payload).or_default().push(item);
    }
    for items in there.values_mut() {
        items.sort_by_key(order);
    }
    let mut sync = SyncQueue::new(snapshot.revision);
    let lists = [(&wanted.pending, false), (&wanted.processing, true)];
    let tasks = lists
        .into_iter()
        .flat_map(|(tasks, claimed)| tasks.iter().map(move |task| (task, claimed)));
    for (task, claimed) in tasks {
        let mut items = there
            .remove(&Bytes::copy_from_slice(task.as_bytes()))
            .unwrap_or_default()
            .into_iter();
        let first = items.next();
        sync = match (first.map(|item| item.state), claimed) {
            (Some(ItemState::Claimed), true) | (Some(ItemState::Ready | ItemState::Delayed), false) => sync,
            (Some(ItemState::Claimed), false) => first.iter().fold(sync, |sync, item| sync.give_back(item.item)),
            (Some(ItemState::Ready), true) => first.iter().fold(sync, |sync, item| sync.claim(*item)),
            // One that is dead, or delayed and to be claimed, comes anew.
            (_, claimed) => {
                let sync = first.iter().fold(sync, |sync, item| sync.remove(*item));
                let item = NewItem::new(task);
                if claimed {
                    sync.enqueue_claimed(item)
                } else {
                    sync.enqueue(item)
                }
            }
        };
        sync = items.filter(is_alive).fold(sync, SyncQueue::remove);
    }
    there
        .into_values()
        .flatten()
        .filter(is_alive)
        .fold(sync, SyncQueue::remove)
}

fn is_alive(item: &&QueueItem) -> bool {
    item.state != ItemState::Dead
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: u64, task: &'static str, state: ItemState) -> QueueItem {
        QueueItem {
            item: number,
            state,
            priority: 0,
            group: String::new(),
            dedupe_key: String::new(),
            attempts: 0,
            checkpoint: false,
            enqueued_at_ms: 0,
            since: Duration::ZERO,
            due_in: Duration::ZERO,
            token: None,
            lease: None,
            worker: String::new(),
            reason: String::new(),
            payload: task.into(),
        }
    }

    fn snapshot(items: Vec<QueueItem>) -> QueueSnapshot {
        QueueSnapshot {
            revision: 7,
            stats: None,
            items,
        }
    }

    #[test]
    fn the_lists_are_made_true_with_as_little_as_that_takes() {
        use ItemState::{Claimed, Dead, Delayed, Ready};
        let there = [
            item(1, "stays", Ready),
            item(2, "starts", Ready),
            item(3, "works on", Claimed),
            item(4, "comes back", Claimed),
            item(5, "goes", Ready),
            item(6, "too late", Delayed),
            item(7, "given up", Dead),
            item(8, "tried again", Dead),
            item(9, "stays", Ready),
        ];
        let wanted = QueueState::new(
            ["stays", "new", "comes back", "tried again"],
            ["starts", "works on", "too late", "new work"],
        );
        let snapshot = snapshot(there.to_vec());
        let made = difference(&snapshot, &wanted);
        let expected = SyncQueue::new(7)
            .remove(&there[8])
            .enqueue(NewItem::new("new"))
            .give_back(4)
            .remove(&there[7])
            .enqueue(NewItem::new("tried again"))
            .claim(&there[1])
            .remove(&there[5])
            .enqueue_claimed(NewItem::new("too late"))
            .enqueue_claimed(NewItem::new("new work"))
            .remove(&there[4]);
        assert_eq!(made, expected);
    }

    #[test]
    fn a_queue_that_was_read_and_not_changed_differs_in_nothing() {
        let items = vec![
            item(1, "a", ItemState::Ready),
            item(2, "b", ItemState::Claimed),
            item(3, "c", ItemState::Dead),
        ];
        let snapshot = snapshot(items);
        let read = QueueState::of(&snapshot).unwrap();
        assert_eq!(
            (read.pending.as_slice(), read.processing.as_slice()),
            (&["a".to_owned()][..], &["b".to_owned()][..])
        );
        assert_eq!((read.ready, read.claimed, read.dead, read.revision), (1, 1, 1, Some(7)));
        assert!(difference(&snapshot, &read).is_empty());
    }

    #[test]
    fn a_task_of_several_items_is_read_once_and_may_be_given_back() {
        use ItemState::{Claimed, Delayed, Ready};
        let items = vec![
            item(1, "a", Ready),
            item(2, "a", Ready),
            item(3, "b", Ready),
            item(4, "b", Claimed),
            item(5, "a", Delayed),
        ];
        let read = QueueState::of(&snapshot(items)).unwrap();
        assert_eq!(
            (read.pending.as_slice(), read.processing.as_slice()),
            (&["a".to_owned()][..], &["b".to_owned()][..])
        );
        assert_eq!((read.ready, read.delayed, read.claimed), (3, 1, 1));
        check(&read).unwrap();
    }

    #[test]
    fn a_task_that_is_named_twice_is_refused() {
        let error = check(&QueueState::new(["a"], ["a"])).unwrap_err();
        assert_eq!(error.message(), "task \"a\" is named twice");
    }

    #[test]
    fn an_item_that_is_no_text_is_told_by_its_id() {
        let mut strange = item(4, "", ItemState::Ready);
        strange.payload = Bytes::from_static(&[0xff]);
        let error = QueueState::of(&snapshot(vec![strange])).unwrap_err();
        assert!(error.message().starts_with("the payload of item 4"), "{error}");
    }
}
