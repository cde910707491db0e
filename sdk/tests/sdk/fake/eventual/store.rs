//! What one member has: values with the dots that made them, a clock, and the answers of stamped requests.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::eventual_write::Change;
use quorate_proto::v1::eventual_write_result::Result as WireResult;

/// A process and a number.
type Dot = (u64, u64);
type Place = (i32, Bytes);

#[derive(Clone, Debug)]
struct Value {
    dot: Dot,
    value: Bytes,
    strategy: i32,
    written_at_ms: u64,
}

#[derive(Clone, Debug, Default)]
struct Held {
    values: Vec<Value>,
    counter: i64,
    members: BTreeSet<Bytes>,
    fields: BTreeMap<Bytes, Bytes>,
    flag: bool,
    ttl_ms: u64,
}

#[derive(Clone, Debug)]
enum Effect {
    Replace {
        removed: Vec<Dot>,
        with: Option<Value>,
        ttl_ms: u64,
    },
    Change(Change),
}

#[derive(Clone, Debug)]
struct Operation {
    dot: Dot,
    place: Place,
    effect: Effect,
}

/// One member's memory.
#[derive(Default)]
pub struct EventualStore {
    /// The process that it is in.
    pub process: u64,
    /// Writes that were done here, refusals and repetitions left out.
    pub applied: u64,
    /// The stamps that came in.
    pub stamps: Vec<v1::EventualStamp>,
    /// The writes of each request that came in.
    pub requests: Vec<v1::EventualWriteRequest>,
    /// The options of each read that came in.
    pub reads: Vec<v1::EventualReadOptions>,
    /// How old its answers say that they may be.
    pub age_ms: Option<u64>,
    /// Processes whose operations will never come.
    pub gone: BTreeSet<u64>,
    clock: BTreeMap<u64, u64>,
    keys: BTreeMap<Place, Held>,
    log: Vec<Operation>,
    answered: BTreeMap<(u64, u64), v1::EventualWriteResponse>,
}

pub fn refusal(code: v1::ErrorCode, message: &str) -> v1::Error {
    let mut error = v1::Error {
        message: message.to_owned(),
        ..Default::default()
    };
    error.set_code(code);
    error.set_outcome(v1::Outcome::NotApplied);
    error
}

impl EventualStore {
    pub fn new(process: u64) -> Self {
        Self {
            process,
            age_ms: Some(0),
            ..Default::default()
        }
    }

    pub fn header(&self) -> v1::EventualHeader {
        v1::EventualHeader {
            cluster_id: 1,
            member_id: self.process % 100,
            process: self.process,
        }
    }

    pub fn write(&mut self, request: v1::EventualWriteRequest) -> v1::EventualWriteResponse {
        let stamp = request.stamp.unwrap_or_default();
        self.stamps.push(stamp);
        self.requests.push(request.clone());
        let name = (stamp.session, stamp.sequence);
        if let Some(answered) = self.answered.get(&name) {
            return answered.clone();
        }
        let elsewhere = stamp.first_process != 0 && stamp.first_process != self.process;
        let results: Vec<v1::EventualWriteResult> = request
            .writes
            .into_iter()
            .map(|write| {
                let result = match &write.change {
                    Some(Change::Add(_)) if elsewhere => {
                        WireResult::Error(refusal(v1::ErrorCode::TriedElsewhere, "it was tried elsewhere"))
                    }
                    _ => self.write_one(write),
                };
                v1::EventualWriteResult { result: Some(result) }
            })
            .collect();
        let refused = results
            .iter()
            .any(|result| matches!(result.result, Some(WireResult::Error(_))));
        let mut marks = marks_of(&request.token);
        marks.insert(self.process, self.clock.get(&self.process).copied().unwrap_or_default());
        let acked = 1;
        let error = (request.acks > acked).then(|| v1::Error {
            limit: request.acks.into(),
            value: acked.into(),
            ..refusal(v1::ErrorCode::UnderReplicated, "there is only one")
        });
        let response = v1::EventualWriteResponse {
            header: Some(self.header()),
            results: if request.quiet && !refused { Vec::new() } else { results },
            token: token_of(&marks),
            acked,
            error,
        };
        self.answered.insert(name, response.clone());
        response
    }

    fn write_one(&mut self, write: v1::EventualWrite) -> WireResult {
        let Some(change) = write.change else {
            return WireResult::Error(refusal(v1::ErrorCode::InvalidArgument, "no change"));
        };
        if write.key.is_empty() {
            return WireResult::Error(refusal(v1::ErrorCode::InvalidArgument, "the key is empty"));
        }
        let place = (type_of(&change) as i32, write.key);
        let dot = (
            self.process,
            self.clock.get(&self.process).copied().unwrap_or_default() + 1,
        );
        let held = self.keys.entry(place.clone()).or_default();
        let here: Vec<Dot> = held.values.iter().map(|value| value.dot).collect();
        let effect = match change {
            Change::Put(put) => {
                let older = held.values.iter().any(|value| value.written_at_ms > put.written_at_ms);
                if put.written_at_ms != 0 && older {
                    return WireResult::Written(v1::EventualWritten {
                        superseded: true,
                        siblings: held.values.len() as u32,
                        context: context_of(&here),
                    });
                }
                let siblings = put.strategy() == v1::EventualStrategy::Siblings;
                let mut removed = dots_of(&write.context);
                if !siblings {
                    removed.extend(here);
                }
                let with = Value {
                    dot,
                    value: put.value,
                    strategy: put.strategy,
                    written_at_ms: put.written_at_ms,
                };
                Effect::Replace {
                    removed,
                    with: Some(with),
                    ttl_ms: write.ttl_ms,
                }
            }
            Change::Delete(_) if here.is_empty() && place.0 == v1::EventualType::Register as i32 => {
                let superseded = true;
                return WireResult::Written(v1::EventualWritten {
                    superseded,
                    ..Default::default()
                });
            }
            Change::Delete(_) => Effect::Replace {
                removed: here,
                with: None,
                ttl_ms: 0,
            },
            change => Effect::Change(change),
        };
        let operation = Operation {
            dot,
            place: place.clone(),
            effect,
        };
        self.apply(&operation);
        self.log.push(operation);
        self.applied += 1;
        let left: Vec<Dot> = self.keys[&place].values.iter().map(|value| value.dot).collect();
        WireResult::Written(v1::EventualWritten {
            superseded: false,
            siblings: left.len() as u32,
            context: context_of(&left),
        })
    }

    fn apply(&mut self, operation: &Operation) {
        let (process, number) = operation.dot;
        self.clock.insert(process, number);
        let held = self.keys.entry(operation.place.clone()).or_default();
        match &operation.effect {
            Effect::Replace { removed, with, ttl_ms } => {
                held.values.retain(|value| !removed.contains(&value.dot));
                held.values.extend(with.clone());
                held.ttl_ms = *ttl_ms;
                // Of the other types only a delete comes here.
                held.counter = 0;
                held.members.clear();
                held.fields.clear();
                held.flag = false;
            }
            Effect::Change(Change::Add(number)) => held.counter += number,
            Effect::Change(Change::Set(set)) => {
                held.members.retain(|member| !set.remove.contains(member));
                held.members.extend(set.add.iter().cloned());
            }
            Effect::Change(Change::Map(map)) => {
                held.fields.retain(|name, _| !map.remove.contains(name));
                let put = map.put.iter().map(|field| (field.name.clone(), field.value.clone()));
                held.fields.extend(put);
            }
            Effect::Change(Change::Flag(on)) => held.flag = *on,
            Effect::Change(Change::Put(_) | Change::Delete(_)) => unreachable!("they replace"),
        }
    }

    /// Takes over what the other has done.
    pub fn learn_from(&mut self, other: &Self) {
        for operation in &other.log {
            let (process, number) = operation.dot;
            if process != self.process && self.clock.get(&process).copied().unwrap_or_default() < number {
                self.apply(operation);
            }
        }
    }

    /// Whether it may answer a read, or why not.
    fn admit(&mut self, options: Option<&v1::EventualReadOptions>) -> Result<(), Box<v1::Error>> {
        let options = options.cloned().unwrap_or_default();
        self.reads.push(options.clone());
        let wanted = marks_of(&options.token);
        let missing = |(process, number): (&u64, &u64)| {
            (self.clock.get(process).copied().unwrap_or_default() < *number).then_some(*process)
        };
        let missing: Vec<u64> = wanted.iter().filter_map(missing).collect();
        if missing.iter().any(|process| self.gone.contains(process)) {
            let left = wanted.into_iter().filter(|(process, _)| !self.gone.contains(process));
            let mut error = refusal(v1::ErrorCode::ContextLost, "a process is gone");
            error.token = token_of(&left.collect());
            return Err(Box::new(error));
        }
        let too_old = options.max_age_ms > 0 && self.age_ms.is_none_or(|age_ms| age_ms > options.max_age_ms);
        if !missing.is_empty() || too_old {
            return Err(Box::new(refusal(v1::ErrorCode::Stale, "not here yet")));
        }
        Ok(())
    }

    pub fn read(&mut self, request: v1::EventualReadRequest) -> Result<v1::EventualReadResponse, Box<v1::Error>> {
        self.admit(request.options.as_ref())?;
        let of_type = register_if_unspecified(request.r#type());
        let keys = request.keys.into_iter();
        Ok(v1::EventualReadResponse {
            header: Some(self.header()),
            entries: keys.map(|key| self.entry(of_type, key)).collect(),
            token: token_of(&self.clock),
            age_ms: self.age_ms,
        })
    }

    pub fn scan(&mut self, request: v1::EventualScanRequest) -> Result<v1::EventualScanResponse, Box<v1::Error>> {
        use v1::eventual_scan_request::Keys;
        self.admit(request.options.as_ref())?;
        let of_type = register_if_unspecified(request.r#type());
        let prefix: Vec<u8> = match request.keys {
            Some(Keys::Prefix(prefix)) => prefix.to_vec(),
            Some(Keys::Pattern(pattern)) => pattern.trim_end_matches('*').as_bytes().to_vec(),
            None => Vec::new(),
        };
        let places = self.keys.keys().filter(|(held_type, key)| {
            *held_type == of_type as i32 && key.starts_with(&prefix) && key > &request.cursor
        });
        let mut keys: Vec<Bytes> = places.map(|(_, key)| key.clone()).collect();
        let limit = if request.limit == 0 {
            100
        } else {
            request.limit as usize
        };
        let more = keys.len() > limit;
        keys.truncate(limit);
        let cursor = if more {
            keys.last().cloned().unwrap_or_default()
        } else {
            Bytes::new()
        };
        let entries = keys.into_iter().map(|key| self.entry(of_type, key));
        Ok(v1::EventualScanResponse {
            header: Some(self.header()),
            entries: entries.filter(|entry| entry.exists).collect(),
            cursor,
            token: token_of(&self.clock),
            age_ms: self.age_ms,
        })
    }

    fn entry(&self, of_type: v1::EventualType, key: Bytes) -> v1::EventualEntry {
        let held = self.keys.get(&(of_type as i32, key.clone())).cloned();
        let exists = held.as_ref().is_some_and(|held| match of_type {
            v1::EventualType::Register => !held.values.is_empty(),
            _ => true,
        });
        let mut held = held.unwrap_or_default();
        held.values
            .sort_by_key(|value| std::cmp::Reverse((value.written_at_ms, value.dot)));
        let newest = held.values.first();
        let dots: Vec<Dot> = held.values.iter().map(|value| value.dot).collect();
        let together = newest.is_some_and(|value| value.strategy == v1::EventualStrategy::Siblings as i32);
        let siblings = held.values.iter().map(|value| v1::EventualSibling {
            value: value.value.clone(),
            written_at_ms: value.written_at_ms,
            process: value.dot.0,
            number: value.dot.1,
            expires_at_ms: 0,
        });
        let siblings = if together && dots.len() > 1 {
            siblings.collect()
        } else {
            Vec::new()
        };
        let discarded = if together {
            0
        } else {
            dots.len().saturating_sub(1) as u32
        };
        let fields = held.fields.iter().map(|(name, value)| v1::EventualField {
            name: name.clone(),
            value: value.clone(),
        });
        v1::EventualEntry {
            key,
            exists,
            r#type: of_type as i32,
            value: newest.map(|value| value.value.clone()).unwrap_or_default(),
            strategy: newest.map(|value| value.strategy).unwrap_or_default(),
            discarded,
            siblings,
            counter: held.counter,
            members: held.members.iter().cloned().collect(),
            fields: fields.collect(),
            flag: held.flag,
            context: context_of(&dots),
            expires_at_ms: held.ttl_ms,
            written_at_ms: newest.map(|value| value.written_at_ms).unwrap_or_default(),
        }
    }
}

fn register_if_unspecified(of_type: v1::EventualType) -> v1::EventualType {
    match of_type {
        v1::EventualType::Unspecified => v1::EventualType::Register,
        named => named,
    }
}

fn type_of(change: &Change) -> v1::EventualType {
    match change {
        Change::Put(_) => v1::EventualType::Register,
        Change::Delete(delete) => register_if_unspecified(delete.r#type()),
        Change::Add(_) => v1::EventualType::Counter,
        Change::Set(_) => v1::EventualType::Set,
        Change::Map(_) => v1::EventualType::Map,
        Change::Flag(_) => v1::EventualType::Flag,
    }
}

fn context_of(dots: &[Dot]) -> Bytes {
    let bytes = dots
        .iter()
        .flat_map(|(process, number)| [process.to_be_bytes(), number.to_be_bytes()]);
    bytes.flatten().collect()
}

fn dots_of(context: &[u8]) -> Vec<Dot> {
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    let dots = context.chunks(16);
    dots.map(|dot| (number(&dot[..8]), number(&dot[8..]))).collect()
}

/// Marks whose keys are the processes.
fn token_of(marks: &BTreeMap<u64, u64>) -> Bytes {
    let marks = marks.iter().filter(|(_, number)| **number > 0);
    let mark = |(process, number): (&u64, &u64)| {
        let mut bytes = vec![8];
        bytes.extend_from_slice(&process.to_be_bytes());
        prost::encoding::encode_varint(*number, &mut bytes);
        bytes
    };
    marks.flat_map(mark).collect()
}

fn marks_of(mut token: &[u8]) -> BTreeMap<u64, u64> {
    let mut marks = BTreeMap::new();
    while !token.is_empty() {
        assert_eq!(token[0], 8, "a mark of a fake member has a key of 8 bytes");
        let process = u64::from_be_bytes(token[1..9].try_into().unwrap());
        token = &token[9..];
        let number = prost::encoding::decode_varint(&mut token).unwrap();
        let known = marks.entry(process).or_default();
        *known = number.max(*known);
    }
    marks
}
