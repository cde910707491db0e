//! The engine in memory, which can lose what was not synced.
//!
//! It keeps two copies of every table: what readers see, and what a crash would leave. Between them stand the batches
//! written since the last sync, in order. A sync moves them over; a crash drops them, or keeps a prefix of them.
//!
//! Views share the tables and a write copies a table that a view still holds, once for each view and not for each call.
//!
//! Deliberately absent: speed under many views, and any persistence but [`checkpoint`](Engine::checkpoint).

mod checkpoint;
mod tables;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;

use self::tables::Tables;
use super::{Batch, Durability, Engine, StorageError, Table, View, Visit};

/// Beyond this many unsynced batches the oldest become durable, as a full write buffer is flushed on disk.
const UNSYNCED_BATCHES_MAX: usize = 65_536;

/// In memory; can lose what was not synced. A clone is the same store.
#[derive(Clone, Default)]
pub struct MemoryEngine {
    state: Arc<RwLock<State>>,
}

#[derive(Default)]
struct State {
    /// What readers see.
    current: Tables,
    /// What a crash leaves. Shares no table with `current`: it would be copied at each write.
    durable: Tables,
    /// What turns `durable` into `current`.
    unsynced: VecDeque<Batch>,
    fail_syncs: bool,
    skip_syncs: bool,
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine")
            .field("unsynced_batches", &self.unsynced_batches())
            .finish_non_exhaustive()
    }
}

impl MemoryEngine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The store that [`checkpoint`](Engine::checkpoint) wrote to `directory`, all of it durable.
    pub fn open_checkpoint(directory: &Path) -> Result<MemoryEngine, StorageError> {
        let tables = checkpoint::read(directory)?;
        let state = State {
            durable: tables.deep_copy(),
            current: tables,
            ..State::default()
        };
        Ok(MemoryEngine {
            state: Arc::new(RwLock::new(state)),
        })
    }

    /// Loses everything after the last flush or synced batch. Views taken before keep what they saw.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// Like [`crash`](Self::crash), but the first `batches` of the unsynced ones had reached the disk.
    pub fn crash_keeping(&self, batches: usize) {
        let mut state = self.state.write();
        let State { durable, unsynced, .. } = &mut *state;
        for batch in unsynced.iter().take(batches) {
            durable.apply(batch);
        }
        unsynced.clear();
        state.current = state.durable.deep_copy();
    }

    /// Batches that a crash may lose.
    pub fn unsynced_batches(&self) -> usize {
        self.state.read().unsynced.len()
    }

    /// From now on, whatever has to reach the disk fails: flushes, synced writes, checkpoints. A synced write that
    /// fails is visible to readers and may or may not survive a crash.
    pub fn fail_syncs(&self, fail: bool) {
        self.state.write().fail_syncs = fail;
    }

    /// The bug that the crash tests must catch: from now on a flush or a synced write succeeds and makes nothing
    /// durable.
    pub fn skip_syncs(&self, skip: bool) {
        self.state.write().skip_syncs = skip;
    }

    fn tables(&self) -> Tables {
        self.state.read().current.clone()
    }
}

impl State {
    fn sync(&mut self) -> Result<(), StorageError> {
        self.check_disk("sync")?;
        if !self.skip_syncs {
            for batch in self.unsynced.drain(..) {
                self.durable.apply(&batch);
            }
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), StorageError> {
        if self.unsynced.len() < UNSYNCED_BATCHES_MAX {
            return Ok(());
        }
        self.check_disk("write a batch while as many as the limit are unsynced")?;
        if let Some(oldest) = self.unsynced.pop_front() {
            self.durable.apply(&oldest);
        }
        Ok(())
    }

    fn check_disk(&self, doing: &'static str) -> Result<(), StorageError> {
        if self.fail_syncs {
            return Err(StorageError {
                doing,
                reason: "the disk was told to fail".to_owned(),
            });
        }
        Ok(())
    }
}

impl View for MemoryEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.state.read().current.get(table, key))
    }

    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        // Not under the lock: `visit` may take its time, and may read or write this engine.
        self.tables().scan(table, from, to, reverse, visit);
        Ok(())
    }
}

impl Engine for MemoryEngine {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        let mut state = self.state.write();
        if !batch.is_empty() {
            state.make_room()?;
            state.current.apply(&batch);
            state.unsynced.push_back(batch);
        }
        match durability {
            Durability::Memory => Ok(()),
            Durability::Synced => state.sync(),
        }
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(MemoryView { tables: self.tables() })
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.state.write().sync()
    }

    fn checkpoint(&self, directory: &Path) -> Result<(), StorageError> {
        let tables = {
            let state = self.state.read();
            state.check_disk("make a checkpoint")?;
            state.current.clone()
        };
        checkpoint::write(directory, &tables)
    }

    fn disk_bytes(&self) -> u64 {
        self.state.read().current.bytes()
    }
}

/// The tables of one moment.
struct MemoryView {
    tables: Tables,
}

impl View for MemoryView {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.tables.get(table, key))
    }

    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        self.tables.scan(table, from, to, reverse, visit);
        Ok(())
    }
}
