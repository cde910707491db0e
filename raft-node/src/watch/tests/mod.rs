//! A member's watches over a store in memory, without the network.

mod bounds;
mod caches;
mod contract;
mod expected;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use quorate_proto::v1::{ResponseHeader, watch_message};
use tempfile::TempDir;

use super::hub::{Hub, HubLimits};
use super::marks::AtLeast;
use super::spec::{Shape, WatchSpec};
use super::stream::WatchStream;
use crate::environment::SystemClock;
use crate::mvcc::{AppliedRevision, Selector};
use crate::state_machine::testing::{Store, compact};
use crate::state_machine::{Cleaner, Command, StateStore};
use crate::storage::{Engine, MemoryEngine};
use crate::types::{DomainId, Revision, Space};

/// A store that is written to by hand, and the hub above it.
struct Member {
    state: Store,
    store: Arc<StateStore>,
    hub: Arc<Hub>,
    /// Every revision since the start.
    truth: Vec<AppliedRevision>,
    _directory: TempDir,
}

impl Member {
    fn new(limits: HubLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = MemoryEngine::new();
        let opened = engine.clone();
        let open = move |_: &Path, _| Ok(Arc::new(opened.clone()) as Arc<dyn Engine>);
        let (store, state) = StateStore::open(directory.path(), Arc::new(open)).unwrap();
        let header = |revision: Revision| ResponseHeader {
            revision: revision.0,
            ..ResponseHeader::default()
        };
        let hub = Hub::start(Arc::clone(&store), Arc::new(SystemClock), Box::new(header), limits);
        Self {
            state: Store { engine, state, now: 0 },
            store,
            hub,
            truth: Vec::new(),
            _directory: directory,
        }
    }

    /// Applies a command. Where it is not collected, those who watch have to read it from the store.
    fn apply(&mut self, command: Command, collected: bool) {
        let watched = collected && self.store.feed().is_watched();
        self.state.state.set_watched(true);
        self.state.apply_one(command);
        let revisions = self.state.state.take_revisions();
        self.truth.extend(revisions.iter().cloned());
        self.store.publish(&self.state.state);
        let revisions = if watched { revisions } else { Vec::new() };
        self.store.feed().publish(self.state.state.revision(), revisions);
    }

    fn newest(&self) -> Revision {
        self.state.state.revision()
    }

    fn compact(&mut self, revision: Revision) {
        self.apply(compact(revision.0), true);
        while Cleaner.step(&self.state.engine, 100).unwrap() > 0 {}
    }
}

const LIMITS: HubLimits = HubLimits {
    watches_max: 100,
    stall_max: Duration::from_secs(3600),
    cache_lease: Duration::from_secs(1),
};

fn keys(selector: Selector) -> WatchSpec {
    WatchSpec {
        selectors: vec![(Space::Keys(DomainId(1)), selector)],
        domains: vec![(DomainId(1), "default".to_owned())],
        no_puts: false,
        no_deletes: false,
        shape: Shape::default(),
        mark_interval: None,
        latest: None,
        cache: None,
    }
}

/// What a round with the quorum established, at a member that leads.
fn newest(revision: Revision) -> AtLeast {
    let as_leader = true;
    AtLeast::Newest { revision, as_leader }
}

/// What can be taken from a stream without waiting, at most one message of it.
fn take(stream: &WatchStream) -> Vec<watch_message::Message> {
    match stream.outbox().take().now_or_never() {
        Some(Some(Ok(response))) => response.messages.into_iter().filter_map(|one| one.message).collect(),
        Some(Some(Err(broken))) => panic!("{broken:?}"),
        Some(None) | None => Vec::new(),
    }
}

/// Takes from the stream until `found` has found what it looks for.
async fn until<T>(stream: &WatchStream, mut found: impl FnMut(watch_message::Message) -> Option<T>) -> T {
    let looking = async {
        loop {
            let response = stream.outbox().take().await.unwrap().unwrap();
            for message in response.messages {
                if let Some(found) = found(message.message.unwrap()) {
                    return found;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.unwrap()
}
