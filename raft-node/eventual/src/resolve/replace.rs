//! What a write puts in the place of what is there.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::candidate::{Candidate, in_order};
use super::check::{BadValue, check};
use super::resolution::combine;
use crate::{Hlc, Strategy};

/// What becomes of a client's write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement<'a> {
    /// Nothing has to be written: what is there is newer, or says it already. Several candidates stay several. A write
    /// that has something else to say, such as a new expiry, writes what [`resolve`](super::resolve) makes of them.
    Keep,
    /// This, in the place of all that is there. It can be longer than what the client wrote, since it holds what was
    /// there too.
    Write(Cow<'a, [u8]>),
}

/// What a process writes in the place of all of `current` when a client writes `value`.
///
/// * Last write: the value; or nothing, if the client says when it was `written` and what is there was written in a later
///   millisecond (a client's clock has no finer ones).
/// * Union, merge, max, min: what all of `current` and the value resolve to, the value being the newest; or nothing, if
///   that is what is there. `written` does not matter.
/// * Siblings: the value. Which of `current` it replaces is a matter of what the client had read.
///
/// Refuses a value that the strategy cannot use.
pub fn replace<'a>(
    strategy: Strategy,
    current: &[Candidate<'a>],
    value: &'a [u8],
    written: Option<Hlc>,
) -> Result<Replacement<'a>, BadValue> {
    match strategy {
        Strategy::LastWrite => {
            let newer = |written: Hlc| current.iter().any(|candidate| candidate.hlc.ms() > written.ms());
            if written.is_some_and(newer) {
                return Ok(Replacement::Keep);
            }
        }
        Strategy::Siblings => {}
        Strategy::Union | Strategy::Merge | Strategy::Max | Strategy::Min => {
            check(strategy, value)?;
            if !current.is_empty() {
                return Ok(joined(strategy, current, value));
            }
        }
    }
    Ok(Replacement::Write(Cow::Borrowed(value)))
}

fn joined<'a>(strategy: Strategy, current: &[Candidate<'a>], value: &'a [u8]) -> Replacement<'a> {
    let mut places = in_order(current);
    let same_strategy = places
        .last()
        .is_some_and(|newest| current[*newest].strategy == strategy);
    let before = same_strategy.then(|| combine(strategy, current, &places).0);

    let mut all: SmallVec<[Candidate<'a>; 8]> = SmallVec::from_slice(current);
    places.push(all.len());
    // Its stamp is never looked at: its place says that it is the newest.
    all.push(Candidate {
        value,
        strategy,
        hlc: Hlc::default(),
        actor: 0,
        number: 0,
    });
    let after = combine(strategy, &all, &places).0;
    if before.as_ref() == Some(&after) {
        Replacement::Keep
    } else {
        Replacement::Write(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: &str, strategy: Strategy, ms: u64) -> Candidate<'_> {
        Candidate {
            value: value.as_bytes(),
            strategy,
            hlc: Hlc::after(Hlc::at_ms(ms), ms),
            actor: 1,
            number: ms,
        }
    }

    /// What is written over values of one strategy, the oldest first; nothing for "keep".
    fn over(strategy: Strategy, current: &[&str], value: &str) -> Option<String> {
        let current: Vec<_> = current
            .iter()
            .zip(1..)
            .map(|(value, ms)| at(value, strategy, ms))
            .collect();
        match replace(strategy, &current, value.as_bytes(), None).unwrap() {
            Replacement::Keep => None,
            Replacement::Write(value) => Some(String::from_utf8(value.into_owned()).unwrap()),
        }
    }

    #[test]
    fn the_first_write_is_stored_as_it_is() {
        for strategy in Strategy::ALL {
            let value = match strategy {
                Strategy::Merge => r#"{"b": 1, "a": 2}"#,
                Strategy::Max | Strategy::Min => " 1.0",
                _ => "[2, 1, 1]",
            };
            assert_eq!(over(strategy, &[], value).as_deref(), Some(value));
        }
    }

    #[test]
    fn a_last_write_replaces_even_the_same_value() {
        assert_eq!(over(Strategy::LastWrite, &["a", "b"], "b").as_deref(), Some("b"));
    }

    #[test]
    fn a_last_write_older_than_what_is_there_changes_nothing() {
        let current = [
            at("new", Strategy::LastWrite, 1_000),
            at("old", Strategy::LastWrite, 10),
        ];
        let written = |ms| replace(Strategy::LastWrite, &current, b"late", Some(Hlc::at_ms(ms))).unwrap();
        assert_eq!(written(999), Replacement::Keep);
        assert!(
            matches!(written(1_000), Replacement::Write(_)),
            "within one millisecond it cannot be told"
        );
        assert!(matches!(written(1_001), Replacement::Write(Cow::Borrowed(b"late"))));
    }

    #[test]
    fn a_union_takes_up_what_is_there() {
        assert_eq!(
            over(Strategy::Union, &["[3]", "[1]"], "[2]").as_deref(),
            Some("[1,2,3]")
        );
        assert_eq!(over(Strategy::Union, &["[3, 1]"], "[1.0]"), None, "it is there already");
    }

    #[test]
    fn a_merge_is_laid_over_what_is_there() {
        let current = [r#"{"a": 1, "n": {"x": 1}}"#];
        assert_eq!(
            over(Strategy::Merge, &current, r#"{"a": 2, "n": {"y": 2}}"#).as_deref(),
            Some(r#"{"a":2,"n":{"x":1,"y":2}}"#)
        );
        assert_eq!(over(Strategy::Merge, &current, r#"{"n": {"x": 1}}"#), None);
    }

    #[test]
    fn max_and_min_write_only_what_goes_further() {
        assert_eq!(over(Strategy::Max, &["5", "7"], "6"), None);
        assert_eq!(over(Strategy::Max, &["5", "7"], "7"), None);
        assert_eq!(over(Strategy::Max, &["5", "7"], "7.5").as_deref(), Some("7.5"));
        assert_eq!(over(Strategy::Min, &["5", "7"], "6"), None);
        assert_eq!(over(Strategy::Min, &["5", "7"], "-1").as_deref(), Some("-1"));
    }

    #[test]
    fn a_change_of_strategy_is_written_even_if_the_value_stays() {
        let current = [at("7", Strategy::LastWrite, 1)];
        let replaced = replace(Strategy::Max, &current, b"6", None).unwrap();
        assert_eq!(replaced, Replacement::Write(Cow::Borrowed(b"7")));
        let current = [at("word", Strategy::LastWrite, 1)];
        let replaced = replace(Strategy::Max, &current, b"6", None).unwrap();
        assert_eq!(replaced, Replacement::Write(Cow::Borrowed(b"6")));
    }

    #[test]
    fn siblings_are_written_beside_what_is_there() {
        assert_eq!(over(Strategy::Siblings, &["a"], "a").as_deref(), Some("a"));
    }

    #[test]
    fn a_value_that_the_strategy_cannot_use_is_refused() {
        let current = [at("7", Strategy::Max, 1)];
        let refusal = replace(Strategy::Max, &current, b"\"8\"", None).unwrap_err();
        assert!(matches!(refusal, BadValue::WrongKind { found: "a string", .. }));
        assert!(replace(Strategy::Union, &[], b"", None).is_err());
    }
}
