//! What a watch is about.

use quorate_proto::v1;

use crate::record::Keys;

/// What is watched: keys, or leases, locks, queues, workers or tasks by name. Text stands for a pattern of keys.
///
/// In a pattern `*` stands for anything within a path segment, `**` across segments. Where names are asked for, text stands
/// for that one name; [`Keys::pattern`], [`Keys::prefix`] and [`Keys::all`] select many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    space: v1::WatchSpace,
    domain: Option<String>,
    keys: Keys,
}

impl Watched {
    fn of(space: v1::WatchSpace, keys: Keys) -> Self {
        let domain = None;
        Self { space, domain, keys }
    }

    /// Keys.
    pub fn keys(keys: impl Into<Keys>) -> Self {
        Self::of(v1::WatchSpace::Keys, keys.into())
    }

    /// Leases: granted, revoked, expired. Their names are their ids in decimal.
    pub fn leases(ids: impl Into<Keys>) -> Self {
        Self::of(v1::WatchSpace::Leases, ids.into())
    }

    /// One lease.
    pub fn lease(id: u64) -> Self {
        Self::leases(id.to_string())
    }

    /// Locks, semaphores and elections.
    pub fn locks(names: impl Into<Keys>) -> Self {
        Self::of(v1::WatchSpace::Locks, names.into())
    }

    /// Queues and their items, by the name of the queue.
    pub fn queues(names: impl Into<Keys>) -> Self {
        Self::of(v1::WatchSpace::Queues, names.into())
    }

    /// Workers.
    pub fn workers(names: impl Into<Keys>) -> Self {
        Self::of(v1::WatchSpace::Workers, names.into())
    }

    /// Assignments, by the name of the task.
    pub fn tasks(names: impl Into<Keys>) -> Self {
        Self::of(v1::WatchSpace::Tasks, names.into())
    }

    /// The domain of the keys. Default: that of the watch. It has no meaning for anything but keys.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// `domain` is that of the watch.
    pub(super) fn into_wire(self, domain: &str) -> v1::WatchSelector {
        let domain = match self.space {
            v1::WatchSpace::Keys => self.domain.unwrap_or_else(|| domain.to_owned()),
            _ => String::new(),
        };
        v1::WatchSelector {
            space: self.space.into(),
            domain,
            keys: Some(self.keys.into_selector()),
        }
    }
}

impl From<&str> for Watched {
    fn from(pattern: &str) -> Self {
        Self::keys(Keys::pattern(pattern))
    }
}

impl From<String> for Watched {
    fn from(pattern: String) -> Self {
        Self::keys(Keys::pattern(pattern))
    }
}

impl From<Keys> for Watched {
    fn from(keys: Keys) -> Self {
        Self::keys(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_selectors_of_keys_have_a_domain_their_own_before_that_of_the_watch() {
        let domain = |watched: Watched| watched.into_wire("jobs").domain;
        assert_eq!(domain("a/*".into()), "jobs");
        assert_eq!(domain(Watched::keys("a").domain("other")), "other");
        assert_eq!(domain(Watched::locks("a").domain("other")), "");
    }
}
