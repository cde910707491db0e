//! Hybrid logical clocks (Kulkarni et al., "Logical Physical Clocks", 2014), packed in one word.

/// A moment: 48 bits of milliseconds since 1970, then 16 bits that order what happens within one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The first moment of a millisecond.
    pub fn at_ms(ms: u64) -> Self {
        Hlc(ms.min((1 << 48) - 1) << 16)
    }

    /// Milliseconds since 1970.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// A moment later than `seen`, and not before the wall clock's `now_ms`.
    pub fn after(seen: Hlc, now_ms: u64) -> Self {
        // Beyond the last moment there is none; at 48 bits of milliseconds that is the year 10889.
        Hlc(Self::at_ms(now_ms).0.max(seen.0.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_wall_clock_and_never_goes_back() {
        let first = Hlc::after(Hlc(0), 1_000);
        assert_eq!(first.ms(), 1_000);
        let second = Hlc::after(first, 1_000);
        assert!(second > first);
        assert_eq!(second.ms(), 1_000);
        let third = Hlc::after(second, 10);
        assert!(third > second, "the wall clock went back");
        assert_eq!(Hlc::after(third, 2_000), Hlc::at_ms(2_000));
    }
}
