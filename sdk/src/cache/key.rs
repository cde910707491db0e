//! What an entry is found by.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

/// The domain of a call that names none.
const DEFAULT_DOMAIN: &str = "default";

/// A domain as it is written out: calls leave the default one empty.
pub(super) fn domain_or_default(domain: &str) -> &str {
    if domain.is_empty() { DEFAULT_DOMAIN } else { domain }
}

/// A key with its domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CacheKey {
    pub(super) domain: Arc<str>,
    pub(super) key: Bytes,
}

impl CacheKey {
    /// The bytes are copied: they may be a small part of a large message.
    pub(super) fn new(domain: &Arc<str>, key: &[u8]) -> Self {
        Self {
            domain: Arc::clone(domain),
            key: Bytes::copy_from_slice(key),
        }
    }

    pub(super) fn borrowed(&self) -> KeyRef<'_> {
        KeyRef {
            domain: &self.domain,
            key: &self.key,
        }
    }
}

/// The same, borrowed: a look-up makes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyRef<'a> {
    domain: &'a str,
    key: &'a [u8],
}

impl<'a> KeyRef<'a> {
    pub(super) fn new(domain: &'a str, key: &'a [u8]) -> Self {
        Self {
            domain: domain_or_default(domain),
            key,
        }
    }

    pub(super) fn domain(&self) -> &'a str {
        self.domain
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // No domain has this byte in its name: where it ends is certain.
        state.write(self.domain.as_bytes());
        state.write_u8(0xff);
        state.write(self.key);
    }
}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl equivalent::Equivalent<CacheKey> for KeyRef<'_> {
    fn equivalent(&self, other: &CacheKey) -> bool {
        *self == other.borrowed()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn a_borrowed_key_is_found_as_the_owned_one() {
        let domain: Arc<str> = Arc::from("default");
        let owned = CacheKey::new(&domain, b"jobs/1");
        let hasher = foldhash::quality::RandomState::default();
        for borrowed in [KeyRef::new("", b"jobs/1"), KeyRef::new("default", b"jobs/1")] {
            assert!(equivalent::Equivalent::equivalent(&borrowed, &owned));
            assert_eq!(hasher.hash_one(borrowed), hasher.hash_one(&owned));
        }
        assert!(!equivalent::Equivalent::equivalent(
            &KeyRef::new("session", b"jobs/1"),
            &owned
        ));
    }
}
