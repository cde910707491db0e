//! One value in the place of the only one there: by far the most frequent change, here and of peers.

use super::Shard;
use crate::dot::Dot;
use crate::entry::Sibling;
use crate::key::Key;

impl Shard {
    /// The operation supersedes the only value of the entry, and nothing else.
    pub(super) fn supersedes_the_only(&self, slot: u32, superseded: &[Dot]) -> bool {
        let entry = &self.entries[slot as usize];
        matches!(superseded, [only] if entry.len() == 1 && entry.get(*only).is_some())
    }

    /// Puts a value in the place of the only one of an entry. Returns the key, which the entry shares, and the value before.
    pub(super) fn replace_only(&mut self, slot: u32, sibling: Sibling) -> (Key, Sibling) {
        let (dot, expires_at_ms) = (sibling.dot, sibling.life.expires_at_ms());
        let ends = sibling.life.ends();
        self.count_unflushed(&sibling);
        // What else the entry costs stays as it is.
        let after = sibling.bytes();
        let entry = &mut self.entries[slot as usize];
        let old = entry.replace_only(sibling);
        let key = entry.key.clone();
        self.counts.resize(key.domain(), old.bytes(), after);
        self.forget_cold(key.domain(), &old);
        self.digest ^= self.dot_digest(key.hash(), old.dot, old.life.ends()) ^ self.dot_digest(key.hash(), dot, ends);
        if old.life.ends() {
            self.endings.remove(&(old.life.expires_at_ms(), slot));
        }
        self.note_ending(expires_at_ms, slot);
        self.use_slot(slot);
        (key, old)
    }
}
