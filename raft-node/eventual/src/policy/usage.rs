//! What an entry remembers of its use, in one word.

/// A moment, in units of the owner's choice: milliseconds in a member, requests in a simulation. It must not go back far;
/// 48 bits of it are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u64);

/// What an entry remembers of its use. What it means is up to the policy that made it.
///
/// ```text
/// tick: 48 bits | frequency: 8 | unused: 7 | seen again: 1
/// ```
///
/// The tick is that of the last use, for FIFO that of the insertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage(u64);

const TICK_SHIFT: u32 = 16;
const FREQUENCY_SHIFT: u32 = 8;
const SEEN_AGAIN: u64 = 1;

impl Usage {
    /// Of an entry that was never used before.
    pub(super) fn new(now: Tick, frequency: u8) -> Self {
        Usage(0).at(now).with_frequency(frequency)
    }

    /// When it was last used; for FIFO, when it was inserted.
    pub fn tick(self) -> Tick {
        Tick(self.0 >> TICK_SHIFT)
    }

    /// How often it is used, on a logarithmic scale.
    pub(super) fn frequency(self) -> u8 {
        (self.0 >> FREQUENCY_SHIFT) as u8
    }

    /// It was used since it came.
    pub(super) fn seen_again(self) -> bool {
        self.0 & SEEN_AGAIN != 0
    }

    /// Used at `now`.
    pub(super) fn at(self, now: Tick) -> Self {
        let rest = self.0 & ((1 << TICK_SHIFT) - 1);
        Usage(now.0 << TICK_SHIFT | rest)
    }

    pub(super) fn with_frequency(self, frequency: u8) -> Self {
        Usage(self.0 & !(0xff << FREQUENCY_SHIFT) | u64::from(frequency) << FREQUENCY_SHIFT)
    }

    pub(super) fn as_seen_again(self) -> Self {
        Usage(self.0 | SEEN_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_parts_do_not_touch_each_other() {
        let last = Tick((1 << 48) - 1);
        let usage = Usage::new(Tick(7), 200).as_seen_again().at(last);
        assert_eq!((usage.tick(), usage.frequency(), usage.seen_again()), (last, 200, true));
        let usage = Usage::new(Tick(9), 255).at(Tick(0)).with_frequency(1);
        assert_eq!(
            (usage.tick(), usage.frequency(), usage.seen_again()),
            (Tick(0), 1, false)
        );
    }
}
