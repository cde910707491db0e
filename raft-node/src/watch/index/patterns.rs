//! Patterns, asked by key.

use super::prefixes::Prefixes;
use crate::mvcc::Selector;

/// Finds the patterns that match a key. They are told apart by what stands before their first wildcard and behind their
/// last one; only those of which both fit are matched in full, each once however many want it.
#[derive(Debug)]
pub struct Patterns<T>(Prefixes<Prefixes<Vec<(Selector, T)>>>);

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self(Prefixes::default())
    }
}

impl<T: Default> Patterns<T> {
    /// Nobody wants anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands under exactly this pattern, made if need be.
    pub fn entry(&mut self, pattern: &str) -> &mut T {
        let (head, tail) = ends(pattern);
        let alike = self.0.entry(head).entry(&tail);
        let place = alike.iter().position(|(selector, _)| is(selector, pattern));
        let place = place.unwrap_or_else(|| {
            alike.push((Selector::Pattern(pattern.to_owned()), T::default()));
            alike.len() - 1
        });
        &mut alike[place].1
    }

    /// Changes what stands under exactly this pattern, and forgets it if `change` says that it is empty now.
    pub fn shrink(&mut self, pattern: &str, change: impl FnOnce(&mut T) -> bool) {
        let (head, tail) = ends(pattern);
        self.0.shrink(head, |tails| {
            tails.shrink(&tail, |alike| {
                let found = alike.iter_mut().position(|(selector, _)| is(selector, pattern));
                if let Some(place) = found
                    && change(&mut alike[place].1)
                {
                    alike.swap_remove(place);
                }
                alike.is_empty()
            });
            tails.is_empty()
        });
    }

    /// Visits what stands under each pattern that matches the key. `reversed` is the key from its last byte to its first.
    pub fn visit(&self, key: &[u8], reversed: &[u8], mut visit: impl FnMut(&T)) {
        self.0.visit(key, |tails| {
            tails.visit(reversed, |alike| {
                for (selector, value) in alike {
                    if selector.matches(key) {
                        visit(value);
                    }
                }
            });
        });
    }
}

fn is(selector: &Selector, pattern: &str) -> bool {
    matches!(selector, Selector::Pattern(own) if own == pattern)
}

/// What stands before the first wildcard, and, from its last byte to its first, what stands behind the last one.
fn ends(pattern: &str) -> (&[u8], Vec<u8>) {
    let head = pattern.split('*').next().unwrap_or_default().as_bytes();
    let tail = pattern.rsplit('*').next().unwrap_or_default().as_bytes();
    (head, tail.iter().rev().copied().collect())
}
