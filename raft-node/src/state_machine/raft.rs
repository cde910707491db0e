//! The state machine as openraft drives it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};

use super::command::Command;
use super::head::LogPosition;
use super::snapshot::{RaftSnapshot, RaftSnapshotMeta, SnapshotFiles};
use super::state::{AppliedEntry, EntryPayload as AppliedPayload, State};
use super::store::{HASH_POINT_ENTRIES, StateStore};
use crate::blocking::blocking;
use crate::consensus::{Entry, LogId, StoredMembership, TypeConfig, decode_membership, encode_membership, log_id_of};
use crate::failpoints;
use crate::request::{AppliedEntry as LoggedEntry, Requests};

/// Entries applied in one batch: enough to share its cost, few enough that the first reply does not wait long.
const ENTRIES_PER_BATCH_MAX: usize = 64;

/// More entries than that are no longer what a few clients wrote a moment ago: this member is behind, and what it catches up
/// with may take longer than an election. They are applied where nobody waits for the thread.
const ENTRIES_IN_PLACE_MAX: usize = 8;

/// Between two attempts to make a snapshot for which there was no room.
const ROOM_RETRY: Duration = Duration::from_secs(1);

/// Of so many attempts, the first is written of.
const ROOM_RETRIES_A_WARNING: u64 = 60;

/// Applies what is committed. The only writer of the state.
pub struct StateMachine {
    state: State,
    store: Arc<StateStore>,
    /// Bytes of the newest membership, also of one in the batch that is being applied.
    membership: Option<Vec<u8>>,
    /// Is told when entries are where; none in tests.
    requests: Option<Arc<Requests>>,
}

impl StateMachine {
    /// `state` is the one that `store` opened.
    pub fn new(store: Arc<StateStore>, state: State) -> Self {
        let membership = state.membership().map(<[u8]>::to_vec);
        Self {
            state,
            store,
            membership,
            requests: None,
        }
    }

    /// Says when entries are applied.
    #[must_use]
    pub fn followed(mut self, requests: Arc<Requests>) -> Self {
        self.requests = Some(requests);
        self
    }
}

impl StateMachine {
    /// Applies what was collected, lets readers see it, then answers. A batch ends where the state's hash is kept.
    fn apply_batch(
        &mut self,
        applied: &mut Vec<AppliedEntry>,
        responders: &mut Vec<Option<ApplyResponder<TypeConfig>>>,
    ) -> io::Result<()> {
        if applied.is_empty() {
            return Ok(());
        }
        if failpoints::hit("apply-batch") {
            return Err(failpoints::injected("apply-batch"));
        }
        self.state.set_watched(self.store.feed().is_watched());
        if let Some(requests) = &self.requests {
            requests.applying(applied.iter().map(|entry| entry.position.index));
        }
        let applying = || match applied.len() > ENTRIES_IN_PLACE_MAX {
            true => blocking(|| self.state.apply(applied)),
            false => self.state.apply(applied),
        };
        let replies = self.store.counts().apply.time(applying).map_err(io::Error::other)?;
        if failpoints::hit("apply-written") {
            return Err(failpoints::injected("apply-written"));
        }
        self.store.publish_batch(&mut self.state);
        if let Some(bytes) = self.state.membership() {
            self.store.publish_membership(bytes);
        }
        self.tell_applied(applied);
        applied.clear();
        if failpoints::hit("apply-published") {
            return Err(failpoints::injected("apply-published"));
        }
        for (responder, reply) in responders.drain(..).zip(replies) {
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    /// Before anybody is answered, so that the answer can say when it was.
    fn tell_applied(&self, applied: &[AppliedEntry]) {
        let Some(requests) = &self.requests else { return };
        requests.applied(applied.iter().map(|entry| entry.position.index));
        if !requests.wants_applied() {
            return;
        }
        for entry in applied {
            let AppliedPayload::Group(group) = &entry.payload else {
                continue;
            };
            let LogPosition { term, index } = entry.position;
            // It was applied, so it can be decoded.
            let commands = group.commands().unwrap_or_default();
            let stamps = commands.iter().filter_map(Command::stamp);
            let named = stamps.map(|stamp| (stamp.client, stamp.sequence));
            requests.applied_requests(LoggedEntry { term, index }, named);
        }
    }

    fn applied_entry(&mut self, entry: Entry) -> io::Result<AppliedEntry> {
        let position = LogPosition {
            term: **entry.log_id.committed_leader_id(),
            index: entry.log_id.index,
        };
        let payload = match entry.payload {
            EntryPayload::Blank => AppliedPayload::Blank,
            EntryPayload::Normal(group) => AppliedPayload::Group(group),
            EntryPayload::Membership(membership) => {
                let stored = StoredMembership::new(Some(entry.log_id), membership);
                let bytes = encode_membership(&stored, self.membership.as_deref()).map_err(io::Error::other)?;
                self.membership = Some(bytes.clone());
                AppliedPayload::Membership(bytes)
            }
        };
        Ok(AppliedEntry { position, payload })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let membership = match self.state.membership() {
            Some(bytes) => decode_membership(bytes).map_err(io::Error::other)?,
            None => StoredMembership::default(),
        };
        Ok((
            self.state
                .applied()
                .map(|position| log_id_of((position.term, position.index))),
            membership,
        ))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(ENTRIES_PER_BATCH_MAX);
        while let Some(batch) = batches.next().await {
            let mut applied = Vec::with_capacity(batch.len());
            let mut responders = Vec::with_capacity(batch.len());
            for item in batch {
                let (entry, responder) = item?;
                let hashed = entry.log_id.index.is_multiple_of(HASH_POINT_ENTRIES);
                applied.push(self.applied_entry(entry)?);
                responders.push(responder);
                if hashed {
                    self.apply_batch(&mut applied, &mut responders)?;
                }
            }
            self.apply_batch(&mut applied, &mut responders)?;
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        Some(SnapshotBuilder {
            store: Arc::clone(&self.store),
        })
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            store: Arc::clone(&self.store),
        }
    }

    async fn install_snapshot(&mut self, meta: &RaftSnapshotMeta, snapshot: SnapshotFiles) -> io::Result<()> {
        tracing::info!(last = ?meta.last_log_id, "installing a snapshot");
        // It copies the whole state: not on a thread that a heartbeat may need.
        let store = Arc::clone(&self.store);
        let installed = tokio::task::spawn_blocking(move || store.install(&snapshot)).await;
        self.state = installed.map_err(io::Error::other)??;
        self.membership = self.state.membership().map(<[u8]>::to_vec);
        self.store.feed().publish(self.state.revision(), Vec::new());
        self.store.signals().wake_everyone();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        self.store
            .snapshots()
            .newest()?
            .map(SnapshotFiles::into_raft)
            .transpose()
    }
}

/// Makes a checkpoint while apply goes on.
pub struct SnapshotBuilder {
    store: Arc<StateStore>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFiles;

    /// Waits while there is no room, however long: the member can go on without a new snapshot.
    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let mut attempts: u64 = 0;
        loop {
            let store = Arc::clone(&self.store);
            let built = tokio::task::spawn_blocking(move || store.build_snapshot()).await;
            match built.map_err(io::Error::other)? {
                Err(error) if is_disk_full(&error) => {
                    if attempts.is_multiple_of(ROOM_RETRIES_A_WARNING) {
                        tracing::warn!(%error, "there is no room for a snapshot: it is made when there is");
                    }
                    attempts += 1;
                    tokio::time::sleep(ROOM_RETRY).await;
                }
                built => return built?.into_raft(),
            }
        }
    }
}

/// The engine says so only in words, which are the system's.
fn is_disk_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull || error.to_string().contains("No space left on device")
}
