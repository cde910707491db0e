//! The same answers as the crate `crdts`, where it has the same type, and as plain integers.

use crdts::{CmRDT, CvRDT, GSet, LWWReg, PNCounter};
use proptest::collection::vec;
use proptest::prelude::*;

use super::counter::{self, Share};
use super::{Candidate, resolve};
use crate::{Hlc, Strategy as Resolver};

fn value_of(strategy: Resolver, values: &[(u64, u64, String)]) -> Vec<u8> {
    let candidates: Vec<Candidate<'_>> = values
        .iter()
        .zip(1..)
        .map(|((hlc, actor, value), number)| Candidate {
            value: value.as_bytes(),
            strategy,
            hlc: Hlc(*hlc),
            actor: *actor,
            number,
        })
        .collect();
    resolve(&candidates).unwrap().value.into_owned()
}

proptest! {
    #[test]
    fn a_counter_counts_like_pn_counter(adds in vec((0u64..4, -1_000i64..1_000), 0..40)) {
        let mut theirs = PNCounter::<u64>::new();
        let mut ours: [Option<Vec<u8>>; 4] = Default::default();
        for (actor, delta) in adds {
            let share = &mut ours[actor as usize];
            *share = Some(counter::add(share.as_deref(), delta).unwrap());
            let steps = delta.unsigned_abs();
            let operation = if delta < 0 { theirs.dec_many(actor, steps) } else { theirs.inc_many(actor, steps) };
            theirs.apply(operation);
        }
        let shares = ours.iter().flatten().map(|bytes| Share::decode(bytes).unwrap());
        prop_assert_eq!(theirs.read(), counter::sum(shares).into());
    }

    #[test]
    fn a_union_has_what_a_g_set_has(arrays in vec(vec(-20i64..20, 0..6), 1..6)) {
        let mut theirs = GSet::new();
        for array in &arrays {
            let mut other = GSet::new();
            array.iter().for_each(|element| other.insert(*element));
            theirs.merge(other);
        }
        // An array of its own stays as it was written; beside the empty one it is in order.
        let mut values: Vec<_> = arrays.iter().map(|array| (0, 0, serde_json::to_string(array).unwrap())).collect();
        values.push((0, 0, "[ ]".into()));
        let ours: Vec<i64> = serde_json::from_slice(&value_of(Resolver::Union, &values)).unwrap();
        prop_assert_eq!(ours, theirs.read().into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_last_write_is_that_of_lww_reg(values in vec((0u64..5, 0u64..5, "[a-c]{0,2}"), 1..8)) {
        let mut theirs = LWWReg { val: values[0].2.clone(), marker: (values[0].0, values[0].1, 1) };
        for (number, (hlc, actor, value)) in (1u64..).zip(&values) {
            theirs.update(value.clone(), (*hlc, *actor, number));
        }
        prop_assert_eq!(value_of(Resolver::LastWrite, &values), theirs.val.into_bytes());
    }

    #[test]
    fn max_and_min_are_those_of_the_integers(numbers in vec(any::<i64>(), 1..8)) {
        let values: Vec<_> = numbers.iter().map(|number| (0, 0, number.to_string())).collect();
        let (greatest, least) = (numbers.iter().max().unwrap(), numbers.iter().min().unwrap());
        prop_assert_eq!(value_of(Resolver::Max, &values), greatest.to_string().into_bytes());
        prop_assert_eq!(value_of(Resolver::Min, &values), least.to_string().into_bytes());
    }
}
