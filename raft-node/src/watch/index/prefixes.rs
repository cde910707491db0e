//! A map from prefixes, asked by key.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Finds the prefixes of a key without looking at the others.
#[derive(Debug)]
pub struct Prefixes<T>(BTreeMap<Vec<u8>, T>);

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Prefixes<T> {
    /// Nobody wants anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands under exactly this prefix, made if need be.
    pub fn entry(&mut self, prefix: &[u8]) -> &mut T
    where
        T: Default,
    {
        // Most are there already: do not copy the prefix for those.
        if !self.0.contains_key(prefix) {
            self.0.insert(prefix.to_vec(), T::default());
        }
        self.0.entry(prefix.to_vec()).or_default()
    }

    /// Changes what stands under exactly this prefix, and forgets it if `change` says that it is empty now.
    pub fn shrink(&mut self, prefix: &[u8], change: impl FnOnce(&mut T) -> bool) {
        if self.0.get_mut(prefix).is_some_and(change) {
            self.0.remove(prefix);
        }
    }

    /// Visits what stands under each prefix of the key, the longest first.
    ///
    /// The greatest entry at or before a bound is a prefix of the key, or everything between their common part and it is
    /// not: either way the bound shrinks, and each step is one search. There are as many steps as there are prefixes, and
    /// at most one more for each byte of the key.
    pub fn visit(&self, key: &[u8], mut visit: impl FnMut(&T)) {
        let mut bound = key;
        while let Some((prefix, value)) = self.up_to(bound) {
            let common = common_bytes(prefix, key);
            if common == prefix.len() {
                visit(value);
                if prefix.is_empty() {
                    return;
                }
                bound = &key[..common - 1];
            } else {
                // The entry is less than the bound and leaves the key at `common`: prefixes of the key that are longer
                // than that would come after it.
                bound = &key[..common];
            }
        }
    }
}

impl<T> Prefixes<T> {
    /// The greatest entry at or before a bound.
    fn up_to(&self, bound: &[u8]) -> Option<(&Vec<u8>, &T)> {
        let range = (Bound::Unbounded, Bound::Included(bound));
        self.0.range::<[u8], _>(range).next_back()
    }
}

fn common_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_prefix_of_a_key_is_found_and_nothing_else(
            prefixes in prop::collection::btree_set(prop::collection::vec(0_u8..3, 0..6), 0..12),
            key in prop::collection::vec(0_u8..3, 0..8),
        ) {
            let mut map = Prefixes::<Vec<Vec<u8>>>::default();
            for prefix in &prefixes {
                map.entry(prefix).push(prefix.clone());
            }
            let mut found = Vec::new();
            map.visit(&key, |value| found.extend(value.iter().cloned()));
            found.reverse();
            let expected: Vec<_> = prefixes.iter().filter(|prefix| key.starts_with(prefix)).cloned().collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_empty_is_forgotten() {
        let mut map = Prefixes::<Vec<u8>>::default();
        map.entry(b"a").push(1);
        map.shrink(b"b", |_| true);
        map.shrink(b"a", |value| {
            value.clear();
            value.is_empty()
        });
        assert!(map.is_empty());
    }
}
