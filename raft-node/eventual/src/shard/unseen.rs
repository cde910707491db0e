//! What those who watch were not told of yet.

use super::Shard;
use crate::key::Key;

/// Keys that are noted before somebody takes them. Past it, it is only remembered that there were more.
const UNSEEN_KEYS_MAX: usize = 16_384;

/// A key that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnseenKey {
    /// Of a set or a map, that of the element.
    pub key: Key,
    /// The last that happened to it: a value ended.
    pub ended: bool,
}

/// What changed since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// In the order in which they changed, some perhaps twice.
    pub keys: Vec<UnseenKey>,
    /// Others changed as well, and which they were is not known any more.
    pub more: bool,
}

/// Takes notes.
#[derive(Debug, Default)]
pub(super) struct Noting(Unseen);

impl Noting {
    pub(super) fn note(&mut self, key: &Key, ended: bool) {
        let Unseen { keys, more } = &mut self.0;
        // A key that is written over and over is noted once.
        if let Some(last) = keys.last_mut()
            && last.key == *key
        {
            last.ended = ended;
            return;
        }
        if keys.len() >= UNSEEN_KEYS_MAX {
            *more = true;
            return;
        }
        keys.push(UnseenKey {
            key: key.clone(),
            ended,
        });
    }
}

impl Shard {
    /// Whether keys that change are noted for [`Shard::take_unseen`].
    pub fn watch(&mut self, watched: bool) {
        match (watched, &self.unseen) {
            (true, None) => self.unseen = Some(Noting::default()),
            (false, Some(_)) => self.unseen = None,
            _ => {}
        }
    }

    /// What changed since the last call; nothing unless it is watched.
    pub fn take_unseen(&mut self) -> Unseen {
        self.unseen
            .as_mut()
            .map(|noting| std::mem::take(&mut noting.0))
            .unwrap_or_default()
    }

    /// A value of the key ended, which it was just noted for.
    pub(super) fn note_ended(&mut self, key: &Key) {
        if let Some(noting) = &mut self.unseen {
            noting.note(key, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Place, Space};

    fn key(name: &str) -> Key {
        Key::keep(&Place::of(Address {
            domain: 1,
            space: Space::Register,
            name: name.as_bytes(),
            element: None,
        }))
    }

    #[test]
    fn a_key_that_changes_over_and_over_is_noted_once_with_the_last_that_happened() {
        let mut noting = Noting::default();
        noting.note(&key("a"), false);
        noting.note(&key("a"), false);
        noting.note(&key("a"), true);
        noting.note(&key("b"), false);
        let noted: Vec<_> = noting.0.keys.iter().map(|noted| (&noted.key, noted.ended)).collect();
        assert_eq!(noted, [(&key("a"), true), (&key("b"), false)]);
    }

    #[test]
    fn past_the_bound_it_is_only_known_that_there_was_more() {
        let mut noting = Noting::default();
        for number in 0..=UNSEEN_KEYS_MAX {
            noting.note(&key(&number.to_string()), false);
        }
        assert_eq!((noting.0.keys.len(), noting.0.more), (UNSEEN_KEYS_MAX, true));
    }
}
