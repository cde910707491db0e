//! Which sequences of one client id are still outstanding, and up to where all are answered.
//!
//! Invariants: sequences are given out once, from 1 upwards; `answered_up_to` only grows, and is always below the lowest
//! sequence that is outstanding.

use std::collections::VecDeque;

/// Gives out sequences and follows them until they are answered.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    answered_up_to: u64,
    /// Of sequence `answered_up_to + 1 + index`: is it answered? The first one never is.
    answered: VecDeque<bool>,
}

impl Sequences {
    /// A sequence never used before.
    pub(crate) fn begin(&mut self) -> u64 {
        self.answered.push_back(false);
        self.answered_up_to + self.answered.len() as u64
    }

    /// Marks a sequence as answered or given up; says by how much `answered_up_to` grew. Repeating it changes nothing.
    pub(crate) fn finish(&mut self, sequence: u64) -> u64 {
        let Some(index) = sequence.checked_sub(self.answered_up_to + 1) else {
            return 0;
        };
        let Some(answered) = usize::try_from(index)
            .ok()
            .and_then(|index| self.answered.get_mut(index))
        else {
            return 0;
        };
        *answered = true;
        let before = self.answered_up_to;
        while self.answered.front() == Some(&true) {
            self.answered.pop_front();
            self.answered_up_to += 1;
        }
        self.answered_up_to - before
    }

    /// Every sequence up to and including this one is answered.
    pub(crate) fn answered_up_to(&self) -> u64 {
        self.answered_up_to
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mark_waits_for_the_lowest_outstanding_sequence() {
        let mut sequences = Sequences::default();
        assert_eq!([sequences.begin(), sequences.begin(), sequences.begin()], [1, 2, 3]);
        assert_eq!(sequences.finish(2), 0);
        assert_eq!(sequences.finish(3), 0);
        assert_eq!(sequences.answered_up_to(), 0);
        assert_eq!(sequences.finish(1), 3);
        assert_eq!(sequences.answered_up_to(), 3);
    }

    proptest! {
        #[test]
        fn the_mark_advances_and_never_passes_an_outstanding_sequence(
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..400),
        ) {
            let mut sequences = Sequences::default();
            let mut outstanding = BTreeSet::new();
            let mut highest = 0;
            for (begin, choice) in steps {
                let mark = sequences.answered_up_to();
                if begin || outstanding.is_empty() {
                    let sequence = sequences.begin();
                    prop_assert_eq!(sequence, highest + 1, "given out once, in order");
                    highest = sequence;
                    outstanding.insert(sequence);
                } else {
                    let sequence = *choice.get(&outstanding.iter().copied().collect::<Vec<u64>>());
                    outstanding.remove(&sequence);
                    let grown = sequences.finish(sequence);
                    prop_assert_eq!(sequences.answered_up_to(), mark + grown);
                    prop_assert_eq!(sequences.finish(sequence), 0, "answering twice changes nothing");
                }
                // The model: the mark is exactly below the lowest outstanding sequence.
                let expected = outstanding.first().map_or(highest, |lowest| lowest - 1);
                prop_assert_eq!(sequences.answered_up_to(), expected);
            }
        }
    }
}
