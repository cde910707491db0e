//! Compares, then one of two lists of operations, at one revision or not at all.

use super::command::{Compare, CompareOperand, CompareOperator, Operation, Transaction};
use super::fatal::{Fatal, rejected};
use super::reply::{OperationReply, Reply, TransactionReply};
use super::staged::Staged;
use crate::coordination::{locks, queues, sessions, workers};
use crate::mvcc::{
    self, AppliedRevision, Changes, Domains, Edit, Failure, KeyRecord, REPLY_BYTES_MAX, Range, RecordRef, keys,
};
use crate::storage::{Stage, Table, View};
use crate::types::{LogTimeMs, Revision, Signal};

/// When a command is applied.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The newest revision before it.
    pub revision: Revision,
    /// Log time.
    pub log_time: LogTimeMs,
    /// The proposer's wall clock.
    pub wall_ms: u64,
    /// Somebody watches at this member.
    pub watched: bool,
}

/// Does a transaction. Returns its answer, and what it did if it did anything.
pub fn execute(
    staged: &mut Staged<'_>,
    domains: &mut Domains,
    moment: Moment,
    transaction: Transaction,
) -> Result<(Reply, Option<Done>), Fatal> {
    let succeeded = match compare_all(staged, domains, &transaction.compares) {
        Ok(succeeded) => succeeded,
        Err(failure) => return Ok((rejected(failure, moment.revision)?, None)),
    };
    let branch = if succeeded {
        transaction.then
    } else {
        transaction.otherwise
    };
    // A put, a delete and a range refuse before they write; other operations may refuse half-way.
    let undo = branch.len() > 1 || !branch.iter().all(Operation::is_of_keys);
    let done = edit(staged, domains, moment, undo, |edit| {
        let mut results = Vec::with_capacity(branch.len());
        for (number, operation) in (0_u32..).zip(branch) {
            edit.operation = number;
            results.push(operate(edit, operation)?);
        }
        Ok(results)
    })?;
    Ok(match done {
        Edited::Done(results, done) => {
            let reply = TransactionReply {
                revision: done.as_ref().map_or(moment.revision, Done::revision),
                succeeded,
                results,
            };
            (Reply::Transaction(reply), done)
        }
        Edited::Refused(reply) => (reply, None),
    })
}

/// What an edit that wrote something did.
pub struct Done {
    /// For those who wait.
    pub signals: Vec<Signal>,
    /// For those who watch.
    pub applied: AppliedRevision,
}

impl Done {
    /// The revision it made.
    pub fn revision(&self) -> Revision {
        self.applied.revision
    }
}

/// What became of an edit.
pub enum Edited<T> {
    /// It was done, and perhaps wrote something.
    Done(T, Option<Done>),
    /// It was refused and changed nothing.
    Refused(Reply),
}

/// Runs `work` as one transaction: everything it writes has one revision, or nothing is written. `undo` must be set
/// if it can be refused after it has written.
pub fn edit<T>(
    staged: &mut Staged<'_>,
    domains: &mut Domains,
    moment: Moment,
    undo: bool,
    work: impl FnOnce(&mut Edit<'_>) -> Result<T, Failure>,
) -> Result<Edited<T>, Fatal> {
    staged.savepoint(undo);
    domains.savepoint();
    let revision = moment.revision.next();
    let mut edit = Edit::new(staged, domains, revision, moment.log_time, moment.wall_ms);
    edit.watched = moment.watched;
    let result = work(&mut edit);
    let records = std::mem::take(&mut edit.records);
    let signals = std::mem::take(&mut edit.signals);
    let changes = Changes {
        wall_ms: moment.wall_ms,
        keys: std::mem::take(&mut edit.changed),
        events: std::mem::take(&mut edit.events),
    };
    match result {
        Ok(result) if !staged.wrote() => Ok(Edited::Done(result, None)),
        Ok(result) => {
            let (changes, row) = changes.into_row()?;
            staged.put(Table::Changes, keys::changes(revision), row);
            let applied = AppliedRevision {
                revision,
                changes,
                records,
            };
            Ok(Edited::Done(result, Some(Done { signals, applied })))
        }
        Err(failure) => {
            let reply = rejected(failure, moment.revision)?;
            staged.rollback();
            domains.rollback();
            Ok(Edited::Refused(reply))
        }
    }
}

fn operate(edit: &mut Edit<'_>, operation: Operation) -> Result<OperationReply, Failure> {
    match operation {
        Operation::Put(put) => mvcc::put(edit, put).map(OperationReply::Put),
        Operation::Delete(delete) => mvcc::delete(edit, &delete).map(OperationReply::Delete),
        Operation::Range(range) => read(edit, range),
        Operation::Lease(operation) => sessions::operate(edit, operation).map(OperationReply::Lease),
        Operation::Lock(operation) => locks::operate(edit, operation).map(OperationReply::Lock),
        Operation::Queue(operation) => queues::operate(edit, operation).map(OperationReply::Queue),
        Operation::Worker(operation) => workers::operate(edit, operation).map(OperationReply::Worker),
    }
}

/// A range within a transaction sees what the transaction has written so far.
fn read(edit: &mut Edit<'_>, mut range: Range) -> Result<OperationReply, Failure> {
    let index = edit.domains.strong(&range.domain)?;
    // One page over what a transaction may return is enough to know that it is too much.
    range.bytes_max = range.bytes_max.min(REPLY_BYTES_MAX);
    let reply = mvcc::range(edit.stage, edit.domains.id(index), &range, None)?;
    edit.charge_reply(reply.records.iter().map(KeyRecord::bytes).sum())?;
    Ok(OperationReply::Range(reply))
}

fn compare_all(staged: &Staged<'_>, domains: &Domains, compares: &[Compare]) -> Result<bool, Failure> {
    for compare in compares {
        if !holds(staged, domains, compare)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(staged: &Staged<'_>, domains: &Domains, compare: &Compare) -> Result<bool, Failure> {
    let index = domains.strong(&compare.domain)?;
    let stored = staged.get(Table::Latest, &keys::latest(domains.id(index), &compare.key))?;
    let record = stored.as_deref().map(RecordRef::parse).transpose()?;
    let number = |of: fn(&RecordRef<'_>) -> u64| record.as_ref().map_or(0, of);
    let order = match &compare.operand {
        CompareOperand::Value(value) => match &record {
            Some(record) => record.value.cmp(value),
            None => return Ok(false),
        },
        CompareOperand::Version(version) => number(|record| record.version).cmp(version),
        CompareOperand::CreateRevision(revision) => number(|record| record.create_revision.0).cmp(revision),
        CompareOperand::ModRevision(revision) => number(|record| record.mod_revision.0).cmp(revision),
        CompareOperand::Lease(lease) => number(|record| record.lease.map_or(0, |lease| lease.0)).cmp(lease),
    };
    Ok(match compare.operator {
        CompareOperator::Equal => order.is_eq(),
        CompareOperator::NotEqual => order.is_ne(),
        CompareOperator::Greater => order.is_gt(),
        CompareOperator::Less => order.is_lt(),
    })
}
