//! What this memory has seen of keys that many write, so that its own writes replace that and nothing else.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::eventual::EventualContext;

/// Keys that are remembered. One that is forgotten costs a sibling, which the next read resolves.
const KEYS_MAX: usize = 4_096;

/// The context of each key, the oldest forgotten first.
#[derive(Debug, Default)]
pub(super) struct Contexts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    contexts: HashMap<String, EventualContext>,
    order: VecDeque<String>,
}

impl Contexts {
    pub(super) fn get(&self, key: &str) -> Option<EventualContext> {
        self.0.lock().contexts.get(key).cloned()
    }

    pub(super) fn set(&self, key: &str, context: EventualContext) {
        let mut known = self.0.lock();
        if let Some(there) = known.contexts.get_mut(key) {
            *there = context;
            return;
        }
        if known.order.len() >= KEYS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.contexts.remove(&oldest);
        }
        known.order.push_back(key.to_owned());
        known.contexts.insert(key.to_owned(), context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_is_forgotten_when_there_are_too_many() {
        let contexts = Contexts::default();
        let of = |number: usize| EventualContext::from_bytes(number.to_string());
        for number in 0..=KEYS_MAX {
            contexts.set(&number.to_string(), of(number));
            contexts.set("1", of(number));
        }
        assert_eq!(contexts.get("0"), None);
        assert_eq!(contexts.get("1"), Some(of(KEYS_MAX)));
        assert_eq!(contexts.0.lock().order.len(), KEYS_MAX);
    }
}
