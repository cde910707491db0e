//! A state machine on disk, to which groups are applied as the log brings them.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::state_machine::{
    AppliedEntry, Command, EntryPayload, Group, LogPosition, Operation, OperationReply, Reply, State, Transaction,
};
use quorate_node::storage::{RocksEngine, RocksOptions};
use quorate_node::types::LogTimeMs;
use tempfile::TempDir;

/// Log time advances by this with every group.
const STEP_MS: u64 = 1;
/// Wall time at log time 0, for display only.
const WALL_MS: u64 = 1_700_000_000_000;

/// The state, erased when it is dropped.
pub struct Store {
    state: State,
    index: u64,
    // Dropped after the state that lives in it.
    _directory: TempDir,
}

impl Store {
    /// An empty one in a new directory below this one.
    pub fn new(directory: &Path) -> Result<Store, String> {
        let directory = tempfile::Builder::new()
            .prefix("quorate-scale-")
            .tempdir_in(directory)
            .map_err(|error| format!("cannot make a directory in {}: {error}", directory.display()))?;
        let engine = RocksEngine::open(directory.path(), RocksOptions::default()).map_err(|error| error.to_string())?;
        let state = State::open(Arc::new(engine)).map_err(|error| error.to_string())?;
        Ok(Store {
            state,
            index: 0,
            _directory: directory,
        })
    }

    /// Applies operations, each as a transaction of its own, in one group. Returns their answers, and how long it took.
    pub fn apply(&mut self, operations: Vec<Operation>) -> Result<(Vec<OperationReply>, Duration), String> {
        self.index += 1;
        apply_operations(&mut self.state, self.index, operations)
    }
}

impl Deref for Store {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

/// Applies operations, each as a transaction of its own, in one group, which is the entry at `index`. Returns their answers,
/// and how long it took.
pub(crate) fn apply_operations(
    state: &mut State,
    index: u64,
    operations: Vec<Operation>,
) -> Result<(Vec<OperationReply>, Duration), String> {
    let log_time_ms = index * STEP_MS;
    let mut group = Group::builder(LogTimeMs(log_time_ms), WALL_MS + log_time_ms);
    for operation in operations {
        let transaction = Transaction {
            stamp: None,
            compares: Vec::new(),
            then: vec![operation],
            otherwise: Vec::new(),
        };
        let command = Command::Transaction(transaction);
        group.push(&command).map_err(|error| error.to_string())?;
    }
    let entry = AppliedEntry {
        position: LogPosition { term: 1, index },
        payload: EntryPayload::Group(group.finish()),
    };
    let began = Instant::now();
    let applied = state.apply(std::slice::from_ref(&entry));
    let signals = state.take_signals();
    let spent = began.elapsed();
    drop(signals);
    let applied = applied.map_err(|error| error.to_string())?;
    let replies = applied.into_iter().flat_map(|group| group.0).map(only);
    Ok((replies.collect::<Result<_, _>>()?, spent))
}

/// The answer of a transaction's only operation.
fn only(reply: Reply) -> Result<OperationReply, String> {
    match reply {
        Reply::Transaction(transaction) => {
            let result = transaction.results.into_iter().next();
            result.ok_or_else(|| "a transaction without a result".to_owned())
        }
        Reply::Rejected { rejection, .. } => Err(rejection.to_string()),
        other => Err(format!("a transaction was answered with {other:?}")),
    }
}
