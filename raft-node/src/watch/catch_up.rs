//! Reads for the watches that are behind, in the background.
//!
//! Each turn reads a stretch of the list of changes once, for the watch that has waited longest and for all others whose
//! position lies in the same stretch. The store is read without any lock; what was found is then put in the outboxes.

use std::sync::Arc;

use super::ending::Ending;
use super::hub::Hub;
use super::index::Index;
use super::replay::{Replayed, replay};
use super::revision::{RevisionEvents, subjects};
use super::spec::WatchSpec;
use super::watches::{WatchKey, Watches};
use crate::canary::{self, Canary};
use crate::failpoints;
use crate::feed::Fed;
use crate::mvcc::{AppliedRevision, ChangeKind, Changes};
use crate::state_machine::{Reader, StateStore};
use crate::storage::{StorageError, corrupt};
use crate::types::Revision;

/// Revisions that are read in one turn.
const REVISIONS_PER_TURN: u64 = 1024;
/// Watches that are read for in one turn. A revision may be of 10,000 keys, and each of them for every watch.
const WATCHES_PER_TURN: usize = 128;
/// Revisions that were routed while the store was read, and are sent without reading it again.
const RECENT_MAX: usize = 256;

/// What is read, and for whom.
struct Turn {
    /// The number of each is its number in the index.
    members: Vec<Member>,
    index: Index,
    /// The least position of them.
    after: Revision,
}

struct Member {
    key: WatchKey,
    position: Revision,
    spec: Arc<WatchSpec>,
}

/// What came of reading.
enum Found {
    Revisions(Replayed),
    /// The first of it is gone; history begins here.
    Compacted(Revision),
}

/// Runs for as long as the member does.
pub(super) async fn run(hub: Arc<Hub>) {
    loop {
        let Some(turn) = begin(&hub) else {
            hub.ready.filled().await;
            continue;
        };
        let store = Arc::clone(&hub.store);
        // It reads the disk: not on a thread that serves clients.
        let read = tokio::task::spawn_blocking(move || {
            let mut turn = turn;
            let found = turn.read(&store);
            (turn, found)
        });
        // A panic in there has aborted the process.
        let Ok((turn, found)) = read.await else { return };
        end(&hub, turn, found);
        hub.answer_probes();
        tokio::task::yield_now().await;
    }
}

/// The next turn; none if nobody waits.
fn begin(hub: &Hub) -> Option<Turn> {
    let mut watches = hub.watches.lock();
    let member = |watches: &mut Watches, key| {
        let watch = watches.begin_reading(key)?;
        Some(Member {
            key,
            position: watch.position,
            spec: Arc::clone(&watch.spec),
        })
    };
    let first = loop {
        // One that has ended meanwhile is passed over.
        if let Some(first) = member(&mut watches, hub.ready.pop()?) {
            break first;
        }
    };
    let after = first.position;
    let stretch = after..Revision(after.0.saturating_add(REVISIONS_PER_TURN));
    let near = |key: WatchKey| watches.get(key).is_none_or(|watch| stretch.contains(&watch.position));
    let keys = hub.ready.take(WATCHES_PER_TURN - 1, near);
    let mut members = vec![first];
    members.extend(keys.into_iter().filter_map(|key| member(&mut watches, key)));
    drop(watches);
    let mut index = Index::default();
    for (number, member) in members.iter().enumerate() {
        for (space, selector) in &member.spec.selectors {
            index.insert(*space, selector, number);
        }
    }
    Some(Turn { members, index, after })
}

impl Turn {
    fn read(&mut self, store: &StateStore) -> Result<Found, StorageError> {
        if failpoints::hit("watch-catch-up") {
            return Err(corrupt("reading history", &failpoints::injected("watch-catch-up")));
        }
        let engine = store.engine();
        let view = engine.view();
        let header = Reader::new(view.as_ref()).header()?;
        if self.after.next() < header.compacted {
            return Ok(Found::Compacted(header.compacted));
        }
        let Self { members, index, after } = self;
        let wants = |revision: Revision, changes: &Changes| {
            let is_lost = revision == header.compacted && changes.keys.iter().any(|key| key.kind != ChangeKind::Put);
            match canary::is(Canary::DeleteLostAtCompaction) && is_lost {
                true => Vec::new(),
                false => wanted(members, index, revision, changes),
            }
        };
        replay(view.as_ref(), *after, header.revision, REVISIONS_PER_TURN, wants).map(Found::Revisions)
    }
}

/// The numbers of the keys and events of a revision that somebody wants.
fn wanted(members: &[Member], index: &mut Index, revision: Revision, changes: &Changes) -> Vec<u32> {
    let mut found = Vec::new();
    let mut numbers = Vec::new();
    for (number, subject) in subjects(changes) {
        found.clear();
        index.find(subject.space, &subject.name, &mut found);
        let mut takers = found.iter().filter_map(|member| members.get(*member));
        if takers.any(|member| member.position < revision && member.spec.passes(subject.kind)) {
            numbers.push(number);
        }
    }
    numbers
}

/// Puts what was found in the outboxes.
fn end(hub: &Hub, mut turn: Turn, found: Result<Found, StorageError>) {
    match found {
        Ok(Found::Revisions(replayed)) => deliver(hub, &mut turn, replayed),
        Ok(Found::Compacted(oldest)) => {
            for member in &turn.members {
                let asked = member.position.next();
                if asked < oldest {
                    hub.end(member.key, &Ending::Compacted { asked, oldest });
                } else {
                    hub.watches.lock().end_reading(member.key, member.position);
                }
            }
        }
        Err(error) => fail(hub, &turn.members, error),
    }
}

fn deliver(hub: &Hub, turn: &mut Turn, replayed: Replayed) {
    let Turn { members, index, .. } = turn;
    let members = members.as_slice();
    let mut numbers = Vec::new();
    let mut send = |watches: &mut Watches, applied: Arc<AppliedRevision>| {
        watches.catch_up(&RevisionEvents::new(applied), |subject, keys| {
            numbers.clear();
            index.find(subject.space, &subject.name, &mut numbers);
            let takers = numbers.iter().filter_map(|number| members.get(*number));
            keys.extend(takers.map(|member| member.key));
        })
    };
    for applied in replayed.revisions {
        // The lock is free between two revisions: those who have caught up do not wait for those who have not.
        if let Err(error) = send(&mut hub.watches.lock(), Arc::new(applied)) {
            return fail(hub, members, error);
        }
    }
    let mut reached = replayed.reached;
    let mut watches = hub.watches.lock();
    // What was routed since the store was read is few: with it they have caught up, however fast revisions come.
    if let Fed::Revisions(recent) = hub.store.feed().after(reached, RECENT_MAX) {
        for applied in recent {
            if applied.revision > watches.routed {
                break;
            }
            reached = applied.revision;
            if let Err(error) = send(&mut watches, applied) {
                drop(watches);
                return fail(hub, members, error);
            }
        }
    }
    for member in members {
        watches.end_reading(member.key, reached);
    }
}

fn fail(hub: &Hub, members: &[Member], error: StorageError) {
    tracing::error!(%error, "history could not be read for those who watch");
    let ending = Ending::Storage(error);
    for member in members {
        hub.end(member.key, &ending);
    }
}
