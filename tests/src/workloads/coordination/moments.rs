//! When revisions can have been made, as far as clients can tell.

use std::time::Duration;

use crate::watch_check::Ack;

/// Bounds of the moment at which each revision was made, from calls that were answered: a revision was made before every
/// answer that names it or a later one, and not before the call that made it or an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// By revision, each with the latest call that made it or an earlier one.
    earliest: Vec<(u64, Duration)>,
    /// By revision, each with the earliest answer that names it or a later one.
    latest: Vec<(u64, Duration)>,
}

impl Moments {
    /// From these. Where a revision was only seen, and may have been made long before the call, `invoked` is zero.
    pub fn new(acks: impl IntoIterator<Item = Ack>) -> Moments {
        let mut acks: Vec<Ack> = acks.into_iter().collect();
        acks.sort_by_key(|ack| ack.revision);
        let mut last = Duration::ZERO;
        let earliest = acks.iter().map(|ack| {
            last = last.max(ack.invoked);
            (ack.revision, last)
        });
        let earliest = earliest.collect();
        let mut first = Duration::MAX;
        let mut latest: Vec<(u64, Duration)> = Vec::with_capacity(acks.len());
        for ack in acks.iter().rev() {
            first = first.min(ack.returned);
            latest.push((ack.revision, first));
        }
        latest.reverse();
        Moments { earliest, latest }
    }

    /// It was not made before this.
    pub fn earliest(&self, revision: u64) -> Duration {
        let known = self.earliest.partition_point(|(made, _)| *made <= revision);
        known
            .checked_sub(1)
            .and_then(|index| self.earliest.get(index))
            .map_or(Duration::ZERO, |(_, at)| *at)
    }

    /// It was made before this; [`Duration::MAX`] where nobody can tell.
    pub fn latest(&self, revision: u64) -> Duration {
        let known = self.latest.partition_point(|(made, _)| *made < revision);
        self.latest.get(known).map_or(Duration::MAX, |(_, at)| *at)
    }

    /// Before this the last call began that was answered: until then, somebody looked.
    pub fn last_call(&self) -> Duration {
        self.earliest.last().map_or(Duration::ZERO, |(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_revision_is_made_after_calls_of_earlier_ones_and_before_answers_of_later_ones() {
        let ack = |revision, invoked, returned| Ack {
            invoked: at(invoked),
            returned: at(returned),
            revision,
        };
        let moments = Moments::new([ack(10, 1, 9), ack(20, 4, 6), ack(30, 2, 8), ack(40, 0, 7)]);
        assert_eq!((moments.earliest(9), moments.latest(9)), (at(0), at(6)));
        assert_eq!((moments.earliest(10), moments.latest(10)), (at(1), at(6)));
        assert_eq!((moments.earliest(20), moments.latest(20)), (at(4), at(6)));
        assert_eq!((moments.earliest(25), moments.latest(25)), (at(4), at(7)));
        assert_eq!((moments.earliest(40), moments.latest(40)), (at(4), at(7)));
        assert_eq!(moments.latest(41), Duration::MAX);
        assert_eq!(moments.last_call(), at(4));
    }
}
