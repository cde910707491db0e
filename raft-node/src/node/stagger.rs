//! Members do the same work at the same places of the log. What each may do a little sooner it does at a time of its own, so
//! that they seldom do it together, and a majority is free to answer.

use crate::environment::Random;

/// `most`, or up to a quarter less, drawn.
pub(super) fn at_most(most: u64, random: &impl Random) -> u64 {
    most - random.nonzero_u64() % (most / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::SystemRandom;

    #[test]
    fn it_is_never_more_and_never_less_than_three_quarters() {
        let drawn: Vec<u64> = (0..1000).map(|_| at_most(100, &SystemRandom)).collect();
        assert!(drawn.iter().all(|drawn| (75..=100).contains(drawn)));
        assert!(drawn.iter().any(|other| *other != drawn[0]));
        assert_eq!([0, 1, 3].map(|most| at_most(most, &SystemRandom)), [0, 1, 3]);
    }
}
