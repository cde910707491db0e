//! What is to be dropped from caches, and which keys that is.

use quorate_proto::v1;
use quorate_proto::v1::cache_selector::Which;
use quorate_proto::v1::key_selector::Kind;

use super::entry::Entry;
use super::key::{CacheKey, domain_or_default};
use crate::error::{Error, Result};
use crate::record::Keys;

/// What is to be dropped from caches: keys, or records that carry a tag. Anything that can be a key, and [`Keys`], stands for
/// keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Stale(Which);

impl Stale {
    /// Records that carry this tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self(Which::Tag(tag.into()))
    }

    pub(super) fn into_selector(self, domain: &str) -> v1::CacheSelector {
        v1::CacheSelector {
            domain: domain_or_default(domain).to_owned(),
            which: Some(self.0),
        }
    }
}

impl<K: Into<Keys>> From<K> for Stale {
    fn from(keys: K) -> Self {
        Self(Which::Keys(keys.into().into_selector()))
    }
}

/// A selector that can be told from another one.
pub(super) fn check(selector: &v1::CacheSelector) -> Result<()> {
    let empty = match &selector.which {
        Some(Which::Tag(tag)) => tag.is_empty().then_some("tag"),
        Some(Which::Keys(keys)) => match &keys.kind {
            Some(Kind::Key(key)) => key.is_empty().then_some("key"),
            Some(Kind::Pattern(pattern)) => pattern.is_empty().then_some("pattern"),
            Some(Kind::Prefix(_) | Kind::Interval(_)) => None,
            None => Some("keys"),
        },
        None => Some("what"),
    };
    match empty {
        Some(field) => Err(Error::invalid(
            field,
            format!("{field} is empty: nothing is meant by it"),
        )),
        None => Ok(()),
    }
}

/// The one key that is meant, if it is one.
pub(super) fn one_key(selector: &v1::CacheSelector) -> Option<&[u8]> {
    match &selector.which {
        Some(Which::Keys(keys)) => match &keys.kind {
            Some(Kind::Key(key)) => Some(key),
            _ => None,
        },
        _ => None,
    }
}

/// Whether it is meant. The entry is absent where nothing is known of the key: then every tag may be its.
pub(super) fn selects(selector: &v1::CacheSelector, key: &CacheKey, entry: Option<&Entry>) -> bool {
    if domain_or_default(&selector.domain) != &*key.domain {
        return false;
    }
    match &selector.which {
        Some(Which::Tag(tag)) => entry.is_none_or(|entry| {
            let record = entry.record.as_ref();
            record.is_some_and(|record| record.tags.contains(tag))
        }),
        Some(Which::Keys(keys)) => keys_select(keys, &key.key),
        None => false,
    }
}

pub(crate) fn keys_select(keys: &v1::KeySelector, key: &[u8]) -> bool {
    match &keys.kind {
        Some(Kind::Key(wanted)) => key == wanted,
        Some(Kind::Prefix(prefix)) => key.starts_with(prefix),
        Some(Kind::Interval(interval)) => {
            key >= &interval.start[..] && (interval.end.is_empty() || key < &interval.end[..])
        }
        Some(Kind::Pattern(pattern)) => pattern_selects(pattern.as_bytes(), key),
        None => false,
    }
}

/// As the members match: `*` stands for anything without a slash, `**` for anything. Of each kind only the last one that was
/// met is gone back to: what an earlier one could take as well, the later one can. So it takes no memory, and no more steps
/// than the product of both lengths.
fn pattern_selects(pattern: &[u8], key: &[u8]) -> bool {
    let (mut p, mut k) = (0, 0);
    // Behind the wildcard, and how far the key is taken by it.
    let mut one: Option<(usize, usize)> = None;
    let mut many: Option<(usize, usize)> = None;
    loop {
        if pattern[p..].starts_with(b"**") {
            p += 2;
            (one, many) = (None, Some((p, k)));
        } else if pattern.get(p) == Some(&b'*') {
            p += 1;
            one = Some((p, k));
        } else if p == pattern.len() && k == key.len() {
            return true;
        } else if p < pattern.len() && pattern.get(p) == key.get(k) {
            (p, k) = (p + 1, k + 1);
        } else if let Some((behind, taken)) = one.filter(|(_, taken)| key.get(*taken).is_some_and(|byte| *byte != b'/'))
        {
            one = Some((behind, taken + 1));
            (p, k) = (behind, taken + 1);
        } else if let Some((behind, taken)) = many.filter(|(_, taken)| *taken < key.len()) {
            (one, many) = (None, Some((behind, taken + 1)));
            (p, k) = (behind, taken + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition.
    fn naive(pattern: &[u8], key: &[u8]) -> bool {
        if let Some(rest) = pattern.strip_prefix(b"**") {
            return (0..=key.len()).any(|taken| naive(rest, &key[taken..]));
        }
        if let Some(rest) = pattern.strip_prefix(b"*") {
            let segment = key.iter().position(|byte| *byte == b'/').unwrap_or(key.len());
            return (0..=segment).any(|taken| naive(rest, &key[taken..]));
        }
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((want, pattern)), Some((have, key))) => want == have && naive(pattern, key),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_selects_what_its_definition_selects(pattern in "[ab/*]{0,9}", key in "[ab/]{0,9}") {
            let selects = pattern_selects(pattern.as_bytes(), key.as_bytes());
            prop_assert_eq!(selects, naive(pattern.as_bytes(), key.as_bytes()));
        }
    }

    #[test]
    fn nothing_is_not_a_selector() {
        let refused = |stale: Stale| check(&stale.into_selector("")).unwrap_err().message().to_owned();
        assert_eq!(refused(Stale::tag("")), "tag is empty: nothing is meant by it");
        assert_eq!(refused(Stale::from("")), "key is empty: nothing is meant by it");
        check(&Stale::from(Keys::all()).into_selector("")).unwrap();
    }
}
