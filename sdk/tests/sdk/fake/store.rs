//! The store that all fake members share: records, and the answers kept for retries.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::compare::{Operand, Operator};
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::operation_result::Result as OperationResult;
use quorate_proto::v1::reply::Response;

use super::error;

/// What the members have in common.
pub struct Store {
    pub cluster_id: u64,
    pub revision: u64,
    /// Raised when it is restored.
    pub epoch: u64,
    records: BTreeMap<Bytes, v1::Record>,
    answers: HashMap<u64, BTreeMap<u64, Response>>,
    /// Client ids ever given out.
    pub clients: u64,
    /// Mutations applied, retries not counted.
    pub applied: u64,
    /// Every stamp in the order of arrival.
    pub stamps: Vec<v1::ClientStamp>,
    /// Every request in the order of arrival.
    pub requests: Vec<Request>,
    /// What each revision did to keys.
    pub changes: Vec<(u64, Vec<v1::KeyEvent>)>,
    /// The oldest revision that a watch can start from.
    pub watchable_from: u64,
    /// What the mutation that runs did to keys.
    pending: Vec<v1::KeyEvent>,
    /// The newest revision, for those who wait for it.
    pub newest: tokio::sync::watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            cluster_id: 77,
            revision: 1,
            epoch: 0,
            records: BTreeMap::new(),
            answers: HashMap::new(),
            clients: 0,
            applied: 0,
            stamps: Vec::new(),
            requests: Vec::new(),
            changes: Vec::new(),
            watchable_from: 1,
            pending: Vec::new(),
            newest: tokio::sync::watch::Sender::new(1),
        }
    }
}

impl Store {
    /// It is another store from now on, which holds one key that was written at its revision 2.
    pub fn restore(&mut self, key: &str, value: &str) {
        self.epoch += 1;
        self.revision = 2;
        self.changes.clear();
        self.records.clear();
        self.put(v1::PutRequest {
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            ..Default::default()
        });
        self.commit();
    }

    /// Forgets every client, as if all had been idle for too long.
    pub fn expire_clients(&mut self) {
        self.answers.clear();
    }

    pub fn execute(&mut self, request: Request) -> Response {
        self.requests.push(request.clone());
        let stamp = match &request {
            Request::Put(put) => put.stamp,
            Request::Delete(delete) => delete.stamp,
            Request::Txn(txn) => txn.stamp,
            _ => return self.unstamped(request),
        };
        let Some(stamp) = stamp else {
            return error(v1::ErrorCode::InvalidArgument, v1::Outcome::NotApplied);
        };
        self.stamps.push(stamp);
        let Some(answers) = self.answers.get_mut(&stamp.client_id) else {
            return error(v1::ErrorCode::ClientExpired, v1::Outcome::Unknown);
        };
        if let Some(known) = answers.get(&stamp.sequence) {
            return known.clone();
        }
        *answers = answers.split_off(&(stamp.answered_up_to + 1));
        if answers.len() >= 1_024 {
            return error(v1::ErrorCode::LimitReached, v1::Outcome::NotApplied);
        }
        if stamp.sequence <= stamp.answered_up_to {
            return error(v1::ErrorCode::AnswerForgotten, v1::Outcome::Unknown);
        }
        let response = self.mutate(request);
        self.commit();
        self.applied += 1;
        self.answers
            .get_mut(&stamp.client_id)
            .unwrap()
            .insert(stamp.sequence, response.clone());
        response
    }

    fn commit(&mut self) {
        let mut events = std::mem::take(&mut self.pending);
        if events.is_empty() {
            return;
        }
        for event in &mut events {
            if let Some(record) = &mut event.record {
                record.mod_revision = self.revision;
            }
        }
        self.changes.push((self.revision, events));
        self.newest.send_replace(self.revision);
    }

    fn unstamped(&mut self, request: Request) -> Response {
        match request {
            Request::Get(get) => Response::Get(v1::GetResponse {
                header: self.header(),
                record: self.records.get(&get.key).cloned(),
                level: get.read.unwrap_or_default().level,
                ..v1::GetResponse::default()
            }),
            Request::Range(range) => Response::Range(self.range(&range)),
            Request::KeepAlive(_)
            | Request::Query(_)
            | Request::DomainCreate(_)
            | Request::DomainList(_)
            | Request::DomainGet(_)
            | Request::DomainChange(_)
            | Request::DomainDrop(_) => panic!("the fake knows keys only"),
            Request::Compact(_) => Response::Compact(v1::CompactResponse { header: self.header() }),
            Request::RegisterClient(_) => {
                self.clients += 1;
                self.answers.insert(self.clients, BTreeMap::new());
                Response::RegisterClient(v1::RegisterClientResponse {
                    header: self.header(),
                    client_id: self.clients,
                    idle_ttl_ms: 60_000,
                    unanswered_max: 1_024,
                })
            }
            Request::Put(_) | Request::Delete(_) | Request::Txn(_) => unreachable!("these carry a stamp"),
        }
    }

    fn mutate(&mut self, request: Request) -> Response {
        match request {
            Request::Put(put) => {
                self.revision += 1;
                let previous = self.put(put);
                Response::Put(v1::PutResponse {
                    header: self.header(),
                    previous,
                })
            }
            Request::Delete(delete) => {
                let previous = self.delete(&delete);
                self.revision += u64::from(!previous.is_empty());
                let deleted = previous.len() as u64;
                let previous = if delete.previous { previous } else { Vec::new() };
                Response::Delete(v1::DeleteResponse {
                    header: self.header(),
                    deleted,
                    previous,
                })
            }
            Request::Txn(txn) => self.txn(txn),
            _ => unreachable!("only these are mutations"),
        }
    }

    fn put(&mut self, put: v1::PutRequest) -> Option<v1::Record> {
        let old = self.records.get(&put.key).cloned();
        let record = v1::Record {
            key: put.key.clone(),
            value: put.value,
            create_revision: old.as_ref().map_or(self.revision, |old| old.create_revision),
            mod_revision: self.revision,
            version: old.as_ref().map_or(1, |old| old.version + 1),
            lease: put.lease,
            expires_at_ms: put.ttl_ms,
            tags: put.tags,
        };
        self.pending.push(v1::KeyEvent {
            domain: or_default(&put.domain),
            kind: v1::KeyEventKind::Put.into(),
            record: Some(record.clone()),
            previous: old.clone(),
            ..Default::default()
        });
        self.records.insert(put.key, record);
        old.filter(|_| put.previous)
    }

    fn delete(&mut self, delete: &v1::DeleteRequest) -> Vec<v1::Record> {
        let gone = self.select(delete.keys.as_ref());
        for record in &gone {
            self.records.remove(&record.key);
            self.pending.push(v1::KeyEvent {
                domain: or_default(&delete.domain),
                kind: v1::KeyEventKind::Delete.into(),
                record: Some(v1::Record {
                    key: record.key.clone(),
                    ..Default::default()
                }),
                previous: Some(record.clone()),
                ..Default::default()
            });
        }
        gone
    }

    fn range(&self, range: &v1::RangeRequest) -> v1::RangeResponse {
        let matching = self.select(range.keys.as_ref());
        let count = matching.len() as u64;
        let mut rest: Vec<v1::Record> = matching.into_iter().filter(|record| record.key > range.after).collect();
        let limit = if range.limit == 0 {
            usize::MAX
        } else {
            range.limit as usize
        };
        let more = rest.len() > limit;
        rest.truncate(limit);
        let next_page = rest
            .last()
            .filter(|_| more)
            .map(|record| record.key.clone())
            .unwrap_or_default();
        v1::RangeResponse {
            header: self.header(),
            records: rest,
            count,
            more,
            next_page,
            level: range.read.unwrap_or_default().level,
            ..v1::RangeResponse::default()
        }
    }

    fn txn(&mut self, txn: v1::TxnRequest) -> Response {
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        let branch = if succeeded { txn.then } else { txn.otherwise };
        let writes = branch
            .iter()
            .any(|operation| matches!(operation.operation, Some(Operation::Put(_))));
        self.revision += u64::from(writes);
        let results = branch.into_iter().map(|operation| self.operate(operation)).collect();
        Response::Txn(v1::TxnResponse {
            header: self.header(),
            succeeded,
            results,
        })
    }

    fn operate(&mut self, operation: v1::Operation) -> v1::OperationResult {
        let result = match operation.operation.unwrap() {
            Operation::Put(put) => OperationResult::Put(v1::PutResponse {
                header: None,
                previous: self.put(put),
            }),
            Operation::Delete(delete) => {
                let previous = self.delete(&delete);
                let deleted = previous.len() as u64;
                OperationResult::Delete(v1::DeleteResponse {
                    header: None,
                    deleted,
                    previous,
                })
            }
            Operation::Range(range) => OperationResult::Range(self.range(&range)),
            other => panic!("the fake knows keys only: {other:?}"),
        };
        v1::OperationResult { result: Some(result) }
    }

    fn holds(&self, compare: &v1::Compare) -> bool {
        let record = self.records.get(&compare.key);
        let number = |of: fn(&v1::Record) -> u64| record.map_or(0, of);
        let ordering = match compare.operand.as_ref().unwrap() {
            Operand::Value(value) => match record {
                Some(record) => record.value.cmp(value),
                None => return false,
            },
            Operand::Version(wanted) => number(|record| record.version).cmp(wanted),
            Operand::CreateRevision(wanted) => number(|record| record.create_revision).cmp(wanted),
            Operand::ModRevision(wanted) => number(|record| record.mod_revision).cmp(wanted),
            Operand::Lease(wanted) => number(|record| record.lease).cmp(wanted),
        };
        match compare.operator() {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::Greater => ordering.is_gt(),
            Operator::Less => ordering.is_lt(),
            Operator::Unspecified => false,
        }
    }

    fn select(&self, keys: Option<&v1::KeySelector>) -> Vec<v1::Record> {
        use v1::key_selector::Kind;
        match keys.and_then(|keys| keys.kind.as_ref()).unwrap() {
            Kind::Key(key) => self.records.get(key).cloned().into_iter().collect(),
            Kind::Prefix(prefix) => self
                .records
                .values()
                .filter(|record| record.key.starts_with(prefix))
                .cloned()
                .collect(),
            Kind::Interval(interval) => {
                let end = match interval.end.is_empty() {
                    true => Bound::Unbounded,
                    false => Bound::Excluded(interval.end.clone()),
                };
                let bounds = (Bound::Included(interval.start.clone()), end);
                self.records.range(bounds).map(|(_, record)| record.clone()).collect()
            }
            // As much of patterns as the tests need.
            Kind::Pattern(pattern) => self
                .records
                .values()
                .filter(|record| record.key.starts_with(pattern.trim_end_matches('*').as_bytes()))
                .cloned()
                .collect(),
        }
    }

    /// 0: the key did not exist then.
    pub fn mod_revision_at(&self, key: &[u8], at: u64) -> u64 {
        let mut found = 0;
        for (revision, events) in self.changes.iter().filter(|(revision, _)| *revision <= at) {
            for event in events.iter().filter(|event| event.record.as_ref().unwrap().key == key) {
                let is_put = event.kind() == v1::KeyEventKind::Put;
                found = if is_put { *revision } else { 0 };
            }
        }
        found
    }

    pub fn header(&self) -> Option<v1::ResponseHeader> {
        let revision = self.revision;
        Some(v1::ResponseHeader {
            cluster_id: self.cluster_id,
            member_id: 1,
            revision,
            raft_term: 3,
            store_epoch: self.epoch,
            group_id: 0,
        })
    }
}

fn or_default(domain: &str) -> String {
    let domain = if domain.is_empty() { "default" } else { domain };
    domain.to_owned()
}
