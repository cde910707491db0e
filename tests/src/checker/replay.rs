//! Replays every revision through the model and compares every answer.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{Verdict, Violation};
use crate::audit::Change;
use crate::history::{Operation, Request, Response};
use crate::model::{Model, Versioned};

/// The revision of each operation, by its number in the history.
#[derive(Debug)]
pub(super) struct Placed(Vec<Option<u64>>);

impl Placed {
    /// As the answers say; writes of unknown outcome have none yet.
    pub(super) fn acknowledged(operations: &[Operation]) -> Placed {
        Placed(
            operations
                .iter()
                .map(|operation| operation.response.revision())
                .collect(),
        )
    }

    pub(super) fn revision(&self, index: usize) -> Option<u64> {
        self.0[index]
    }

    /// Whether the operation made its revision, rather than seeing it.
    pub(super) fn is_write(&self, operations: &[Operation], index: usize) -> bool {
        match operations[index].response {
            Response::Written { .. } => true,
            Response::Unknown => self.0[index].is_some(),
            _ => false,
        }
    }

    /// The last revision of which anything speaks.
    pub(super) fn last(&self) -> u64 {
        self.0.iter().flatten().copied().max().unwrap_or(0)
    }
}

/// Why a replay ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Illegal(Violation),
    Unknown(String),
}

impl Stop {
    pub(super) fn is_certain(&self) -> bool {
        matches!(self, Stop::Illegal(_))
    }

    pub(super) fn into_verdict(self) -> Verdict {
        match self {
            Stop::Illegal(violation) => Verdict::Illegal(violation),
            Stop::Unknown(reason) => Verdict::Unknown(reason),
        }
    }
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Illegal(violation)
    }
}

pub(super) struct Replay<'a> {
    operations: &'a [Operation],
    changes: &'a BTreeMap<u64, Change>,
    base: u64,
    /// Which call writes a value; values are unique.
    writers: HashMap<&'a Bytes, usize>,
    placed: Placed,
    model: Model,
}

impl<'a> Replay<'a> {
    pub(super) fn new(operations: &'a [Operation], base: u64, changes: &'a BTreeMap<u64, Change>) -> Replay<'a> {
        let writers = operations.iter().enumerate();
        let writers = writers.filter_map(|(index, operation)| Some((operation.request.value()?, index)));
        Replay {
            operations,
            changes,
            base,
            writers: writers.collect(),
            placed: Placed::acknowledged(operations),
            model: Model::default(),
        }
    }

    /// The revision of every operation, or why there is none.
    pub(super) fn run(mut self) -> Result<Placed, Stop> {
        let writes = self.acknowledged_writes()?;
        let mut readers = self.readers();
        let last = self
            .changes
            .last_key_value()
            .map_or(0, |(revision, _)| *revision)
            .max(self.placed.last());
        // Before the first write of the history none of its keys exists.
        let early: Vec<u64> = readers.range(..=self.base).map(|(revision, _)| *revision).collect();
        for revision in early {
            self.compare_readers(revision, &mut readers)?;
        }
        for revision in self.base + 1..=last {
            let writer = match writes.get(&revision) {
                Some(writer) => Some(self.confirm(*writer, revision)?),
                None if self.changes.get(&revision) == Some(&Change::Elsewhere) => None,
                None => Some(self.find_writer(revision)?),
            };
            if let Some(writer) = writer {
                self.apply(writer, revision)?;
            }
            self.compare_readers(revision, &mut readers)?;
        }
        Ok(self.placed)
    }

    fn acknowledged_writes(&self) -> Result<BTreeMap<u64, usize>, Violation> {
        let mut writes: BTreeMap<u64, usize> = BTreeMap::new();
        for (index, operation) in self.operations.iter().enumerate() {
            let Response::Written { revision } = operation.response else {
                continue;
            };
            if let Some(other) = writes.insert(revision, index) {
                return Err(Violation::RevisionReused {
                    revision,
                    first: self.boxed(other),
                    second: self.boxed(index),
                });
            }
        }
        Ok(writes)
    }

    /// Operations that show a revision without making it.
    fn readers(&self) -> BTreeMap<u64, Vec<usize>> {
        let mut readers: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, operation) in self.operations.iter().enumerate() {
            if let Response::Read { revision, .. } | Response::Unchanged { revision, .. } = operation.response {
                readers.entry(revision).or_default().push(index);
            }
        }
        readers
    }

    /// An acknowledged write must be what the store shows at its revision, as far as that was read back.
    fn confirm(&self, writer: usize, revision: u64) -> Result<usize, Violation> {
        let request = &self.operations[writer].request;
        let holds = match self.changes.get(&revision) {
            None => true,
            Some(Change::Put { key, record }) => key == request.key() && Some(&record.value) == request.value(),
            Some(Change::Delete { key }) => matches!(request, Request::Delete { key: deleted } if deleted == key),
            Some(Change::Nothing | Change::Elsewhere) => false,
        };
        match holds {
            true => Ok(writer),
            false => Err(Violation::LostWrite {
                revision,
                found: format!("{:?}", self.changes.get(&revision)),
                write: self.boxed(writer),
            }),
        }
    }

    /// Who made a revision that nobody was told of.
    fn find_writer(&mut self, revision: u64) -> Result<usize, Stop> {
        let change = self.changes.get(&revision);
        let writer = match change {
            None => return Err(Stop::Unknown(format!("nothing is known about revision {revision}"))),
            Some(Change::Put { key, record }) => {
                let writer = self.writers.get(&record.value).copied();
                writer.filter(|writer| self.operations[*writer].request.key() == key)
            }
            Some(Change::Delete { key }) => self.unknown_delete_of(key),
            Some(Change::Nothing | Change::Elsewhere) => None,
        };
        let found = || format!("{change:?}");
        let writer = writer.ok_or_else(|| Violation::Phantom {
            revision,
            found: found(),
        })?;
        let write = self.boxed(writer);
        match self.operations[writer].response {
            Response::Unknown if self.placed.0[writer].is_none() => {
                self.placed.0[writer] = Some(revision);
                Ok(writer)
            }
            Response::Unknown | Response::Written { .. } => Err(Violation::AppliedTwice { revision, write }.into()),
            Response::NotApplied | Response::Unchanged { .. } | Response::Read { .. } => {
                Err(Violation::RefusedButApplied { revision, write }.into())
            }
        }
    }

    /// Deletes carry no value, so that any of unknown outcome may have been the one; the first one is as good.
    fn unknown_delete_of(&self, key: &Bytes) -> Option<usize> {
        (0..self.operations.len()).find(|index| {
            let operation = &self.operations[*index];
            let deletes = matches!(&operation.request, Request::Delete { key: deleted } if deleted == key);
            deletes && operation.response == Response::Unknown && self.placed.0[*index].is_none()
        })
    }

    fn apply(&mut self, writer: usize, revision: u64) -> Result<(), Violation> {
        let request = &self.operations[writer].request;
        let actual = self.model.get(request.key()).cloned();
        let holds = match request {
            Request::Put { .. } => true,
            Request::CompareAndSwap { key, expected, .. } => self.model.mod_revision(key) == *expected,
            Request::Delete { .. } => actual.is_some(),
            Request::Get { .. } => false,
        };
        if !holds {
            return Err(Violation::WrongCompare {
                revision,
                actual,
                operation: self.boxed(writer),
            });
        }
        match request.value() {
            Some(value) => self.model.put(request.key(), value, revision),
            None => {
                self.model.delete(request.key());
            }
        }
        match self.changes.get(&revision) {
            Some(Change::Put { key, record }) if self.model.get(key) != Some(record) => Err(Violation::WrongRead {
                revision,
                expected: self.model.get(key).cloned(),
                operation: self.boxed(writer),
            }),
            _ => Ok(()),
        }
    }

    fn compare_readers(&self, revision: u64, readers: &mut BTreeMap<u64, Vec<usize>>) -> Result<(), Violation> {
        for index in readers.remove(&revision).unwrap_or_default() {
            let operation = &self.operations[index];
            let actual = self.model.get(operation.request.key());
            let shown: Option<&Versioned> = match &operation.response {
                Response::Read { record, .. } => record.as_ref(),
                Response::Unchanged { current, .. } => current.as_ref(),
                _ => continue,
            };
            if shown != actual {
                return Err(Violation::WrongRead {
                    revision,
                    expected: actual.cloned(),
                    operation: self.boxed(index),
                });
            }
            let should_have_changed = match &operation.request {
                Request::CompareAndSwap { key, expected, .. } => self.model.mod_revision(key) == *expected,
                Request::Delete { .. } => actual.is_some(),
                Request::Put { .. } => true,
                Request::Get { .. } => false,
            };
            if should_have_changed {
                return Err(Violation::WrongCompare {
                    revision,
                    actual: actual.cloned(),
                    operation: self.boxed(index),
                });
            }
        }
        Ok(())
    }

    fn boxed(&self, index: usize) -> Box<Operation> {
        Box::new(self.operations[index].clone())
    }
}
