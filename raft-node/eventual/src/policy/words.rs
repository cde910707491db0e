//! Random words from a seed.

/// The sequence of a seed: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Good
/// for sampling and for made-up traces, not for secrets.
#[derive(Clone, Debug)]
pub struct Words(u64);

impl Words {
    /// The same seed makes the same words.
    pub fn new(seed: u64) -> Self {
        Words(seed)
    }

    /// The next word.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number below `limit`; 0 if that is 0. The bias is below `limit` / 2^64.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_paper() {
        let mut words = Words::new(1_234_567);
        assert_eq!(words.draw(), 6_457_827_717_110_365_317);
        assert_eq!(words.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_stay_below_their_limit() {
        let mut words = Words::new(3);
        let drawn: Vec<u64> = (0..1_000).map(|_| words.below(3)).collect();
        assert!((0..3).all(|number| drawn.iter().filter(|drawn| **drawn == number).count() > 250));
        assert!(drawn.iter().all(|number| *number < 3));
        assert_eq!(words.below(0), 0);
        assert!(
            (0..1_000)
                .map(|_| words.fraction())
                .all(|fraction| (0.0..1.0).contains(&fraction))
        );
    }
}
