//! Where the state lives on disk, and how a snapshot takes its place.
//!
//! ```text
//! <data>/state/CURRENT         the name of the live directory, with its checksum
//! <data>/state/<number>/...    the engine's files
//! ```
//!
//! Installing a snapshot fills a new directory and then replaces `CURRENT` by a rename: a crash leaves either the old
//! state or the new one. What `CURRENT` does not name is deleted at the next start.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::announced::Announced;
use super::client_rows::answers_prefix;
use super::counts::StateCounts;
use super::current;
use super::head::{Head, StoredMembership};
use super::known_tables::KnownTables;
use super::moment::Live;
use super::recent::Recent;
use super::snapshot::{Manifest, SnapshotFiles, SnapshotStore, measure, sync_directory};
use super::state::State;
use crate::actors::ActorTable;
use crate::canary::{self, Canary};
use crate::coordination::queues::claims_prefix;
use crate::failpoints;
use crate::feed::Feed;
use crate::mvcc::{self, DomainTable};
use crate::rows;
use crate::signals::Signals;
use crate::space;
use crate::storage::{Batch, Durability, Engine, StorageError, Table};
use crate::types::{LogTimeMs, Revision};

/// Opens the engine whose files are in a directory.
pub type OpenEngine = Arc<dyn Fn(&Path, EngineUse) -> Result<Arc<dyn Engine>, StorageError> + Send + Sync>;

/// What an engine is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineUse {
    /// To be written to.
    Live,
    /// To be looked into once. It changes no file: the room on the disk may be all that the live one has.
    Look,
}

/// What a snapshot writes beside a flush: the lists of files of the copy, and its manifest.
const SNAPSHOT_ROOM_BYTES: u64 = 8 << 20;

/// Hashes of the state are kept at indexes that are multiples of this, the same on every member.
pub const HASH_POINT_ENTRIES: u64 = 256;
/// The newest of them, enough for members that are a little apart.
const HASH_POINTS_MAX: usize = 64;

/// Running hash of the state after an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashPoint {
    /// Log index of the entry.
    pub index: u64,
    /// Running hash of the logical writes up to it.
    pub hash: u64,
}

/// How far the member has applied. Published after the batch is written, so a view taken then holds at least this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Log index of the last applied entry; 0 for none.
    pub index: u64,
    /// The store's revision.
    pub revision: Revision,
    /// Reads below it fail.
    pub compacted: Revision,
    /// Log time.
    pub log_time: LogTimeMs,
    /// Running hash of the logical writes up to `index`.
    pub hash: u64,
    /// Registered clients.
    pub clients: usize,
    /// When the client that has been idle for longest last mutated something.
    pub longest_idle_client: Option<LogTimeMs>,
    /// When the next timer of the queues is due.
    pub next_timer: Option<LogTimeMs>,
}

/// The live engine, shared by apply and by everyone who reads.
pub struct StateStore {
    root: PathBuf,
    snapshots: SnapshotStore,
    open: OpenEngine,
    engine: ArcSwap<EngineHandle>,
    applied: watch::Sender<Applied>,
    domains: Announced<DomainTable>,
    actors: Announced<ActorTable>,
    /// Bytes of the newest applied membership.
    membership: ArcSwapOption<Vec<u8>>,
    /// Oldest first.
    hash_points: Mutex<VecDeque<HashPoint>>,
    /// Replaced states, until nobody reads them.
    retired: Mutex<Vec<(u64, Weak<dyn Engine>)>>,
    /// One snapshot is built at a time.
    building: Mutex<()>,
    signals: Signals,
    feed: Feed,
    counts: StateCounts,
}

/// An engine and the directory it lives in.
struct EngineHandle {
    engine: Arc<dyn Engine>,
    /// What was written last into this one.
    recent: Arc<Recent>,
    number: u64,
    tables: KnownTables,
}

impl StateStore {
    /// Opens the live state under `data`, or makes an empty one.
    pub fn open(data: &Path, open: OpenEngine) -> io::Result<(Arc<Self>, State)> {
        if failpoints::hit("state-open") {
            return Err(failpoints::injected("state-open"));
        }
        let root = state_root(data);
        fs::create_dir_all(&root)?;
        let number = current::read(&root)?;
        current::remove_others(&root, number)?;
        let engine = open(&root.join(number.to_string()), EngineUse::Live).map_err(io::Error::other)?;
        let state = State::open(Arc::clone(&engine)).map_err(io::Error::other)?;
        let store = Self {
            snapshots: SnapshotStore::open(data.join("snapshots"))?,
            open,
            engine: ArcSwap::from_pointee(EngineHandle {
                engine,
                recent: state.recent(),
                number,
                tables: KnownTables::default(),
            }),
            applied: watch::Sender::new(applied_of(&state)),
            domains: Announced::default(),
            actors: Announced::default(),
            membership: ArcSwapOption::from_pointee(state.membership().map(<[u8]>::to_vec)),
            hash_points: Mutex::default(),
            retired: Mutex::default(),
            building: Mutex::new(()),
            signals: Signals::default(),
            feed: Feed::default(),
            counts: StateCounts::default(),
            root,
        };
        store.announce(&state);
        store.counts.show(state.row_counts());
        store.feed.publish(state.revision(), Vec::new());
        Ok((Arc::new(store), state))
    }

    /// The live engine. Hold it only as long as one read takes.
    pub fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine.load().engine)
    }

    /// The live engine, for reads of single keys.
    pub fn live(&self) -> Live {
        let handle = self.engine.load();
        Live {
            engine: Arc::clone(&handle.engine),
            recent: Arc::clone(&handle.recent),
        }
    }

    /// The member's snapshots.
    pub fn snapshots(&self) -> &SnapshotStore {
        &self.snapshots
    }

    /// Tells those who wait what was applied.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Hands what was applied to those who watch.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// What apply did, for people.
    pub fn counts(&self) -> &StateCounts {
        &self.counts
    }

    /// How far the member has applied, now.
    pub fn applied(&self) -> Applied {
        *self.applied.borrow()
    }

    /// Changes with every applied batch.
    pub fn watch_applied(&self) -> watch::Receiver<Applied> {
        self.applied.subscribe()
    }

    /// The domains. Whoever has seen an index in [`StateStore::applied`] finds here what was created up to it.
    pub fn domains(&self) -> &Announced<DomainTable> {
        &self.domains
    }

    /// The processes that wrote to the eventual tier, as new as [`StateStore::domains`].
    pub fn actors(&self) -> &Announced<ActorTable> {
        &self.actors
    }

    /// Hashes of the state at fixed indexes, newest last; none of before the last start.
    pub fn hash_points(&self) -> Vec<HashPoint> {
        self.hash_points.lock().iter().copied().collect()
    }

    /// Shows a batch that was applied to those who read, who wait and who watch, in this order.
    pub(crate) fn publish_batch(&self, state: &mut State) {
        if let Some(domains) = state.unpublished_domains() {
            self.domains.set(DomainTable::of(domains));
        }
        if let Some(actors) = state.unpublished_actors() {
            self.actors.set(ActorTable::of(actors, &self.actors.load()));
        }
        self.publish(state);
        self.counts.note(&state.take_happened());
        self.signals.publish(state.take_signals());
        self.feed.publish(state.revision(), state.take_revisions());
    }

    /// Shows every table of a state that takes the place of another.
    fn announce(&self, state: &State) {
        self.domains.set(DomainTable::of(state.domains()));
        self.actors.set(ActorTable::of(state.actors(), &self.actors.load()));
    }

    /// Shows what was applied to those who read.
    pub(crate) fn publish(&self, state: &State) {
        let applied = applied_of(state);
        self.counts.show(state.row_counts());
        if applied.index.is_multiple_of(HASH_POINT_ENTRIES) {
            let mut points = self.hash_points.lock();
            if points.len() == HASH_POINTS_MAX {
                points.pop_front();
            }
            points.push_back(HashPoint {
                index: applied.index,
                hash: applied.hash,
            });
        }
        self.applied.send_replace(applied);
    }

    /// Bytes of the newest applied membership; none before the first.
    pub fn membership(&self) -> Option<Arc<Vec<u8>>> {
        self.membership.load_full()
    }

    /// A key's time has come by `now`. Reads the store: for the background, not for the path of a request.
    pub fn has_expired_keys(&self, now: LogTimeMs) -> Result<bool, StorageError> {
        let next = mvcc::next_key_expiry(self.engine().view().as_ref())?;
        Ok(next.is_some_and(|at| at <= now))
    }

    pub(super) fn publish_membership(&self, bytes: &[u8]) {
        if self
            .membership
            .load()
            .as_ref()
            .is_none_or(|known| known.as_slice() != bytes)
        {
            self.membership.store(Some(Arc::new(bytes.to_vec())));
        }
    }

    /// Makes a snapshot while apply goes on. The applied log id and the membership are read from inside the
    /// checkpoint: the live store may be further by then. Blocks on the disk. One that fails leaves nothing there.
    pub fn build_snapshot(&self) -> io::Result<SnapshotFiles> {
        let _one = self.building.lock();
        self.build_next_snapshot().inspect_err(|_| {
            // It is removed before the next one, too; but what failed may have failed for want of room.
            if let Err(error) = self.snapshots.building() {
                tracing::warn!(%error, "an unfinished snapshot could not be removed");
            }
        })
    }

    fn build_next_snapshot(&self) -> io::Result<SnapshotFiles> {
        if failpoints::hit("snapshot-build") {
            return Err(failpoints::injected("snapshot-build"));
        }
        let directory = self.snapshots.building()?;
        let live = self.engine.load_full();
        room_for_a_flush(&self.root, &*live.engine)?;
        live.engine.checkpoint(&directory).map_err(io::Error::other)?;
        if failpoints::hit("snapshot-checkpoint") {
            return Err(failpoints::injected("snapshot-checkpoint"));
        }
        let (last, membership) = {
            self.lose_rows(&directory).map_err(io::Error::other)?;
            let copy = (self.open)(&directory, EngineUse::Look).map_err(io::Error::other)?;
            let head = Head::load(&*copy).map_err(io::Error::other)?;
            let applied = head.and_then(|head| head.applied);
            let membership = StoredMembership::load(&*copy).map_err(io::Error::other)?;
            (applied.map(|position| (position.term, position.index)), membership)
        };
        let manifest = Manifest::of(&directory, last, membership)?;
        live.tables
            .compare(&self.root.join(live.number.to_string()), &directory, &manifest)?;
        if failpoints::hit("snapshot-publish") {
            return Err(failpoints::injected("snapshot-publish"));
        }
        let published = self.snapshots.publish(&directory, manifest)?;
        self.counts.snapshots_built.increment();
        Ok(published)
    }

    /// Replaces the live state by a snapshot whose files were checked when they were received.
    pub(super) fn install(&self, snapshot: &SnapshotFiles) -> io::Result<State> {
        if failpoints::hit("snapshot-install") {
            return Err(failpoints::injected("snapshot-install"));
        }
        let live = self.engine.load_full();
        let number = live.number + 1;
        self.remove_retired()?;
        let directory = self.root.join(number.to_string());
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        for file in &snapshot.manifest.files {
            let (from, to) = (snapshot.directory.join(&file.name), directory.join(&file.name));
            // A copy, not a link: the engine appends to some of its files, and the snapshot must stay as it is.
            fs::copy(&from, &to)?;
            if measure(&to)? != (file.bytes, file.crc32c) {
                return Err(io::Error::other(format!(
                    "{} is not the file the manifest describes",
                    from.display()
                )));
            }
            fs::File::open(&to)?.sync_all()?;
        }
        sync_directory(&directory)?;
        let engine = (self.open)(&directory, EngineUse::Live).map_err(io::Error::other)?;
        let state = State::open(Arc::clone(&engine)).map_err(io::Error::other)?;
        if failpoints::hit("snapshot-copied") {
            return Err(failpoints::injected("snapshot-copied"));
        }
        current::set(&self.root, number)?;
        if failpoints::hit("snapshot-current") {
            return Err(failpoints::injected("snapshot-current"));
        }
        self.snapshots.keep(snapshot)?;
        self.engine.store(Arc::new(EngineHandle {
            engine,
            recent: state.recent(),
            number,
            tables: KnownTables::of(&snapshot.manifest),
        }));
        self.retired.lock().push((live.number, Arc::downgrade(&live.engine)));
        self.hash_points.lock().clear();
        self.announce(&state);
        self.publish(&state);
        self.membership
            .store(state.membership().map(|bytes| Arc::new(bytes.to_vec())));
        self.counts.snapshots_installed.increment();
        Ok(state)
    }
}

impl StateStore {
    /// Deletes states that were replaced and that nobody reads any more.
    fn remove_retired(&self) -> io::Result<()> {
        let mut retired = self.retired.lock();
        let mut read_still = Vec::new();
        for (number, engine) in retired.drain(..) {
            if engine.strong_count() > 0 {
                read_still.push((number, engine));
            } else {
                fs::remove_dir_all(self.root.join(number.to_string()))?;
            }
        }
        *retired = read_still;
        Ok(())
    }
}

/// Where the state is below the data directory of a member.
pub(super) fn state_root(data: &Path) -> PathBuf {
    data.join("state")
}

fn applied_of(state: &State) -> Applied {
    Applied {
        index: state.applied().map_or(0, |position| position.index),
        revision: state.revision(),
        compacted: state.compacted(),
        log_time: state.log_time(),
        hash: state.hash(),
        clients: state.clients_len(),
        longest_idle_client: state.published().load().longest_idle_client,
        next_timer: state.next_timer(),
    }
}

/// RocksDB that finds no room for a flush takes no write until it has some: it is not asked for one then.
fn room_for_a_flush(directory: &Path, engine: &dyn Engine) -> io::Result<()> {
    let free_bytes = space::free_bytes(directory)?;
    let needed_bytes = engine.unflushed_bytes() + SNAPSHOT_ROOM_BYTES;
    if free_bytes >= needed_bytes {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::StorageFull,
        format!("a snapshot needs {needed_bytes} bytes, and {free_bytes} are free"),
    ))
}

impl StateStore {
    /// Of a checkpoint. Only a canary loses any.
    fn lose_rows(&self, checkpoint: &Path) -> Result<(), StorageError> {
        let (table, from) = if canary::is(Canary::SnapshotWithoutRetries) {
            (Table::Clients, answers_prefix())
        } else if canary::is(Canary::SnapshotWithoutReceipts) {
            (Table::Coordination, claims_prefix())
        } else {
            return Ok(());
        };
        let mut batch = Batch::new();
        if let Some(to) = rows::successor(&from) {
            batch.delete_range(table, from, to);
        }
        (self.open)(checkpoint, EngineUse::Live)?.write(batch, Durability::Synced)
    }
}
