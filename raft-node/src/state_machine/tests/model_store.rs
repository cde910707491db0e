//! The store as its contract describes it, by full copies: one map a revision, and loops where the store has indexes.

use std::collections::{BTreeMap, BTreeSet};

use crate::mvcc::{Delete, DeleteReply, KeyRecord, Put, PutReply, Range, RangeReply, Record, Selector, SortTarget};
use crate::state_machine::{
    Compare, CompareOperand, CompareOperator, Operation, OperationReply, Reply, Transaction, TransactionReply,
};
use crate::types::{LogTimeMs, Rejection, Revision};

pub type Copy = BTreeMap<Vec<u8>, Record>;

pub struct Model {
    /// What was there at each revision, from 0.
    pub copies: Vec<Copy>,
    pub compacted: u64,
    pub now: u64,
}

struct Running {
    copy: Copy,
    written: BTreeSet<Vec<u8>>,
    revision: Revision,
    now: LogTimeMs,
}

impl Model {
    pub fn new() -> Self {
        Self {
            copies: vec![Copy::new(), Copy::new()],
            compacted: 1,
            now: 0,
        }
    }

    pub fn newest(&self) -> &Copy {
        self.copies.last().unwrap()
    }

    pub fn revision(&self) -> Revision {
        Revision(self.copies.len() as u64 - 1)
    }

    pub fn transact(&mut self, transaction: &Transaction) -> Reply {
        let succeeded = transaction.compares.iter().all(|compare| holds(self.newest(), compare));
        let branch = if succeeded {
            &transaction.then
        } else {
            &transaction.otherwise
        };
        let mut running = self.running();
        let mut results = Vec::new();
        for (number, operation) in branch.iter().enumerate() {
            match running.operate(operation) {
                Ok(result) => results.push(result),
                Err(key) => {
                    return Reply::Rejected {
                        rejection: Rejection::DuplicateKey {
                            operation: u32::try_from(number).unwrap(),
                            key,
                        },
                        revision: self.revision(),
                    };
                }
            }
        }
        self.finish(running);
        Reply::Transaction(TransactionReply {
            revision: self.revision(),
            succeeded,
            results,
        })
    }

    pub fn expire(&mut self, keys_max: u32) -> Reply {
        let mut running = self.running();
        let mut due: Vec<_> = running
            .copy
            .iter()
            .filter_map(|(key, record)| Some((record.expires_at?, key.clone())))
            .filter(|(at, _)| at.0 <= self.now)
            .collect();
        due.sort();
        due.truncate(keys_max as usize);
        let removed = due.len() as u64;
        for (_, key) in due {
            running.copy.remove(&key);
            running.written.insert(key);
        }
        self.finish(running);
        Reply::Done {
            revision: self.revision(),
            removed,
        }
    }

    pub fn compact(&mut self, revision: u64) -> Reply {
        match self.at(Some(Revision(revision))) {
            Ok(_) => {
                self.compacted = revision;
                Reply::Done {
                    revision: self.revision(),
                    removed: 0,
                }
            }
            Err(rejection) => Reply::Rejected {
                rejection,
                revision: self.revision(),
            },
        }
    }

    pub fn range(&self, range: &Range) -> Result<RangeReply, Rejection> {
        self.at(range.revision).map(|copy| range_of(copy, range))
    }

    fn at(&self, revision: Option<Revision>) -> Result<&Copy, Rejection> {
        let Some(asked) = revision else {
            return Ok(self.newest());
        };
        if asked.0 < self.compacted {
            let oldest = Revision(self.compacted);
            return Err(Rejection::Compacted { asked, oldest });
        }
        let newest = self.revision();
        let copy = self.copies.get(usize::try_from(asked.0).unwrap());
        copy.ok_or(Rejection::FutureRevision { asked, newest })
    }

    fn running(&self) -> Running {
        Running {
            copy: self.newest().clone(),
            written: BTreeSet::new(),
            revision: self.revision().next(),
            now: LogTimeMs(self.now),
        }
    }

    /// A revision that touches no key.
    pub fn make_revision(&mut self) {
        let newest = self.copies.last().cloned().unwrap();
        self.copies.push(newest);
    }

    fn finish(&mut self, running: Running) {
        if !running.written.is_empty() {
            self.copies.push(running.copy);
        }
    }
}

impl Running {
    fn operate(&mut self, operation: &Operation) -> Result<OperationReply, Vec<u8>> {
        Ok(match operation {
            Operation::Put(put) => OperationReply::Put(self.put(put)?),
            Operation::Delete(delete) => OperationReply::Delete(self.delete(delete)?),
            Operation::Range(range) => OperationReply::Range(range_of(&self.copy, range)),
            other => panic!("the model knows keys only: {other:?}"),
        })
    }

    fn put(&mut self, put: &Put) -> Result<PutReply, Vec<u8>> {
        if !self.written.insert(put.key.clone()) {
            return Err(put.key.clone());
        }
        let before = self.copy.get(&put.key).cloned();
        let record = Record {
            create_revision: before.as_ref().map_or(self.revision, |before| before.create_revision),
            mod_revision: self.revision,
            version: before.as_ref().map_or(0, |before| before.version) + 1,
            lease: put.lease,
            expires_at: put.ttl_ms.map(|ttl_ms| LogTimeMs(self.now.0 + ttl_ms)),
            tags: put.tags.clone(),
            value: put.value.clone(),
        };
        self.copy.insert(put.key.clone(), record);
        let key = put.key.clone();
        Ok(PutReply {
            previous: before.filter(|_| put.previous).map(|record| KeyRecord { key, record }),
        })
    }

    fn delete(&mut self, delete: &Delete) -> Result<DeleteReply, Vec<u8>> {
        let keys: Vec<_> = self
            .copy
            .keys()
            .filter(|key| delete.keys.matches(key))
            .cloned()
            .collect();
        if let Some(key) = keys.iter().find(|key| self.written.contains(*key)) {
            return Err(key.clone());
        }
        let mut previous = Vec::new();
        for key in &keys {
            let record = self.copy.remove(key).unwrap();
            self.written.insert(key.clone());
            if delete.previous {
                previous.push(KeyRecord {
                    key: key.clone(),
                    record,
                });
            }
        }
        Ok(DeleteReply {
            deleted: keys.len() as u64,
            previous,
        })
    }
}

fn holds(copy: &Copy, compare: &Compare) -> bool {
    let record = copy.get(&compare.key);
    let number = |of: fn(&Record) -> u64| record.map_or(0, of);
    let order = match &compare.operand {
        CompareOperand::Value(_) if record.is_none() => return false,
        CompareOperand::Value(value) => record.unwrap().value.cmp(value),
        CompareOperand::Version(other) => number(|record| record.version).cmp(other),
        CompareOperand::CreateRevision(other) => number(|record| record.create_revision.0).cmp(other),
        CompareOperand::ModRevision(other) => number(|record| record.mod_revision.0).cmp(other),
        CompareOperand::Lease(other) => number(|record| record.lease.map_or(0, |lease| lease.0)).cmp(other),
    };
    match compare.operator {
        CompareOperator::Equal => order.is_eq(),
        CompareOperator::NotEqual => !order.is_eq(),
        CompareOperator::Greater => order.is_gt(),
        CompareOperator::Less => order.is_lt(),
    }
}

fn range_of(copy: &Copy, range: &Range) -> RangeReply {
    let bounded = |revision: Revision, (least, most): (Option<Revision>, Option<Revision>)| {
        least.unwrap_or(Revision(0)) <= revision && revision <= most.unwrap_or(Revision(u64::MAX))
    };
    let mut found: Vec<_> = copy
        .iter()
        .filter(|(key, _)| range.keys.matches(key))
        .filter(|(key, _)| match &range.after {
            Some(after) if range.descending => *key < after,
            Some(after) => *key > after,
            None => true,
        })
        .filter(|(_, record)| range.tag.as_ref().is_none_or(|tag| record.tags.contains(tag)))
        .filter(|(_, record)| bounded(record.mod_revision, range.mod_revision))
        .filter(|(_, record)| bounded(record.create_revision, range.create_revision))
        .map(|(key, record)| KeyRecord {
            key: key.clone(),
            record: record.clone(),
        })
        .collect();
    let sort_key = |found: &KeyRecord| match range.sort {
        SortTarget::Key => (0, Vec::new(), found.key.clone()),
        SortTarget::Version => (found.record.version, Vec::new(), found.key.clone()),
        SortTarget::CreateRevision => (found.record.create_revision.0, Vec::new(), found.key.clone()),
        SortTarget::ModRevision => (found.record.mod_revision.0, Vec::new(), found.key.clone()),
        SortTarget::Value => (0, found.record.value.clone(), found.key.clone()),
    };
    found.sort_by_key(sort_key);
    if range.descending {
        found.reverse();
    }
    page_of(found, range)
}

fn page_of(found: Vec<KeyRecord>, range: &Range) -> RangeReply {
    let count = found.len() as u64;
    if range.count_only {
        return RangeReply {
            count,
            ..RangeReply::default()
        };
    }
    let mut records: Vec<KeyRecord> = Vec::new();
    let mut bytes = 0;
    for mut taken in found {
        if range.keys_only && range.sort != SortTarget::Value {
            taken.record.value.clear();
        }
        bytes += taken.bytes();
        if !records.is_empty() && (records.len() as u64 >= range.limit || bytes > range.bytes_max) {
            break;
        }
        records.push(taken);
    }
    if range.keys_only {
        records.iter_mut().for_each(|taken| taken.record.value.clear());
    }
    RangeReply {
        more: count > records.len() as u64,
        count,
        records,
    }
}

/// Some selector, for those who need one.
pub fn everything() -> Selector {
    Selector::Prefix(Vec::new())
}
