//! Adds keys to a cache and takes keys from it.

use std::collections::HashSet;

use quorate_proto::v1::{CacheKeysChanged, Error, ErrorCode, Outcome};

use crate::mvcc::{self, RecordRef};
use crate::state_machine::Reader;
use crate::storage::StorageError;
use crate::types::{DomainId, Revision};
use crate::watch::ending::Ending;
use crate::watch::hub::Hub;
use crate::watch::stream::{SELECTOR_BYTES_MAX, WatchStream};
use crate::watch::watches::{Standing, WatchKey, Watches};

/// Keys that one cache may have.
pub const KEYS_PER_CACHE_MAX: usize = 131_072;

/// What a request asks for. First `removed` goes, then `added` comes.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// The watch, by its id on the stream.
    pub watch_id: u64,
    /// Comes back in the answer.
    pub change_id: u64,
    /// Of the strong tier.
    pub domain: DomainId,
    /// The name of `domain`: it comes with the events.
    pub domain_name: String,
    /// Keys to hear of from now on, with what the cache knows of them.
    pub added: Vec<KnownKey>,
    /// Keys to hear of no more.
    pub removed: Vec<Vec<u8>>,
}

/// A key, as a cache knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Which.
    pub key: Vec<u8>,
    /// That of the record that the cache has; 0: it knows that there is none.
    pub mod_revision: Revision,
}

/// Why the keys of a cache are as they were.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefusal {
    /// It ended, perhaps by the member's doing, or never was.
    #[error("the stream has no watch {0} that goes on")]
    NoWatch(u64),
    /// It selects.
    #[error("watch {0} is no cache: it was made without `cache`")]
    NoCache(u64),
    /// Nothing comes of it yet.
    #[error("watch {0} is not there yet: name keys when WatchCreated has come")]
    NotBegun(u64),
    /// A cache has no more keys than this.
    #[error("the cache would have {keys} keys; the limit is {KEYS_PER_CACHE_MAX} (fixed)")]
    TooManyKeys {
        /// How many it would be.
        keys: usize,
    },
    /// The member remembers no more of what is watched.
    #[error("what is watched at this member would have {bytes} bytes; the limit is {SELECTOR_BYTES_MAX} (fixed)")]
    TooLarge {
        /// How many it would be.
        bytes: usize,
    },
    /// It was dropped meanwhile.
    #[error("domain {0:?} was dropped")]
    DomainGone(String),
    /// Its writes would not wait.
    #[error(
        "domain {0:?} is not coherent, so its writes wait for no cache: make it coherent, or use a cache that is not"
    )]
    NotCoherent(String),
}

impl WatchStream {
    /// Changes the keys of a cache, and puts the answer in the outbox. Reads the store: at most once for each key.
    pub(crate) fn change_keys(&self, change: &KeyChange) {
        let hub = self.hub();
        let changed = self.find_cache(change).and_then(|key| {
            self.apply_change(key, change)?;
            Ok((key, differing(hub, change)))
        });
        match changed {
            Ok((key, Err(error))) => hub.end(key, &Ending::Storage(error)),
            Ok((key, Ok((differ, compared)))) => {
                // An event from before the comparison must not come behind its answer: it would fill what the cache dropped
                // with something older.
                if !hub.route_up_to(compared) {
                    let resume = compared.next();
                    return hub.end(key, &Ending::CacheLagged { resume });
                }
                // The lock is held until the answer is in: no event that it covers can come behind it.
                let watches = hub.watches.lock();
                if let Some(watch) = watches.get(key)
                    && let Some(reached) = watches.reached(watch)
                {
                    hub.coherence().compared(key, change, reached);
                    self.outbox().keys_changed(CacheKeysChanged {
                        header: Some((hub.header)(reached)),
                        watch_id: change.watch_id,
                        change_id: change.change_id,
                        revision: reached.0,
                        differ,
                        error: None,
                    });
                }
            }
            Err(refusal) => self.refuse_keys(change.watch_id, change.change_id, refusal.error()),
        }
    }

    /// Says that the keys of a cache are as they were.
    pub(crate) fn refuse_keys(&self, watch_id: u64, change_id: u64, error: Error) {
        self.outbox().keys_changed(CacheKeysChanged {
            watch_id,
            change_id,
            error: Some(error),
            ..CacheKeysChanged::default()
        });
    }

    fn find_cache(&self, change: &KeyChange) -> Result<WatchKey, KeyRefusal> {
        let id = change.watch_id;
        self.outbox().find(id).ok_or(KeyRefusal::NoWatch(id))
    }

    fn apply_change(&self, key: WatchKey, change: &KeyChange) -> Result<(), KeyRefusal> {
        let hub = self.hub();
        let mut watches = hub.watches.lock();
        watches.check_change(key, change)?;
        // Under the lock: from here on the hub looks whether that changes.
        let table = hub.store.domains().load();
        if table.name(change.domain).is_none() {
            return Err(KeyRefusal::DomainGone(change.domain_name.clone()));
        }
        if watches.get(key).is_some_and(|watch| watch.spec.is_coherent()) && !table.is_coherent(change.domain) {
            return Err(KeyRefusal::NotCoherent(change.domain_name.clone()));
        }
        hub.names.learn(&[(change.domain, change.domain_name.clone())]);
        watches.change_keys(key, change);
        Ok(())
    }
}

/// The numbers of the added keys of which this member has another record than the cache, and the revision at which it has.
fn differing(hub: &Hub, change: &KeyChange) -> Result<(Vec<u32>, Revision), StorageError> {
    if change.added.is_empty() {
        return Ok((Vec::new(), Revision(0)));
    }
    let engine = hub.store.engine();
    let view = engine.view();
    let mut differ = Vec::new();
    for (number, known) in (0..).zip(&change.added) {
        let stored = mvcc::record_at(view.as_ref(), change.domain, &known.key, None)?;
        let revision = match &stored {
            Some(stored) => RecordRef::parse(stored)?.mod_revision,
            None => Revision(0),
        };
        if revision != known.mod_revision {
            differ.push(number);
        }
    }
    Ok((differ, Reader::new(view.as_ref()).header()?.revision))
}

impl Watches {
    /// Refuses what the cache must not have. New keys that are named twice count twice.
    fn check_change(&self, key: WatchKey, change: &KeyChange) -> Result<(), KeyRefusal> {
        let id = change.watch_id;
        let watch = self.get(key).ok_or(KeyRefusal::NoWatch(id))?;
        let Some(own) = &watch.cache else {
            return Err(KeyRefusal::NoCache(id));
        };
        if watch.standing != Standing::Live {
            return Err(KeyRefusal::NotBegun(id));
        }
        let added: HashSet<&[u8]> = change.added.iter().map(|known| &known.key[..]).collect();
        let removed: HashSet<&[u8]> = change.removed.iter().map(|key| &key[..]).collect();
        let removed = removed.difference(&added);
        let gone = removed.filter(|key| own.contains(change.domain, key)).count();
        let is_new = |known: &&KnownKey| !own.contains(change.domain, &known.key);
        let new = change.added.iter().filter(is_new);
        let keys = own.len() + new.clone().count();
        if keys > KEYS_PER_CACHE_MAX + gone {
            return Err(KeyRefusal::TooManyKeys { keys: keys - gone });
        }
        // Those of coherent caches that have ended are kept for a while.
        let before = match watch.spec.is_coherent() {
            true => self.selector_bytes().max(self.coherence.bytes()),
            false => self.selector_bytes(),
        };
        let bytes = before + new.map(|known| super::KeySet::cost(&known.key)).sum::<usize>();
        if bytes > SELECTOR_BYTES_MAX {
            return Err(KeyRefusal::TooLarge { bytes });
        }
        Ok(())
    }
}

impl KeyRefusal {
    /// As the wire has it.
    pub fn error(&self) -> Error {
        let (code, field, limit, value) = match self {
            KeyRefusal::NoWatch(id) | KeyRefusal::NoCache(id) | KeyRefusal::NotBegun(id) => {
                (ErrorCode::InvalidArgument, "watch_id", 0, *id)
            }
            KeyRefusal::TooManyKeys { keys } => (ErrorCode::LimitReached, "added", KEYS_PER_CACHE_MAX, *keys as u64),
            KeyRefusal::TooLarge { bytes } => (ErrorCode::LimitReached, "added", SELECTOR_BYTES_MAX, *bytes as u64),
            KeyRefusal::NotCoherent(_) => (ErrorCode::InvalidArgument, "domain", 0, 0),
            KeyRefusal::DomainGone(_) => (ErrorCode::UnknownDomain, "domain", 0, 0),
        };
        Error {
            code: code.into(),
            message: self.to_string(),
            field: field.to_owned(),
            limit: limit as u64,
            value,
            outcome: Outcome::NotApplied.into(),
            ..Error::default()
        }
    }
}
