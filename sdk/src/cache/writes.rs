//! The client's own writes. What a stream keeps true hears of them by itself, and is not answered before; a relaxed cache must
//! be told.

use std::sync::Arc;

use quorate_proto::v1;
use quorate_proto::v1::cache_selector::Which;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::key_selector::Kind;
use quorate_proto::v1::operation::Operation;

use super::dropped::DropCause;
use super::settings::Coherence;
use super::shared::Shared;

/// A write that is under way; when it is over, however it ends, what it may have changed is dropped.
pub(crate) struct Writing {
    cache: Arc<Shared>,
    touched: Vec<v1::CacheSelector>,
}

impl Shared {
    /// None if nothing that it may change is held without a stream.
    pub(crate) fn writing(self: &Arc<Self>, request: &Request) -> Option<Writing> {
        if !self.settings.uses(Coherence::Relaxed) {
            return None;
        }
        let mut touched = Vec::new();
        match request {
            Request::Put(put) => touched.push(of_key(&put.domain, put.key.clone())),
            Request::Delete(delete) => touched.extend(of_keys(delete)),
            Request::Txn(txn) => {
                for operation in txn.then.iter().chain(&txn.otherwise) {
                    match &operation.operation {
                        Some(Operation::Put(put)) => touched.push(of_key(&put.domain, put.key.clone())),
                        Some(Operation::Delete(delete)) => touched.extend(of_keys(delete)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        touched.retain(|selector| {
            let domain = super::key::domain_or_default(&selector.domain);
            self.settings.coherence_in(domain) == Coherence::Relaxed
        });
        let cache = Arc::clone(self);
        (!touched.is_empty()).then_some(Writing { cache, touched })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        for selector in &self.touched {
            self.cache.drop_selected(selector, DropCause::Changed);
        }
    }
}

fn of_key(domain: &str, key: bytes::Bytes) -> v1::CacheSelector {
    let keys = v1::KeySelector {
        kind: Some(Kind::Key(key)),
    };
    of_selector(domain, keys)
}

fn of_keys(delete: &v1::DeleteRequest) -> Option<v1::CacheSelector> {
    Some(of_selector(&delete.domain, delete.keys.clone()?))
}

fn of_selector(domain: &str, keys: v1::KeySelector) -> v1::CacheSelector {
    v1::CacheSelector {
        domain: domain.to_owned(),
        which: Some(Which::Keys(keys)),
    }
}
