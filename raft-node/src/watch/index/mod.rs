//! Who watches a key: what an event costs depends on the watches that match it, not on how many there are.

mod intervals;
mod patterns;
mod prefixes;

use std::collections::HashMap;

use intervals::Intervals;
use patterns::Patterns;
use prefixes::Prefixes;

use crate::mvcc::Selector;
use crate::types::Space;

/// Watches by what they select. A watch is a number that means something to the owner of the index.
#[derive(Debug, Default)]
pub struct Index {
    spaces: HashMap<Space, Names>,
    reversed: Vec<u8>,
}

/// Watches of one space.
#[derive(Debug, Default)]
struct Names {
    exact: HashMap<Vec<u8>, Vec<usize>>,
    prefixes: Prefixes<Vec<usize>>,
    patterns: Patterns<Vec<usize>>,
    intervals: Intervals<Vec<usize>>,
}

impl Index {
    /// From now on `watch` is found for what the selector selects in the space.
    pub fn insert(&mut self, space: Space, selector: &Selector, watch: usize) {
        let names = self.spaces.entry(space).or_default();
        let watches = match selector {
            Selector::Key(key) => names.key(key),
            Selector::Prefix(prefix) => names.prefixes.entry(prefix),
            Selector::Interval { start, end } => names.intervals.entry(start, end),
            Selector::Pattern(pattern) => names.patterns.entry(pattern),
        };
        watches.push(watch);
    }

    /// Undoes one insertion.
    pub fn remove(&mut self, space: Space, selector: &Selector, watch: usize) {
        let Some(names) = self.spaces.get_mut(&space) else {
            return;
        };
        let forget = |watches: &mut Vec<usize>| forget(watches, watch);
        match selector {
            Selector::Key(key) => names.forget_key(key, forget),
            Selector::Prefix(prefix) => names.prefixes.shrink(prefix, forget),
            Selector::Interval { start, end } => names.intervals.shrink(start, end, forget),
            Selector::Pattern(pattern) => names.patterns.shrink(pattern, forget),
        }
        if names.is_empty() {
            self.spaces.remove(&space);
        }
    }

    /// From now on `watch` is found for this key.
    pub fn insert_key(&mut self, space: Space, key: &[u8], watch: usize) {
        self.spaces.entry(space).or_default().key(key).push(watch);
    }

    /// Undoes one insertion of a key.
    pub fn remove_key(&mut self, space: Space, key: &[u8], watch: usize) {
        let Some(names) = self.spaces.get_mut(&space) else {
            return;
        };
        names.forget_key(key, |watches| forget(watches, watch));
        if names.is_empty() {
            self.spaces.remove(&space);
        }
    }

    /// Adds the watches that select this name to `found`, which is left sorted and without duplicates.
    pub fn find(&mut self, space: Space, name: &[u8], found: &mut Vec<usize>) {
        let Some(names) = self.spaces.get_mut(&space) else {
            return;
        };
        let mut sources = 0;
        let mut add = |watches: &Vec<usize>| {
            sources += 1;
            found.extend_from_slice(watches);
        };
        if let Some(watches) = names.exact.get(name) {
            add(watches);
        }
        names.prefixes.visit(name, &mut add);
        if !names.patterns.is_empty() {
            self.reversed.clear();
            self.reversed.extend(name.iter().rev());
            names.patterns.visit(name, &self.reversed, &mut add);
        }
        names.intervals.visit(name, &mut add);
        if sources > 0 {
            found.sort_unstable();
            found.dedup();
        }
    }
}

/// Takes a watch out; whether none is left.
fn forget(watches: &mut Vec<usize>, watch: usize) -> bool {
    if let Some(place) = watches.iter().position(|one| *one == watch) {
        watches.swap_remove(place);
    }
    watches.is_empty()
}

impl Names {
    /// Those who watch exactly this name.
    fn key(&mut self, key: &[u8]) -> &mut Vec<usize> {
        self.exact.entry(key.to_vec()).or_default()
    }

    fn forget_key(&mut self, key: &[u8], forget: impl FnOnce(&mut Vec<usize>) -> bool) {
        if self.exact.get_mut(key).is_some_and(forget) {
            self.exact.remove(key);
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty() && self.patterns.is_empty() && self.intervals.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::DomainId;

    fn name() -> impl Strategy<Value = Vec<u8>> {
        "[ab/]{0,5}".prop_map(String::into_bytes)
    }

    fn selector() -> impl Strategy<Value = Selector> {
        prop_oneof![
            name().prop_map(Selector::Key),
            name().prop_map(Selector::Prefix),
            "[ab/*]{1,6}".prop_map(Selector::Pattern),
            (name(), name()).prop_map(|(start, end)| Selector::Interval { start, end }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn the_watches_of_a_name_are_those_whose_selectors_match_it(
            watches in prop::collection::vec((0_usize..4, any::<bool>(), selector()), 0..16),
            removed in 0_usize..8,
            elsewhere in any::<bool>(),
            name in name(),
        ) {
            let space = |keys: bool| if keys { Space::Keys(DomainId(1)) } else { Space::Locks };
            let mut index = Index::default();
            for (watch, keys, selector) in &watches {
                index.insert(space(*keys), selector, *watch);
            }
            index.find(space(true), &name, &mut Vec::new());
            for (watch, keys, selector) in watches.iter().take(removed) {
                index.remove(space(*keys), selector, *watch);
            }
            let mut found = Vec::new();
            index.find(space(elsewhere), &name, &mut found);
            let matching = watches.iter().skip(removed).filter(|(_, keys, selector)| {
                *keys == elsewhere && selector.matches(&name)
            });
            let mut expected: Vec<usize> = matching.map(|(watch, ..)| *watch).collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(found, expected);
            for (watch, keys, selector) in watches.iter().skip(removed) {
                index.remove(space(*keys), selector, *watch);
            }
            prop_assert!(index.spaces.is_empty(), "nothing is kept of watches that are gone");
        }
    }
}
