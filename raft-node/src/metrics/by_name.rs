//! Counts by a name that users choose.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::names::OTHER;

/// How often something happened, by name: those that come first, and the rest together. For what happens seldom: it takes
/// a lock.
#[derive(Debug, Default)]
pub struct ByName(Mutex<BTreeMap<String, u64>>);

impl ByName {
    /// It happened so often under this name.
    pub fn add(&self, name: &str, times: u64) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(name) {
            *count += times;
            return;
        }
        let name = if counts.len() < NAMES_MAX { name } else { OTHER };
        *counts.entry(name.to_owned()).or_default() += times;
    }

    /// Visits every name with its count.
    pub fn each(&self, mut visit: impl FnMut(&str, u64)) {
        for (name, count) in &*self.0.lock() {
            visit(name, *count);
        }
    }
}

/// The most names that are told apart, whatever `metrics.names_max` says.
pub const NAMES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_many_count_together() {
        let counts = ByName::default();
        for number in 0..NAMES_MAX + 3 {
            counts.add(&format!("q-{number}"), 1);
        }
        counts.add("q-7", 4);
        let mut seen = BTreeMap::new();
        counts.each(|name, count| {
            seen.insert(name.to_owned(), count);
        });
        assert_eq!(seen.len(), NAMES_MAX + 1);
        assert_eq!((seen["q-7"], seen[OTHER]), (5, 3));
    }
}
