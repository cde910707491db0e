//! Which keys an operation means.

use bincode::{Decode, Encode};

use super::keys;

/// A set of keys of one domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Selector {
    /// One key.
    Key(Vec<u8>),
    /// Every key that starts with this; empty: all.
    Prefix(Vec<u8>),
    /// `start <= key < end`; an empty end is no bound.
    Interval {
        /// First key.
        start: Vec<u8>,
        /// First key that is out.
        end: Vec<u8>,
    },
    /// `*` matches within a segment between slashes, `**` across segments.
    Pattern(String),
}

/// `start <= key < end`, the part of a domain that a scan has to visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First key.
    pub start: Vec<u8>,
    /// First key that is out; none is no bound.
    pub end: Option<Vec<u8>>,
}

impl Span {
    /// No key lies in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Leaves only what comes after `key` in the given direction.
    pub fn after(mut self, key: &[u8], descending: bool) -> Span {
        if descending {
            if self.end.as_ref().is_none_or(|end| key < end.as_slice()) {
                self.end = Some(key.to_vec());
            }
        } else if key >= self.start.as_slice() {
            self.start = next_key(key);
        }
        self
    }
}

impl Selector {
    /// The smallest span that holds every key that can match.
    pub fn span(&self) -> Span {
        match self {
            Selector::Key(key) => Span {
                start: key.clone(),
                end: Some(next_key(key)),
            },
            Selector::Prefix(prefix) => Span {
                start: prefix.clone(),
                end: keys::successor(prefix),
            },
            Selector::Interval { start, end } => Span {
                start: start.clone(),
                end: (!end.is_empty()).then(|| end.clone()),
            },
            Selector::Pattern(pattern) => {
                let literal = pattern.split('*').next().unwrap_or_default().as_bytes();
                if literal.len() == pattern.len() {
                    return Selector::Key(literal.to_vec()).span();
                }
                Span {
                    start: literal.to_vec(),
                    end: keys::successor(literal),
                }
            }
        }
    }

    /// Whether a key of the span belongs to the set.
    pub fn matches_in_span(&self, key: &[u8]) -> bool {
        match self {
            Selector::Pattern(pattern) => pattern_matches(pattern.as_bytes(), key),
            Selector::Key(_) | Selector::Prefix(_) | Selector::Interval { .. } => true,
        }
    }

    /// Whether the key belongs to the set.
    pub fn matches(&self, key: &[u8]) -> bool {
        match self {
            Selector::Key(own) => own == key,
            Selector::Prefix(prefix) => key.starts_with(prefix),
            Selector::Interval { start, end } => key >= start.as_slice() && (end.is_empty() || key < end.as_slice()),
            Selector::Pattern(pattern) => pattern_matches(pattern.as_bytes(), key),
        }
    }
}

fn next_key(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// Where to resume when the text after a wildcard does not match: behind the wildcard, one byte further on.
#[derive(Clone, Copy)]
struct Resume {
    pattern: usize,
    key: usize,
}

/// Matches without recursion and without memory. Each wildcard first takes nothing and then one byte more at a time;
/// only the last `*` and the last `**` need be remembered, because whatever an earlier one could take, a later one of
/// the same kind can take as well. A `*` that meets a slash gives way to the `**` before it.
fn pattern_matches(pattern: &[u8], key: &[u8]) -> bool {
    let (mut p, mut k) = (0, 0);
    let mut star: Option<Resume> = None;
    let mut stars: Option<Resume> = None;
    loop {
        if pattern[p..].starts_with(b"**") {
            p += 2;
            stars = Some(Resume { pattern: p, key: k });
            star = None;
            continue;
        }
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some(Resume { pattern: p, key: k });
            continue;
        }
        match (pattern.get(p), key.get(k)) {
            (None, None) => return true,
            (Some(want), Some(have)) if want == have => {
                p += 1;
                k += 1;
                continue;
            }
            _ => {}
        }
        if let Some(resume) = star
            .as_mut()
            .filter(|resume| !matches!(key.get(resume.key), None | Some(b'/')))
        {
            resume.key += 1;
            (p, k) = (resume.pattern, resume.key);
        } else if let Some(resume) = stars.as_mut().filter(|resume| resume.key < key.len()) {
            resume.key += 1;
            star = None;
            (p, k) = (resume.pattern, resume.key);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, by trying everything.
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
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn a_pattern_matches_what_its_definition_matches(pattern in "[ab/*]{0,9}", key in "[ab/]{0,9}") {
            let selector = Selector::Pattern(pattern.clone());
            let matches = naive(pattern.as_bytes(), key.as_bytes());
            prop_assert_eq!(selector.matches(key.as_bytes()), matches);
            let span = selector.span();
            let inside = key.as_bytes() >= span.start.as_slice()
                && span.end.as_ref().is_none_or(|end| key.as_bytes() < end.as_slice());
            prop_assert!(inside || !matches, "the span must hold every match");
        }
    }

    #[test]
    fn one_star_stays_within_its_segment() {
        let selector = Selector::Pattern("task/*/state".to_owned());
        assert!(selector.matches(b"task/7/state"));
        assert!(!selector.matches(b"task/7/8/state"));
        assert!(Selector::Pattern("task/**/state".to_owned()).matches(b"task/7/8/state"));
        assert_eq!(selector.span().start, b"task/");
        assert_eq!(selector.span().end.as_deref(), Some(&b"task0"[..]));
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = "**a*".repeat(40) + "b";
        assert!(!Selector::Pattern(pattern).matches(&[b'a'; 400]));
    }
}
