//! A put on its way to many watchers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use quorate_node::environment::SystemClock;
use quorate_node::mvcc::{AppliedRevision, Selector};
use quorate_node::state_machine::{OpenEngine, Operation, StateStore};
use quorate_node::storage::{Engine, MemoryEngine};
use quorate_node::types::{DomainId, Revision, Space};
use quorate_node::watch::{Hub, HubLimits, Shape, WatchSpec, WatchStream};
use quorate_proto::v1::{ResponseHeader, watch_message};

use super::Piece;
use super::state::put;
use crate::scale::store::apply_operations;

const WATCHERS: usize = 100;
/// The domain that is there from the start.
const DOMAIN: DomainId = DomainId(1);
const LIMITS: HubLimits = HubLimits {
    watches_max: WATCHERS as u64,
    stall_max: Duration::from_secs(3_600),
    cache_lease: Duration::from_secs(1),
};

/// Publishes revisions and takes what the stream has to say of each.
pub(super) fn dispatch(directory: &Path) -> Result<Piece, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let open: OpenEngine = Arc::new(|_: &Path, _| Ok(Arc::new(MemoryEngine::new()) as Arc<dyn Engine>));
    let (store, mut state) = StateStore::open(directory, open).map_err(|error| error.to_string())?;
    state.set_watched(true);
    let first = state.revision();
    apply_operations(&mut state, 1, vec![Operation::Put(put(0))])?;
    let made = state.take_revisions().into_iter().next();
    let mut revision = made.ok_or("a put made no revision")?;
    let stream = runtime.block_on(async { watched(&store, first) })?;
    let step = move || {
        // Of the next ones, only the number differs: what comes after an event is of no concern to a watch.
        let next = AppliedRevision {
            revision: revision.revision.next(),
            ..revision.clone()
        };
        runtime.block_on(tell(&store, &stream, std::mem::replace(&mut revision, next)))
    };
    Ok(Piece {
        operations: 1,
        warm: 8,
        steps: 64,
        step: Box::new(step),
    })
}

/// A stream with all the watchers, which have what is there.
fn watched(store: &Arc<StateStore>, position: Revision) -> Result<Arc<WatchStream>, String> {
    let header = |revision: Revision| ResponseHeader {
        revision: revision.0,
        ..ResponseHeader::default()
    };
    let hub = Hub::start(Arc::clone(store), Arc::new(SystemClock), Box::new(header), LIMITS);
    let stream = hub.open();
    for id in 1..=WATCHERS as u64 {
        let spec = WatchSpec {
            selectors: vec![(Space::Keys(DOMAIN), Selector::Prefix(b"bench/".to_vec()))],
            domains: vec![(DOMAIN, "default".to_owned())],
            no_puts: false,
            no_deletes: false,
            shape: Shape::default(),
            mark_interval: None,
            latest: None,
            cache: None,
        };
        let key = stream
            .add(id, spec)
            .map_err(|ending| format!("a watch was refused: {ending:?}"))?;
        stream.begin(key, position);
    }
    Ok(stream)
}

async fn tell(store: &StateStore, stream: &WatchStream, revision: AppliedRevision) -> Result<(), String> {
    store.feed().publish(revision.revision, vec![revision]);
    let mut told = 0;
    while told < WATCHERS {
        let response = match stream.outbox().take().await {
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(format!("the stream broke: {error:?}")),
            None => return Err("the stream ended".to_owned()),
        };
        for message in &response.messages {
            if let Some(watch_message::Message::Events(events)) = &message.message {
                told += events.watch_ids.len();
            }
        }
        std::hint::black_box(response.encode_to_vec());
    }
    Ok(())
}
