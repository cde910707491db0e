//! Which keys of a cache its watch hears of, and what may be kept of what was read. Pure.
//!
//! A key is asked for with the record that was read of it. The member adds it, says from which revision `r` on every event
//! of it comes, and whether it has another record. What was read at `R` may be kept if every event after `R` comes, so if
//! `R >= r`; or if the member has the very same record, which it looked up after it had added the key: nothing happened to
//! the key in between. That neither knows a record does not show that: it may have been written and deleted, and the member
//! may have looked further than the events that have come. Everything else is forgotten: the key stays added, and the next
//! event or read brings it in.
//!
//! What waits to be asked for, and what was asked for, is bounded by the keys that are held.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::v1;

use super::entry::Entry;
use super::key::CacheKey;

/// Keys of one request.
pub(super) const REQUEST_KEYS_MAX: usize = 4_096;
/// Requests that are not answered yet.
const REQUESTS_MAX: usize = 4;

/// What becomes of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is kept true from now on.
    Keep(CacheKey, Arc<Entry>),
    /// It is not known to be true.
    Drop(CacheKey),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be asked for.
    Wanted,
    /// Asked for with this request, and as having this record.
    Asked { change_id: u64, named: u64 },
    /// Every event of it after this revision comes.
    Added { since: u64 },
}

/// One key.
#[derive(Debug)]
struct Hold {
    phase: Phase,
    /// What is known of it, while it is not added.
    candidate: Option<Arc<Entry>>,
    /// The newest event of it.
    event_at: u64,
    /// It was held under the watch before this one.
    carried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Add,
    Remove,
}

/// What waits to be asked for in one domain. A key is in `order` at least once for as long as it has a wish.
#[derive(Debug, Default)]
struct Wishes {
    order: VecDeque<Bytes>,
    of_keys: HashMap<Bytes, Wish>,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Change {
    domain: Arc<str>,
    added: Vec<CacheKey>,
    removed: Vec<Bytes>,
}

/// The keys of one watch.
#[derive(Debug)]
pub(super) struct Holds {
    keys: HashMap<CacheKey, Hold>,
    keys_max: usize,
    wishes: BTreeMap<Arc<str>, Wishes>,
    /// The domain that was asked for last: the others have their turn first.
    last_domain: Option<Arc<str>>,
    sent: BTreeMap<u64, Change>,
    last_change: u64,
    /// Keys that were held under the watch before, and are not settled.
    carried: usize,
    /// Keys that were added and have no entry, the oldest first; some may have got one since.
    empty: VecDeque<CacheKey>,
}

impl Holds {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            keys: HashMap::new(),
            keys_max,
            wishes: BTreeMap::new(),
            last_domain: None,
            sent: BTreeMap::new(),
            last_change: 0,
            carried: 0,
            empty: VecDeque::new(),
        }
    }

    /// Something of a key was read. It may be kept at once if it comes back; it is not taken in if there is no room.
    pub(super) fn read(&mut self, key: &CacheKey, entry: Arc<Entry>) -> Option<Settled> {
        let Some(hold) = self.keys.get_mut(key) else {
            self.want(key, entry, false);
            return None;
        };
        match hold.phase {
            // What it is asked for with is as good.
            Phase::Wanted | Phase::Asked { .. } => None,
            // Something newer came, and went again.
            Phase::Added { .. } if entry.known_at < hold.event_at => None,
            Phase::Added { since } if entry.known_at >= since => Some(Settled::Keep(key.clone(), entry)),
            Phase::Added { .. } => {
                hold.phase = Phase::Wanted;
                hold.candidate = Some(entry);
                self.wish(key, Wish::Add);
                None
            }
        }
    }

    /// A new watch is there, and this was held under the one before. False: there is no room.
    pub(super) fn carry(&mut self, key: &CacheKey, entry: Arc<Entry>) -> bool {
        self.want(key, entry, true)
    }

    fn want(&mut self, key: &CacheKey, entry: Arc<Entry>, carried: bool) -> bool {
        if self.keys.len() >= self.keys_max {
            return false;
        }
        let hold = Hold {
            phase: Phase::Wanted,
            candidate: Some(entry),
            event_at: 0,
            carried,
        };
        self.carried += usize::from(carried);
        self.keys.insert(key.clone(), hold);
        self.wish(key, Wish::Add);
        true
    }

    /// An event of a key. What comes back is to replace what is held, unless that is as new.
    pub(super) fn event(&mut self, key: &CacheKey, entry: Arc<Entry>) -> Option<Settled> {
        let hold = self.keys.get_mut(key)?;
        hold.event_at = hold.event_at.max(entry.known_at);
        if let Phase::Added { .. } = hold.phase {
            return Some(Settled::Keep(key.clone(), entry));
        }
        if hold
            .candidate
            .as_ref()
            .is_some_and(|candidate| candidate.known_at < entry.known_at)
        {
            hold.candidate = Some(entry);
        }
        None
    }

    /// It is held no longer.
    pub(super) fn remove(&mut self, key: &CacheKey) {
        if let Some(hold) = self.keys.remove(key) {
            self.carried -= usize::from(hold.carried);
            self.wish(key, Wish::Remove);
        }
    }

    fn wish(&mut self, key: &CacheKey, wish: Wish) {
        let wishes = self.wishes.entry(Arc::clone(&key.domain)).or_default();
        if wishes.of_keys.insert(key.key.clone(), wish).is_none() {
            wishes.order.push_back(key.key.clone());
        }
    }

    /// The next request, without the id of the watch; none if there is nothing to ask for, or enough is not answered.
    pub(super) fn next_request(&mut self) -> Option<v1::CacheKeys> {
        if self.sent.len() >= REQUESTS_MAX {
            return None;
        }
        let domain = self.next_domain()?;
        self.last_change += 1;
        let mut request = v1::CacheKeys {
            change_id: self.last_change,
            domain: domain.to_string(),
            ..Default::default()
        };
        let mut change = Change {
            domain: Arc::clone(&domain),
            added: Vec::new(),
            removed: Vec::new(),
        };
        let wishes = self.wishes.get_mut(&domain)?;
        while request.added.len() + request.removed.len() < REQUEST_KEYS_MAX {
            let Some(bytes) = wishes.order.pop_front() else {
                break;
            };
            let Some(wish) = wishes.of_keys.remove(&bytes) else {
                continue;
            };
            let key = CacheKey {
                domain: Arc::clone(&domain),
                key: bytes,
            };
            match (wish, self.keys.get_mut(&key)) {
                (Wish::Remove, _) => {
                    request.removed.push(key.key.clone());
                    change.removed.push(key.key);
                }
                (Wish::Add, Some(hold)) => {
                    let named = hold.candidate.as_ref().map_or(0, |candidate| candidate.mod_revision());
                    hold.phase = Phase::Asked {
                        change_id: request.change_id,
                        named,
                    };
                    request.added.push(v1::CacheKey {
                        key: key.key.clone(),
                        mod_revision: named,
                    });
                    change.added.push(key);
                }
                (Wish::Add, None) => {}
            }
        }
        if wishes.order.is_empty() {
            self.wishes.remove(&domain);
        }
        self.last_domain = Some(domain);
        self.sent.insert(request.change_id, change);
        Some(request)
    }

    fn next_domain(&self) -> Option<Arc<str>> {
        let after = self.last_domain.as_ref().and_then(|last| {
            let bounds = (Bound::Excluded(Arc::clone(last)), Bound::Unbounded);
            self.wishes.range(bounds).next()
        });
        let (domain, _) = after.or_else(|| self.wishes.first_key_value())?;
        Some(Arc::clone(domain))
    }

    /// The answer of a request came: every event of its keys after `revision` comes, and of those in `differ` the member has
    /// another record. False: there was no such request.
    pub(super) fn changed(
        &mut self,
        change_id: u64,
        revision: u64,
        differ: &[u32],
        settled: &mut Vec<Settled>,
    ) -> bool {
        let Some(change) = self.sent.remove(&change_id) else {
            return false;
        };
        let differ: HashSet<usize> = differ.iter().map(|index| *index as usize).collect();
        for (index, key) in change.added.into_iter().enumerate() {
            // Otherwise it was removed since, or removed and asked for again.
            let Some(hold) = self.keys.get_mut(&key) else { continue };
            let Phase::Asked {
                change_id: asked,
                named,
            } = hold.phase
            else {
                continue;
            };
            if asked != change_id {
                continue;
            }
            hold.phase = Phase::Added { since: revision };
            self.carried -= usize::from(std::mem::take(&mut hold.carried));
            let is_same = |entry: &Entry| named != 0 && entry.mod_revision() == named && !differ.contains(&index);
            let is_true = |entry: &Entry| entry.known_at >= revision || is_same(entry);
            settled.push(match hold.candidate.take() {
                Some(entry) if is_true(&entry) => Settled::Keep(key, entry),
                _ => Settled::Drop(key),
            });
        }
        true
    }

    /// The member refused a request: none of its keys is held. Returns their domain.
    pub(super) fn refused(&mut self, change_id: u64, settled: &mut Vec<Settled>) -> Option<Arc<str>> {
        let change = self.sent.remove(&change_id)?;
        let request_was_only_removals = change.added.is_empty();
        for key in change.added {
            let asked = |hold: &Hold| matches!(hold.phase, Phase::Asked { change_id: asked, .. } if asked == change_id);
            if !self.keys.get(&key).is_some_and(asked) {
                continue;
            }
            if let Some(hold) = self.keys.remove(&key) {
                self.carried -= usize::from(hold.carried);
            }
            settled.push(Settled::Drop(key));
        }
        // The member changed nothing at all. What is to go may be why; that it goes alone is not refused for what was to come.
        if !request_was_only_removals {
            for key in change.removed {
                let key = CacheKey {
                    domain: Arc::clone(&change.domain),
                    key,
                };
                if !self.keys.contains_key(&key) {
                    self.wish(&key, Wish::Remove);
                }
            }
        }
        Some(change.domain)
    }

    /// A key that was added turned out to have no entry. Returns one for which the same was found so long ago that it is heard
    /// of no more, unless it has one by now: those without are at most `empty_max`.
    pub(super) fn found_empty(&mut self, key: &CacheKey, empty_max: usize) -> Option<CacheKey> {
        if self.keys.contains_key(key) {
            self.empty.push_back(key.clone());
        }
        if self.empty.len() > empty_max {
            return self.empty.pop_front();
        }
        None
    }

    /// Every key, for those who look for some.
    pub(super) fn keys(&self) -> impl Iterator<Item = &CacheKey> {
        self.keys.keys()
    }

    /// The watch is gone, and everything with it.
    pub(super) fn clear(&mut self) {
        *self = Self {
            // What comes late for an earlier request finds nothing.
            last_change: self.last_change,
            ..Self::new(self.keys_max)
        };
    }

    /// Whether everything that was held under the watch before is known to be true, or dropped.
    pub(super) fn is_settled(&self) -> bool {
        self.carried == 0
    }

    /// Whether every key is known to the member, and nothing else is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.wishes.is_empty() && self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::settings::Coherence;
    use crate::record::Record;

    fn key(domain: &str, name: &str) -> CacheKey {
        CacheKey::new(&Arc::from(domain), name.as_bytes())
    }

    /// A record of revision `mod_revision`, 0 for none, as it was read at `known_at`.
    fn entry(mod_revision: u64, known_at: u64) -> Arc<Entry> {
        let record = (mod_revision != 0).then(|| Record {
            mod_revision,
            ..Record::default()
        });
        let times = (0, u64::MAX);
        Arc::new(Entry::new(
            &Bytes::new(),
            record,
            known_at,
            times,
            1,
            Coherence::Eventual,
        ))
    }

    fn answer(holds: &mut Holds, revision: u64, differ: &[u32]) -> Vec<Settled> {
        let request = holds.next_request().unwrap();
        let mut settled = Vec::new();
        assert!(holds.changed(request.change_id, revision, differ, &mut settled));
        settled
    }

    #[test]
    fn a_record_that_does_not_differ_is_kept_and_one_that_does_only_if_it_was_read_later() {
        let key = key("default", "a");
        // Read at 5; the member tells what comes after 7, or after 4.
        let cases = [
            (entry(3, 5), 7, &[][..], true),
            (entry(3, 5), 7, &[0], false),
            (entry(3, 5), 4, &[0], true),
            // An absence may have been filled and emptied meanwhile.
            (entry(0, 5), 7, &[], false),
            (entry(0, 5), 5, &[], true),
        ];
        for (entry, revision, differ, is_kept) in cases {
            let mut holds = Holds::new(10);
            assert_eq!(holds.read(&key, Arc::clone(&entry)), None);
            let expected = match is_kept {
                true => Settled::Keep(key.clone(), entry),
                false => Settled::Drop(key.clone()),
            };
            assert_eq!(answer(&mut holds, revision, differ), [expected]);
            assert!(holds.is_quiet());
        }
    }

    #[test]
    fn a_key_that_is_added_takes_in_a_later_read_without_asking_and_no_earlier_one() {
        let key = key("default", "a");
        let mut holds = Holds::new(10);
        holds.read(&key, entry(3, 5));
        assert_eq!(answer(&mut holds, 7, &[0]), [Settled::Drop(key.clone())]);
        let later = entry(6, 8);
        assert_eq!(
            holds.read(&key, Arc::clone(&later)),
            Some(Settled::Keep(key.clone(), later))
        );
        let event = entry(9, 9);
        assert!(holds.event(&key, event).is_some());
        assert_eq!(holds.read(&key, entry(6, 8)), None, "something newer came and went");
        assert!(holds.is_quiet());
        let mut holds = Holds::new(10);
        holds.read(&key, entry(3, 5));
        answer(&mut holds, 7, &[0]);
        assert_eq!(holds.read(&key, entry(6, 6)), None, "events up to 7 are not all here");
        assert_eq!(holds.next_request().unwrap().added[0].mod_revision, 6);
    }

    #[test]
    fn what_changes_while_a_key_is_asked_for_is_what_is_kept() {
        let key = key("default", "a");
        let mut holds = Holds::new(10);
        holds.read(&key, entry(3, 5));
        let request = holds.next_request().unwrap();
        let event = entry(8, 8);
        assert_eq!(holds.event(&key, Arc::clone(&event)), None);
        let mut settled = Vec::new();
        holds.changed(request.change_id, 6, &[0], &mut settled);
        assert_eq!(settled, [Settled::Keep(key, event)]);
    }

    #[test]
    fn an_answer_for_a_key_that_was_removed_and_asked_for_again_says_nothing() {
        let key = key("default", "a");
        let mut holds = Holds::new(10);
        holds.read(&key, entry(3, 5));
        let first = holds.next_request().unwrap();
        holds.remove(&key);
        holds.read(&key, entry(3, 5));
        let second = holds.next_request().unwrap();
        assert_eq!((second.added.len(), second.removed.len()), (1, 0));
        let mut settled = Vec::new();
        holds.changed(first.change_id, 6, &[], &mut settled);
        assert_eq!(settled, []);
        holds.changed(second.change_id, 6, &[], &mut settled);
        assert_eq!(settled.len(), 1);
        assert!(!holds.changed(second.change_id, 6, &[], &mut settled));
    }

    #[test]
    fn requests_are_bounded_in_size_and_number_and_domains_take_turns() {
        let mut holds = Holds::new(10_000);
        for index in 0..5_000 {
            holds.read(&key("a", &index.to_string()), entry(3, 5));
        }
        holds.read(&key("b", "0"), entry(3, 5));
        let requests: Vec<_> = std::iter::from_fn(|| holds.next_request()).collect();
        let shape: Vec<_> = requests
            .iter()
            .map(|request| (&request.domain[..], request.added.len()))
            .collect();
        assert_eq!(shape, [("a", REQUEST_KEYS_MAX), ("b", 1), ("a", 904)]);
        for round in 0..5 {
            holds.read(&key(&format!("c{round}"), "0"), entry(3, 5));
        }
        assert!(holds.next_request().is_some());
        assert!(holds.next_request().is_none(), "four are not answered");
    }

    #[test]
    fn what_was_to_go_with_a_refused_request_goes_alone_and_then_is_given_up() {
        let mut holds = Holds::new(10);
        holds.read(&key("default", "a"), entry(3, 5));
        answer(&mut holds, 5, &[]);
        holds.remove(&key("default", "a"));
        holds.read(&key("default", "b"), entry(3, 5));
        let both = holds.next_request().unwrap();
        assert_eq!((both.added.len(), both.removed.len()), (1, 1));
        holds.refused(both.change_id, &mut Vec::new());
        let alone = holds.next_request().unwrap();
        assert_eq!((alone.added.len(), alone.removed), (0, vec![Bytes::from("a")]));
        holds.refused(alone.change_id, &mut Vec::new());
        assert!(holds.is_quiet());
    }

    #[test]
    fn of_keys_without_an_entry_the_oldest_is_named_when_there_are_too_many() {
        let mut holds = Holds::new(10);
        let keys: Vec<CacheKey> = (0..3).map(|number| key("default", &number.to_string())).collect();
        for key in &keys {
            holds.read(key, entry(0, 5));
        }
        let settled = answer(&mut holds, 7, &[]);
        assert_eq!(settled, keys.iter().cloned().map(Settled::Drop).collect::<Vec<_>>());
        assert_eq!(holds.found_empty(&keys[0], 2), None);
        assert_eq!(holds.found_empty(&keys[1], 2), None);
        assert_eq!(holds.found_empty(&keys[2], 2), Some(keys[0].clone()));
        assert_eq!(holds.found_empty(&key("default", "refused"), 2), None, "it is not held");
    }

    #[test]
    fn no_more_keys_are_held_than_there_is_room_for_and_refused_ones_leave_theirs() {
        let mut holds = Holds::new(1);
        holds.read(&key("default", "a"), entry(3, 5));
        holds.read(&key("default", "b"), entry(3, 5));
        let request = holds.next_request().unwrap();
        assert_eq!(request.added.len(), 1);
        let mut settled = Vec::new();
        let domain = holds.refused(request.change_id, &mut settled);
        assert_eq!(domain.as_deref(), Some("default"));
        assert_eq!(settled, [Settled::Drop(key("default", "a"))]);
        holds.read(&key("default", "b"), entry(3, 5));
        assert_eq!(holds.next_request().unwrap().added[0].key, "b");
    }
}
