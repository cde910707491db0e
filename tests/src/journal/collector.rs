//! Collects what happens in a run and writes it down.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Serialize;

use super::line::{End, Fault, Header};
use super::operation::{Answer, Operation, WrittenOperation, whole_us};
use super::truth_line::RevisionLine;
use crate::HarnessError;
use crate::watch_check::Truth;
use crate::workloads::Workload;

/// Written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// How many operations of a workload ended in which way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered.
    pub done: u64,
    /// Certainly without effect.
    pub not_done: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Of those that are done, how many of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    operations: u64,
    /// Answered, by a majority.
    strong: u64,
    counts: BTreeMap<&'static str, Counts>,
    /// The first line that could not be written; the run is void then.
    failed: Option<std::io::Error>,
}

/// The journal of a run that goes on. Lines are written as they come; the memory it needs does not grow.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    state: Mutex<State>,
}

impl Journal {
    /// Begins a new file.
    pub fn create(path: &Path, header: &Header) -> Result<Journal, HarnessError> {
        let file = File::create(path).map_err(HarnessError::io(format!("create {}", path.display())))?;
        let journal = Journal {
            path: path.to_owned(),
            state: Mutex::new(State {
                file: BufWriter::with_capacity(BUFFER_BYTES, file),
                operations: 0,
                strong: 0,
                counts: BTreeMap::new(),
                failed: None,
            }),
        };
        journal.state.lock().write(&line(header));
        Ok(journal)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an operation.
    pub fn record<W: Workload>(&self, operation: &Operation<W::Call, W::Answer>) {
        let written = line(&WrittenOperation {
            workload: W::NAME,
            client: operation.client,
            invoked_us: whole_us(operation.invoked),
            returned_us: whole_us(operation.returned),
            call: &operation.call,
            answer: &operation.answer,
        });
        let mut state = self.state.lock();
        state.write(&written);
        state.operations += 1;
        let strong = W::needs_majority(&operation.call) && operation.answer.done().is_some();
        state.strong += u64::from(strong);
        let counts = state.counts.entry(W::NAME).or_default();
        match operation.answer {
            Answer::Done(_) => {
                counts.done += 1;
                *counts.kinds.entry(W::kind(&operation.call)).or_default() += 1;
            }
            Answer::NotDone => counts.not_done += 1,
            Answer::Unknown => counts.unknown += 1,
        }
    }

    /// Writes a fault.
    pub fn fault(&self, fault: &Fault) {
        self.state.lock().write(&line(fault));
    }

    /// Operations so far, by workload.
    pub fn counts(&self) -> BTreeMap<&'static str, Counts> {
        self.state.lock().counts.clone()
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Operations so far that were answered and need a majority of the members for it.
    pub fn answered_by_majority(&self) -> u64 {
        self.state.lock().strong
    }

    /// Writes what really happened, and the end. `end.operations` is filled in.
    pub fn finish(&self, truth: &Truth, end: End) -> Result<(), HarnessError> {
        let mut state = self.state.lock();
        for (revision, events) in truth.between(0, u64::MAX) {
            state.write(&line(&RevisionLine::of(revision, events)));
        }
        let end = End {
            operations: state.operations,
            ..end
        };
        state.write(&line(&serde_json::json!({ "end": end })));
        if let Err(error) = state.file.flush() {
            state.failed.get_or_insert(error);
        }
        match state.failed.take() {
            None => Ok(()),
            Some(error) => Err(HarnessError::io(format!("write {}", self.path.display()))(error)),
        }
    }
}

impl State {
    /// Nobody who makes a call can do anything about a full disk; it is the end of the run that reports it.
    fn write(&mut self, line: &[u8]) {
        if let Err(error) = self.file.write_all(line) {
            self.failed.get_or_insert(error);
        }
    }
}

/// What cannot be serialised is a line that cannot be read, and so is found when the journal is.
fn line(what: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(what).unwrap_or_else(|error| format!("unwritable: {error}").into_bytes());
    bytes.push(b'\n');
    bytes
}
