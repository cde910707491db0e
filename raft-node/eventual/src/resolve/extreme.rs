//! Max and min: of several numbers, the greatest or the least.

use std::cmp::Ordering;

use serde_json::Number;

use super::candidate::Candidate;
use super::{check, number};

/// Which end is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extreme {
    Greatest,
    Least,
}

impl Extreme {
    /// Whether `a` is strictly further towards this end than `b`.
    fn prefers(self, a: &Number, b: &Number) -> bool {
        let wanted = match self {
            Extreme::Greatest => Ordering::Greater,
            Extreme::Least => Ordering::Less,
        };
        number::compare(a, b) == wanted
    }

    /// The place of the winner and how many candidates are not equal to it; nothing if none is a number. Of equal
    /// numbers that are spelled differently, the spelling that is first by its bytes: who wrote it later says nothing.
    pub(super) fn of(self, candidates: &[Candidate<'_>], places: &[usize]) -> Option<(usize, u32)> {
        let mut best: Option<(usize, Number)> = None;
        let mut equal = 0;
        for &place in places {
            let Some(number) = check::number(candidates[place].value) else {
                continue;
            };
            match &best {
                Some((_, other)) if self.prefers(other, &number) => continue,
                Some((_, other)) if self.prefers(&number, other) => equal = 1,
                Some((other, _)) => {
                    equal += 1;
                    if candidates[*other].value <= candidates[place].value {
                        continue;
                    }
                }
                None => equal = 1,
            }
            best = Some((place, number));
        }
        best.map(|(place, _)| (place, (places.len() - equal) as u32))
    }
}
