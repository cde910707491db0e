//! What a call promises.

use std::time::Duration;

use quorate_proto::v1;

/// What a call promises, and so where it may be answered. Of writes, which are `Strong` or `Eventual`, it is the tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consistency {
    /// Linearizable: it sees every write that was acknowledged before it began. The default.
    #[default]
    Strong,
    /// No older than this, which the member proves without comparing clocks; never older than what this client has seen.
    /// Counted in whole milliseconds, rounded up; zero is refused.
    BoundedStale(Duration),
    /// A prefix of the history, as the answering member has applied it; never older than what this client has seen.
    Local,
    /// The eventual tier, a keyspace of its own: any member answers from its memory, and never with anything older than
    /// what this client has seen of it. Only for reads, puts and deletes of single keys.
    Eventual,
}

/// Who answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The cache of this client: no call was made.
    Cache,
    /// A member that did not lead at that time, or did not say that it did.
    Replica,
    /// The leader.
    Leader,
}

impl Source {
    pub(crate) fn of(led: bool) -> Self {
        if led { Self::Leader } else { Self::Replica }
    }
}

impl Consistency {
    /// `seen_revision` is the highest revision that the client has seen; a local or a bounded read may not fall behind it.
    pub(crate) fn read_options(self, seen_revision: u64) -> v1::ReadOptions {
        let mut options = v1::ReadOptions::default();
        match self {
            Self::Strong => options.set_level(v1::Level::Strong),
            Self::BoundedStale(staleness_max) => {
                options.set_level(v1::Level::BoundedStale);
                options.max_staleness_ms = whole_ms(staleness_max);
                options.min_revision = seen_revision;
            }
            Self::Local => {
                options.set_level(v1::Level::Local);
                options.min_revision = seen_revision;
            }
            Self::Eventual => options.set_level(v1::Level::Eventual),
        }
        options
    }
}

/// How old a member says that its answer may be; [`Duration::MAX`] if it cannot tell.
pub(crate) fn staleness_of(staleness_ms: u64) -> Duration {
    match staleness_ms {
        u64::MAX => Duration::MAX,
        known => Duration::from_millis(known),
    }
}

/// Milliseconds, rounded up: a duration that is not zero does not become zero, which means something else on the wire.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_duration_is_rounded_up_to_a_millisecond() {
        assert_eq!(whole_ms(Duration::from_micros(1)), 1);
        assert_eq!(whole_ms(Duration::from_millis(7)), 7);
        assert_eq!(whole_ms(Duration::ZERO), 0);
    }

    #[test]
    fn reads_that_any_member_may_answer_wait_for_the_revision_seen() {
        let bounded = Consistency::BoundedStale(Duration::from_millis(7));
        assert_eq!(Consistency::Local.read_options(9).min_revision, 9);
        assert_eq!(bounded.read_options(9).min_revision, 9);
        assert_eq!(Consistency::Strong.read_options(9).min_revision, 0);
    }
}
