//! What a read sees of several candidates.

use std::borrow::Cow;

use super::candidate::{Candidate, in_order};
use super::extreme::Extreme;
use super::merge;
use super::union::Elements;
use crate::Strategy;

/// What several candidates stand for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution<'a> {
    /// Borrowed if it is the value of one of them.
    pub value: Cow<'a, [u8]>,
    /// That of the newest.
    pub strategy: Strategy,
    /// Where the newest is in the slice.
    pub newest: usize,
    /// Distinct candidates of which nothing is in the value. Always 0 for siblings, which are all handed out.
    pub discarded: u32,
}

/// Resolves a set of candidates; nothing if there are none. The order of the slice does not matter, nor whether one is in
/// it twice.
///
/// The newest says which strategy. Values that it cannot use, written by clients that chose another one, are discarded;
/// if it can use none, the newest stands. See the [module](super) for what holds of each strategy.
pub fn resolve<'a>(candidates: &[Candidate<'a>]) -> Option<Resolution<'a>> {
    if let [only] = candidates {
        // Almost every key: nothing is parsed, nothing is copied.
        return Some(Resolution {
            value: Cow::Borrowed(only.value),
            strategy: only.strategy,
            newest: 0,
            discarded: 0,
        });
    }
    let places = in_order(candidates);
    let newest = *places.last()?;
    let Candidate { value, strategy, .. } = candidates[newest];
    let (value, discarded) = if places.iter().all(|place| candidates[*place].value == value) {
        (Cow::Borrowed(value), 0)
    } else {
        combine(strategy, candidates, &places)
    };
    Some(Resolution {
        value,
        strategy,
        newest,
        discarded,
    })
}

/// The value of those at `places`, the oldest first, and how many of them are discarded.
pub(super) fn combine<'a>(strategy: Strategy, candidates: &[Candidate<'a>], places: &[usize]) -> (Cow<'a, [u8]>, u32) {
    let of_json = match strategy {
        Strategy::LastWrite => None,
        Strategy::Siblings => return (newest(candidates, places), 0),
        Strategy::Union => {
            let (elements, others) = Elements::of(candidates, places);
            elements.map(|elements| (Cow::Owned(elements.into_bytes()), others))
        }
        Strategy::Merge => merge::merge(candidates, places).map(|(object, others)| (Cow::Owned(object), others)),
        Strategy::Max => extreme(Extreme::Greatest, candidates, places),
        Strategy::Min => extreme(Extreme::Least, candidates, places),
    };
    of_json.unwrap_or_else(|| {
        let value = newest(candidates, places);
        let others = places
            .iter()
            .filter(|place| candidates[**place].value != &*value)
            .count();
        (value, others as u32)
    })
}

fn newest<'a>(candidates: &[Candidate<'a>], places: &[usize]) -> Cow<'a, [u8]> {
    Cow::Borrowed(places.last().map_or(&[], |place| candidates[*place].value))
}

fn extreme<'a>(end: Extreme, candidates: &[Candidate<'a>], places: &[usize]) -> Option<(Cow<'a, [u8]>, u32)> {
    let (place, others) = end.of(candidates, places)?;
    Some((Cow::Borrowed(candidates[place].value), others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hlc;

    /// Candidates of one strategy, the oldest first.
    fn written<'a>(strategy: Strategy, values: &[&'a str]) -> Vec<Candidate<'a>> {
        let stamped = values.iter().zip(1..);
        stamped
            .map(|(value, number)| Candidate {
                value: value.as_bytes(),
                strategy,
                hlc: Hlc(number),
                actor: 1,
                number,
            })
            .collect()
    }

    fn resolved(candidates: &[Candidate<'_>]) -> (String, u32) {
        let resolution = resolve(candidates).unwrap();
        (
            String::from_utf8_lossy(&resolution.value).into_owned(),
            resolution.discarded,
        )
    }

    #[test]
    fn of_nothing_there_is_nothing() {
        assert_eq!(resolve(&[]), None);
    }

    #[test]
    fn one_candidate_is_handed_out_as_it_is() {
        for strategy in Strategy::ALL {
            let candidates = written(strategy, &["[3, 1, 1"]);
            let resolution = resolve(&candidates).unwrap();
            assert!(matches!(resolution.value, Cow::Borrowed(b"[3, 1, 1")));
            assert_eq!(
                (resolution.strategy, resolution.newest, resolution.discarded),
                (strategy, 0, 0)
            );
        }
    }

    #[test]
    fn the_last_write_wins_and_the_others_are_counted() {
        let mut candidates = written(Strategy::LastWrite, &["a", "b", "c", "c"]);
        assert_eq!(resolved(&candidates), ("c".into(), 2));
        candidates.reverse();
        let resolution = resolve(&candidates).unwrap();
        assert_eq!((resolution.newest, resolution.discarded), (0, 2));
        assert!(matches!(resolution.value, Cow::Borrowed(_)));
    }

    #[test]
    fn of_one_moment_the_greater_actor_wins_then_the_greater_number() {
        let candidate = |value, actor, number| Candidate {
            value,
            strategy: Strategy::LastWrite,
            hlc: Hlc(5),
            actor,
            number,
        };
        let candidates = [candidate(b"a", 1, 9), candidate(b"b", 2, 1), candidate(b"c", 2, 2)];
        assert_eq!(resolved(&candidates), ("c".into(), 2));
        let later = Candidate {
            hlc: Hlc(6),
            ..candidate(b"d", 0, 1)
        };
        assert_eq!(resolve(&[candidates[2], later]).unwrap().newest, 1);
    }

    #[test]
    fn even_two_values_under_one_dot_resolve_alike_in_any_order() {
        let mut candidates = written(Strategy::LastWrite, &["a", "b", "c"]);
        candidates
            .iter_mut()
            .for_each(|candidate| (candidate.hlc, candidate.number) = (Hlc(1), 1));
        let one_way = resolved(&candidates);
        candidates.reverse();
        assert_eq!(resolved(&candidates), one_way);
    }

    #[test]
    fn a_union_has_every_element_once() {
        let candidates = written(Strategy::Union, &[r#"["b", 2]"#, r#"["a", "b"]"#, "[]"]);
        assert_eq!(resolved(&candidates), (r#"[2,"a","b"]"#.into(), 0));
    }

    #[test]
    fn max_and_min_hand_out_the_number_as_it_was_written() {
        let values = ["9007199254740993", "9007199254740992.0", "-1", " 12"];
        assert_eq!(
            resolved(&written(Strategy::Max, &values)),
            ("9007199254740993".into(), 3)
        );
        assert_eq!(resolved(&written(Strategy::Min, &values)), ("-1".into(), 3));
        assert_eq!(resolved(&written(Strategy::Max, &["1.0", "1", "0"])), ("1".into(), 1));
    }

    #[test]
    fn siblings_show_the_newest_and_discard_nothing() {
        assert_eq!(resolved(&written(Strategy::Siblings, &["a", "b"])), ("b".into(), 0));
    }

    #[test]
    fn the_newest_says_which_strategy_and_what_it_cannot_use_is_discarded() {
        let mut candidates = written(Strategy::LastWrite, &["\"word\"", "[1]", "[2]"]);
        assert_eq!(resolved(&candidates), ("[2]".into(), 2));
        candidates[2].strategy = Strategy::Union;
        assert_eq!(resolved(&candidates), ("[1,2]".into(), 1));
        candidates[0].hlc = Hlc(9);
        assert_eq!(resolved(&candidates), ("\"word\"".into(), 2));
        candidates[0].strategy = Strategy::Max;
        assert_eq!(
            resolved(&candidates),
            ("\"word\"".into(), 2),
            "nothing is a number: the newest stands"
        );
    }

    #[test]
    fn the_same_value_several_times_is_no_conflict() {
        for strategy in Strategy::ALL {
            let candidates = written(strategy, &["[2, 1]", "[2, 1]"]);
            assert_eq!(resolved(&candidates), ("[2, 1]".into(), 0));
        }
    }
}
