//! Where a call was on its way through a member.

use std::time::Duration;

use super::Moments;

/// Where a call was between its arrival and its answer, in monotonic time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// It was answered, or refused, as it came.
    #[default]
    AtOnce,
    /// A read.
    Read {
        /// When this member was fresh enough to answer it.
        ready: Duration,
    },
    /// A mutation.
    Mutation {
        /// When it was taken from the queue and put in a group.
        proposed: Duration,
        /// The group's entry, if the proposal has an outcome.
        logged: Option<Logged>,
    },
}

/// An entry, and when it was where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its log index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// At this member.
    pub moments: Moments,
}

/// What a line says of a call: the milliseconds of each of its stages. Those that it did not come to are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StageMs {
    pub(super) queued: Option<f64>,
    pub(super) appended: Option<f64>,
    pub(super) synced: Option<f64>,
    pub(super) replicated: Option<f64>,
    pub(super) applied: Option<f64>,
    pub(super) replied: Option<f64>,
    pub(super) ready: Option<f64>,
    pub(super) index: Option<u64>,
}

impl StageMs {
    pub(super) fn of(passage: &Passage, began: Duration, ended: Duration) -> Self {
        let between = |from: Option<Duration>, to: Option<Duration>| Some(ms(to?.saturating_sub(from?)));
        match *passage {
            Passage::AtOnce => Self::default(),
            Passage::Read { ready } => Self {
                ready: between(Some(began), Some(ready)),
                replied: between(Some(ready), Some(ended)),
                ..Self::default()
            },
            Passage::Mutation { proposed, logged } => {
                let Moments {
                    appended,
                    synced,
                    committed,
                    applied,
                } = logged.map(|logged| logged.moments).unwrap_or_default();
                Self {
                    queued: between(Some(began), Some(proposed)),
                    appended: between(Some(proposed), appended),
                    synced: between(appended, synced),
                    replicated: between(appended, committed),
                    applied: between(committed, applied),
                    replied: between(applied, Some(ended)),
                    ready: None,
                    index: logged.map(|logged| logged.index),
                }
            }
        }
    }
}

/// Milliseconds to the microsecond.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Option<Duration> {
        Some(Duration::from_millis(milliseconds))
    }

    #[test]
    fn sync_and_replication_are_both_counted_from_the_append() {
        let moments = Moments {
            appended: at(13),
            synced: at(20),
            // Two followers were faster than this member's own disk.
            committed: at(17),
            applied: at(30),
        };
        let logged = Some(Logged {
            index: 5,
            term: 1,
            moments,
        });
        let proposed = Duration::from_millis(12);
        let passage = Passage::Mutation { proposed, logged };
        let stages = StageMs::of(&passage, Duration::from_millis(10), Duration::from_millis(31));
        let expected = StageMs {
            queued: Some(2.0),
            appended: Some(1.0),
            synced: Some(7.0),
            replicated: Some(4.0),
            applied: Some(13.0),
            replied: Some(1.0),
            ready: None,
            index: Some(5),
        };
        assert_eq!(stages, expected);
    }

    #[test]
    fn a_proposal_without_an_outcome_says_only_how_long_it_was_queued() {
        let passage = Passage::Mutation {
            proposed: Duration::from_millis(12),
            logged: None,
        };
        let stages = StageMs::of(&passage, Duration::from_millis(10), Duration::from_millis(5010));
        let expected = StageMs {
            queued: Some(2.0),
            ..StageMs::default()
        };
        assert_eq!(stages, expected);
    }
}
