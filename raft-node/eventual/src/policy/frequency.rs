//! How often an entry is used, in eight bits.
//!
//! A counter that is raised with a chance that falls as it grows (Morris, "Counting large numbers of events in small
//! registers", 1978), and lowered again while the entry is not used. That such a counter does for eviction is the idea of
//! Redis' LFU policy.

/// Of a new entry: it has to get the chance to be used again before it is the first to go.
pub(super) const START: u8 = 5;

/// How much rarer each step is than the one before: 255 is reached after some 300,000 uses.
const RARER: u64 = 10;

/// For each frequency, below which random word it is raised.
static CHANCES: [u64; 256] = chances();

const fn chances() -> [u64; 256] {
    let mut chances = [u64::MAX; 256];
    let mut frequency = START as usize + 1;
    while frequency < chances.len() {
        chances[frequency] = u64::MAX / (1 + RARER * (frequency as u64 - START as u64));
        frequency += 1;
    }
    chances
}

/// After one more use; `word` is random.
pub(super) fn raised(frequency: u8, word: u64) -> u8 {
    frequency.saturating_add(u8::from(word <= CHANCES[usize::from(frequency)]))
}

/// After `idle` ticks without a use: one less for every 2^`period_shift` of them.
pub(super) fn lowered(frequency: u8, idle: u64, period_shift: u32) -> u8 {
    let steps = idle >> period_shift;
    frequency.saturating_sub(steps.min(255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Words;

    #[test]
    fn it_grows_with_the_logarithm_of_use() {
        let mut words = Words::new(1);
        let mut frequency = START;
        let mut reached = Vec::new();
        for uses in 1..=1_000_000u32 {
            frequency = raised(frequency, words.draw());
            if [10, 1_000, 100_000, 1_000_000].contains(&uses) {
                reached.push(frequency);
            }
        }
        assert!(reached.is_sorted_by(|a, b| a < b || *b == u8::MAX), "{reached:?}");
        assert!(reached[0] < 10 && reached[1] > 12 && reached[1] < 40, "{reached:?}");
        assert_eq!(reached[3], u8::MAX);
    }

    #[test]
    fn the_first_uses_always_count() {
        assert_eq!(raised(0, u64::MAX), 1);
        assert_eq!(raised(START, u64::MAX), START + 1);
        assert_eq!(raised(START + 1, u64::MAX), START + 1);
        assert_eq!(raised(u8::MAX, 0), u8::MAX);
    }

    #[test]
    fn it_falls_while_the_entry_is_not_used() {
        assert_eq!(lowered(20, 1 << 16, 16), 19);
        assert_eq!(lowered(20, (1 << 16) - 1, 16), 20);
        assert_eq!(lowered(20, 1 << 40, 16), 0);
        assert_eq!(lowered(20, u64::MAX, 0), 0);
    }
}
