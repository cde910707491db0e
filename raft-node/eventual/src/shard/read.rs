//! What a key holds now.

use super::{Fetched, Shard};
use crate::actor::ActorId;
use crate::context::Context;
use crate::entry::{Entry, Sibling};
use crate::key::Place;

/// What a key holds: copies that cost a count each, so that nothing is decided under the shard's lock.
#[derive(Clone, Debug)]
pub struct Held {
    /// The values that have not ended, each with the actor that wrote it. Some may be cold: see [`Held::fill`].
    pub siblings: Vec<(ActorId, Sibling)>,
    /// To replace exactly what was read.
    pub context: Context,
}

impl Held {
    /// Some value is on the disk alone.
    pub fn is_cold(&self) -> bool {
        self.siblings.iter().any(|(_, sibling)| sibling.value.is_cold())
    }

    /// Puts these values in their places. False if some value is still missing.
    pub fn fill(&mut self, fetched: &Fetched) -> bool {
        fetched.fill(self.siblings.iter_mut().map(|(_, sibling)| sibling));
        !self.is_cold()
    }
}

impl Shard {
    /// What a key holds. A context comes also with nothing: it says what was seen to be gone.
    pub fn read(&self, place: &Place, now_ms: u64) -> Held {
        match self.find(place.hash, place.bytes()) {
            Some(slot) => self.held(Some(&self.entries[slot as usize]), now_ms),
            None => self.held(None, now_ms),
        }
    }

    fn held(&self, entry: Option<&Entry>, now_ms: u64) -> Held {
        let siblings: Vec<(ActorId, Sibling)> = entry
            .into_iter()
            .flat_map(Entry::siblings)
            .filter(|sibling| !sibling.life.is_over(now_ms))
            .map(|sibling| (self.actors.id(sibling.dot.actor()), sibling.clone()))
            .collect();
        let dots = siblings
            .iter()
            .map(|(actor, sibling)| (*actor, sibling.dot.number()))
            .collect();
        let clock = self
            .clock
            .iter()
            .map(|(actor, number)| (self.actors.id(actor), number))
            .collect();
        Held {
            siblings,
            context: Context::new(dots, clock),
        }
    }

    /// The elements of a set or a map, each with what it holds, by element.
    pub fn read_elements(&self, collection: &Place, now_ms: u64) -> Vec<(Box<[u8]>, Held)> {
        let Some(elements) = self.collections.get(collection.bytes()) else {
            return Vec::new();
        };
        let mut bytes = collection.bytes().to_vec();
        let mut held = Vec::with_capacity(elements.len());
        for element in elements {
            bytes.truncate(collection.bytes().len());
            bytes.extend_from_slice(element);
            let slot = self.find(xxhash_rust::xxh3::xxh3_64(&bytes), &bytes);
            let read = self.held(slot.map(|slot| &self.entries[slot as usize]), now_ms);
            if !read.siblings.is_empty() {
                held.push((element.clone(), read));
            }
        }
        held
    }

    /// Whether a set or a map has an element that has not ended.
    pub fn holds_elements(&self, collection: &Place, now_ms: u64) -> bool {
        let mut bytes = collection.bytes().to_vec();
        let mut elements = self.collections.get(collection.bytes()).into_iter().flatten();
        elements.any(|element| {
            bytes.truncate(collection.bytes().len());
            bytes.extend_from_slice(element);
            let slot = self.find(xxhash_rust::xxh3::xxh3_64(&bytes), &bytes);
            let entry = slot.map(|slot| &self.entries[slot as usize]);
            entry.is_some_and(|entry| entry.siblings().any(|sibling| !sibling.life.is_over(now_ms)))
        })
    }

    /// Keys of entries, and of collections once each, for which `wanted` holds, by their bytes. `wanted` is shown the bytes of
    /// the key up to its element.
    pub fn matching(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> Vec<Box<[u8]>> {
        let mut found: Vec<Box<[u8]>> = self.collections.keys().filter(|name| wanted(name)).cloned().collect();
        for entry in self.entries() {
            let bytes = entry.key.bytes();
            if entry.key.address().element.is_none() && wanted(bytes) {
                found.push(bytes.into());
            }
        }
        found.sort_unstable();
        found
    }
}
