//! The recorded workload as histories of keys.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use super::{Answer, Call, Expected, KeyOperation};
use crate::history::{Operation, Request, Response};
use crate::model::Versioned;

/// The history of every key, without its revisions: a compare that names one expects the value that its client knew to
/// have it. What was certainly not applied is left out, and so is what only reads a prefix. `written`, if it is known,
/// has every value that the store's own log shows: a write of unknown outcome that is not there never happened.
pub fn by_key(operations: &[Operation], written: Option<&HashSet<Bytes>>) -> BTreeMap<Bytes, Vec<KeyOperation>> {
    let values = Known::of(operations);
    let mut histories: BTreeMap<Bytes, Vec<KeyOperation>> = BTreeMap::new();
    for operation in operations {
        let request = &operation.request;
        let absent = |written: &HashSet<Bytes>| request.value().is_some_and(|value| !written.contains(value));
        let never_happened = operation.response == Response::Unknown && written.is_some_and(absent);
        if let (Some((call, answer)), false) = (converted(operation, &values), never_happened) {
            histories.entry(request.key().clone()).or_default().push(KeyOperation {
                client: operation.client,
                invoked: operation.invoked,
                returned: operation.returned,
                call,
                answer,
            });
        }
    }
    histories
}

fn converted(operation: &Operation, values: &Known<'_>) -> Option<(Call, Answer)> {
    let call = match &operation.request {
        Request::Put { value, .. } => Call::Put(value.clone()),
        Request::CompareAndSwap { key, expected, value } => {
            Call::CompareAndSwap(values.expected(key, *expected), value.clone())
        }
        Request::Delete { .. } => Call::Delete,
        Request::Get { strong: false, .. } => return None,
        Request::Get { .. } => Call::Get,
    };
    let shown = |record: &Option<Versioned>| record.as_ref().map(|record| record.value.clone());
    let answer = match &operation.response {
        Response::Written { .. } => Answer::Done,
        Response::Unchanged { current, .. } => Answer::Unchanged(shown(current)),
        Response::Read { record, .. } => Answer::Read(shown(record)),
        Response::NotApplied => return None,
        Response::Unknown if call == Call::Get => return None,
        Response::Unknown => Answer::Unknown,
    };
    Some((call, answer))
}

/// What clients were told a key's value was at a modification revision; nothing where they were told different things.
struct Known<'a> {
    values: HashMap<(&'a Bytes, u64), Option<&'a Bytes>>,
}

impl<'a> Known<'a> {
    fn of(operations: &'a [Operation]) -> Known<'a> {
        let mut values = HashMap::new();
        for operation in operations {
            let key = operation.request.key();
            let told = match &operation.response {
                Response::Written { revision } => operation.request.value().map(|value| (*revision, value)),
                Response::Unchanged { current: record, .. } | Response::Read { record, .. } => {
                    record.as_ref().map(|record| (record.mod_revision, &record.value))
                }
                Response::NotApplied | Response::Unknown => None,
            };
            if let Some((revision, value)) = told {
                let known = values.entry((key, revision)).or_insert(Some(value));
                *known = known.filter(|known| *known == value);
            }
        }
        Known { values }
    }

    fn expected(&self, key: &Bytes, revision: u64) -> Expected {
        match (revision, self.values.get(&(key, revision))) {
            (0, _) => Expected::Absent,
            (_, Some(Some(value))) => Expected::Value((*value).clone()),
            _ => Expected::Present,
        }
    }
}
