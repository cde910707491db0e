//! The laws in the module's documentation, held against random candidates.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Candidate, Replacement, check, replace, resolve};
use crate::{Hlc, Strategy as Resolver};

#[derive(Clone, Debug)]
struct Owned {
    value: Vec<u8>,
    strategy: Resolver,
    stamp: (u64, u64, u64),
}

impl Owned {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            value: &self.value,
            strategy: self.strategy,
            hlc: Hlc(self.stamp.0),
            actor: self.stamp.1,
            number: self.stamp.2,
        }
    }
}

/// Value, strategy, how many are discarded, and the stamp of the newest.
type Resolved = (Vec<u8>, Resolver, u32, (u64, u64, u64));

fn resolved(owned: &[Owned]) -> Option<Resolved> {
    let candidates: Vec<Candidate<'_>> = owned.iter().map(Owned::candidate).collect();
    let resolution = resolve(&candidates)?;
    let stamp = owned[resolution.newest].stamp;
    Some((
        resolution.value.into_owned(),
        resolution.strategy,
        resolution.discarded,
        stamp,
    ))
}

/// What a process holds that took up all of `owned` at once.
fn collapsed(owned: &[Owned]) -> Option<Owned> {
    let (value, strategy, _, stamp) = resolved(owned)?;
    Some(Owned { value, strategy, stamp })
}

fn value_of(owned: &[Owned]) -> Option<Vec<u8>> {
    resolved(owned).map(|resolved| resolved.0)
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-3i64..4).prop_map(|number| number.to_string()),
        (-3i64..4).prop_map(|number| format!("{number}.0")),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        proptest::num::f64::NORMAL.prop_map(|number| json!(number).to_string()),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(|number| serde_json::from_str(&number).unwrap()),
        "[a-cé\"\\\\]{0,2}".prop_map(Value::String),
    ]
}

fn array() -> impl Strategy<Value = Value> {
    let element = leaf().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec(("[ab]", inner), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    vec(element, 0..4).prop_map(Value::Array)
}

/// Objects in which capital names are always objects, and the others never: no place holds both kinds.
fn tidy_object() -> impl Strategy<Value = Value> {
    let fields = vec(("[a-c]", leaf()), 0..3);
    let flat = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
    flat.prop_recursive(3, 16, 3, |inner| {
        (vec(("[a-c]", leaf()), 0..3), vec(("[A-B]", inner), 0..3))
            .prop_map(|(leaves, objects)| Value::Object(leaves.into_iter().chain(objects).collect()))
    })
}

/// Objects in which any place may hold anything.
fn wild_object() -> impl Strategy<Value = Value> {
    let value = leaf().prop_recursive(3, 16, 3, |inner| {
        vec(("[a-c]", inner), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect()))
    });
    vec(("[a-c]", value), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// A value that the strategy can use.
fn fitting(strategy: Resolver) -> BoxedStrategy<Vec<u8>> {
    match strategy {
        Resolver::LastWrite | Resolver::Siblings => vec(0u8..3, 0..2).boxed(),
        Resolver::Union => array().prop_map(|value| text(&value)).boxed(),
        Resolver::Merge => wild_object().prop_map(|value| text(&value)).boxed(),
        Resolver::Max | Resolver::Min => number().prop_map(String::into_bytes).boxed(),
    }
}

fn resolver() -> impl Strategy<Value = Resolver> {
    proptest::sample::select(&Resolver::ALL[..])
}

/// One dot, one candidate: numbers of a process are not used twice.
fn stamped(values: Vec<((Resolver, Vec<u8>), u64, u64)>) -> Vec<Owned> {
    let stamped = values.into_iter().zip(1..);
    stamped
        .map(|(((strategy, value), hlc, actor), number)| Owned {
            value,
            strategy,
            stamp: (hlc, actor, number),
        })
        .collect()
}

/// Candidates of any strategies, whose values may not fit.
fn mixed() -> impl Strategy<Value = Vec<Owned>> {
    let value =
        resolver().prop_flat_map(|fits| (resolver(), prop_oneof![4 => fitting(fits), 1 => vec(any::<u8>(), 0..9)]));
    vec((value, 0u64..4, 0u64..3), 0..6).prop_map(stamped)
}

/// Candidates of one strategy.
fn alike(strategies: &'static [Resolver]) -> impl Strategy<Value = Vec<Owned>> {
    let strategy = proptest::sample::select(strategies);
    strategy
        .prop_flat_map(|strategy| vec(((Just(strategy), fitting(strategy)), 0u64..4, 0u64..3), 0..6))
        .prop_map(stamped)
}

fn merges(object: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<Owned>> {
    let value = (Just(Resolver::Merge), object.prop_map(|value| text(&value)));
    vec((value, 0u64..4, 0u64..3), 0..6).prop_map(|values| {
        let mut owned = stamped(values);
        owned.sort_by_key(|owned| owned.stamp);
        owned
    })
}

/// The elements of `all` that `part` says, and the others.
fn split(all: &[Owned], part: u8) -> (Vec<Owned>, Vec<Owned>) {
    let (x, y): (Vec<_>, Vec<_>) = all
        .iter()
        .cloned()
        .enumerate()
        .partition(|(index, _)| part >> index & 1 == 1);
    let values = |pairs: Vec<(usize, Owned)>| pairs.into_iter().map(|(_, owned)| owned).collect();
    (values(x), values(y))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn order_and_repetition_do_not_matter(
        (owned, shuffled) in mixed().prop_flat_map(|owned| {
            let twice: Vec<Owned> = owned.iter().chain(&owned).cloned().collect();
            let length = twice.len();
            let some = proptest::sample::subsequence(twice, owned.len()..=length);
            (Just(owned), some.prop_shuffle())
        })
    ) {
        let mut all = owned.clone();
        all.splice(0..0, shuffled);
        prop_assert_eq!(resolved(&all), resolved(&owned));
    }

    #[test]
    fn resolving_again_changes_nothing(owned in mixed()) {
        if let Some(once) = collapsed(&owned) {
            let (value, strategy, discarded, _) = resolved(&[once.clone(), once.clone()]).unwrap();
            prop_assert_eq!((value, strategy, discarded), (once.value, once.strategy, 0));
        }
    }

    #[test]
    fn resolving_a_part_first_changes_nothing(
        all in alike(&[Resolver::LastWrite, Resolver::Union, Resolver::Max, Resolver::Min]),
        part: u8,
    ) {
        let (x, y) = split(&all, part);
        let with_early = |early: Option<Owned>| value_of(&y.iter().cloned().chain(early).collect::<Vec<_>>());
        prop_assert_eq!(with_early(collapsed(&x)), value_of(&all));
    }

    #[test]
    fn the_stamp_of_a_part_does_not_matter_for_union_max_and_min(
        all in alike(&[Resolver::Union, Resolver::Max, Resolver::Min]),
        part: u8,
        hlc in 0u64..5,
    ) {
        let (x, y) = split(&all, part);
        let early = collapsed(&x).map(|early| Owned { stamp: (hlc, 9, 9), ..early });
        prop_assert_eq!(value_of(&y.into_iter().chain(early).collect::<Vec<_>>()), value_of(&all));
    }

    #[test]
    fn a_merge_may_begin_with_what_the_oldest_resolve_to(all in merges(wild_object()), cut in 0usize..6) {
        let (older, newer) = all.split_at(cut.min(all.len()));
        let early: Vec<Owned> = collapsed(older).into_iter().chain(newer.iter().cloned()).collect();
        prop_assert_eq!(value_of(&early), value_of(&all));
    }

    #[test]
    fn neighbours_merge_first_if_no_place_holds_objects_and_other_values(
        all in merges(tidy_object()),
        from in 0usize..6,
        to in 0usize..6,
    ) {
        let from = from.min(all.len());
        let to = to.clamp(from, all.len());
        let mut early = all.clone();
        early.splice(from..to, collapsed(&all[from..to]));
        prop_assert_eq!(value_of(&early), value_of(&all));
    }

    #[test]
    fn which_fields_a_merge_has_does_not_depend_on_what_was_merged_first(all in merges(tidy_object()), part: u8) {
        let (x, y) = split(&all, part);
        let early = collapsed(&x).map(|early| Owned { stamp: (9, 9, 9), ..early });
        let early: Vec<Owned> = y.into_iter().chain(early).collect();
        let names = |owned: &[Owned]| {
            value_of(owned).map(|value| names_of(&serde_json::from_slice(&value).unwrap()))
        };
        prop_assert_eq!(names(&early), names(&all));
    }

    #[test]
    fn a_write_over_candidates_is_what_they_and_it_resolve_to(all in mixed(), (strategy, value) in resolver().prop_flat_map(|strategy| {
        (Just(strategy), prop_oneof![9 => fitting(strategy), 1 => vec(any::<u8>(), 0..9)])
    })) {
        let current: Vec<Candidate<'_>> = all.iter().map(Owned::candidate).collect();
        let replaced = replace(strategy, &current, &value, None);
        if let Err(refusal) = check(strategy, &value) {
            prop_assert_eq!(replaced, Err(refusal));
            return Ok(());
        }
        match replaced.unwrap() {
            Replacement::Write(written) => {
                let mut with_it = all.clone();
                with_it.push(Owned { value: value.clone(), strategy, stamp: (99, 0, 0) });
                // Beside an empty one even a value that stands alone, or beside its like, is in canonical form.
                let empty = match strategy {
                    Resolver::Union if !all.is_empty() => Some("[]"),
                    Resolver::Merge if !all.is_empty() => Some("{}"),
                    _ => None,
                };
                with_it.extend(empty.map(|empty| Owned { value: empty.into(), strategy, stamp: (100, 0, 0) }));
                prop_assert_eq!(&value_of(&with_it).unwrap()[..], &written[..]);
                if !matches!(strategy, Resolver::LastWrite | Resolver::Siblings) {
                    let now = Owned { value: written.to_vec(), strategy, stamp: (100, 0, 0) };
                    prop_assert_eq!(replace(strategy, &[now.candidate()], &value, None), Ok(Replacement::Keep));
                }
            }
            Replacement::Keep => {
                prop_assert_eq!(resolved(&all).unwrap().1, strategy);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(values in vec((resolver(), vec(any::<u8>(), 0..40)), 0..5)) {
        let owned = stamped(values.into_iter().map(|value| (value, 0, 0)).collect());
        prop_assert_eq!(resolved(&owned).is_some(), !owned.is_empty());
        for written in &owned {
            let current: Vec<Candidate<'_>> = owned.iter().map(Owned::candidate).collect();
            let replaced = replace(written.strategy, &current, &written.value, Some(Hlc(1)));
            prop_assert_eq!(replaced.is_ok(), check(written.strategy, &written.value).is_ok());
        }
    }
}

/// Every path there is.
fn names_of(value: &Value) -> Vec<String> {
    let Value::Object(fields) = value else {
        return Vec::new();
    };
    let paths = fields.iter().flat_map(|(name, value)| {
        let below = names_of(value).into_iter().map(move |path| format!("{name}.{path}"));
        std::iter::once(name.clone()).chain(below)
    });
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    paths
}

#[test]
fn a_merged_value_makes_its_old_fields_as_new_as_itself() {
    let value = |fields: Value, hlc| Owned {
        value: text(&fields),
        strategy: Resolver::Merge,
        stamp: (hlc, 1, hlc),
    };
    let (old, between, new) = (
        value(json!({"step": 1}), 1),
        value(json!({"step": 2}), 2),
        value(json!({"host": "a"}), 3),
    );
    let together = value_of(&[old.clone(), between.clone(), new.clone()]).unwrap();
    assert_eq!(together, br#"{"host":"a","step":2}"#);
    // A process that had not seen the one between wrote the merge of the two others: it says that step is 1, now.
    let merged = collapsed(&[old, new]).unwrap();
    assert_eq!(value_of(&[between, merged]).unwrap(), br#"{"host":"a","step":1}"#);
}

#[test]
fn a_value_between_that_is_no_object_makes_a_difference_to_what_is_merged_first() {
    let value = |fields: Value, hlc| Owned {
        value: text(&fields),
        strategy: Resolver::Merge,
        stamp: (hlc, 1, hlc),
    };
    let old = value(json!({"by": {"id": 1}}), 1);
    let newer = [value(json!({"by": null}), 2), value(json!({"by": {"host": "a"}}), 3)];
    let together: Vec<Owned> = [old.clone()].into_iter().chain(newer.clone()).collect();
    assert_eq!(value_of(&together).unwrap(), br#"{"by":{"host":"a"}}"#);
    let merged = collapsed(&newer).unwrap();
    assert_eq!(value_of(&[old, merged]).unwrap(), br#"{"by":{"host":"a","id":1}}"#);
}
