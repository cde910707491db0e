//! What became of it when two members could reach each other again.

use std::time::Duration;

use quorate_eventual::Applied;

use crate::types::MemberId;

/// Members that were apart for less than this were not apart: a connection was made anew.
pub const APART_MIN: Duration = Duration::from_secs(1);
/// Reports that are kept.
pub const HEALS_MAX: usize = 64;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heal {
    /// With whom.
    pub peer: MemberId,
    /// When they were connected again, in milliseconds since 1970.
    pub healed_at_ms: u64,
    /// How long they had not been.
    pub apart: Duration,
    /// From then until each had everything that the other had had.
    pub duration: Duration,
    /// Shards in which something was new here.
    pub shards: u32,
    /// What changed here.
    pub applied: Applied,
    /// Bytes of frames, both ways.
    pub bytes: u64,
    /// At least one shard came or went whole.
    pub whole: bool,
}

impl Heal {
    /// `log`: operations were enough; `state`: at least one shard came or went whole.
    pub fn mode(&self) -> &'static str {
        if self.whole { "state" } else { "log" }
    }
}

/// Follows one peer: apart, healing, together.
#[derive(Debug, Default)]
pub struct HealTracker {
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    /// Nothing was heard of it since this member started, or they are together.
    #[default]
    Together,
    Apart {
        since: Duration,
        /// What had been healed when they were parted again.
        before: Option<Box<Healing>>,
    },
    Healing(Box<Healing>),
}

#[derive(Debug, Default)]
struct Healing {
    apart: Duration,
    began: Duration,
    began_at_ms: u64,
    shards: std::collections::BTreeSet<u16>,
    applied: Applied,
    bytes: u64,
    whole: bool,
    /// The peer has sent everything that it had.
    all_here: bool,
    /// The peer has everything this member had.
    all_there: bool,
}

impl HealTracker {
    /// They cannot reach each other. `now` is this member's monotonic clock.
    pub fn parted(&mut self, now: Duration) {
        self.phase = match std::mem::take(&mut self.phase) {
            Phase::Together => Phase::Apart {
                since: now,
                before: None,
            },
            // It broke again before it was done: that is one time apart, not two.
            Phase::Healing(healing) => Phase::Apart {
                since: healing.began.saturating_sub(healing.apart),
                before: Some(healing),
            },
            apart @ Phase::Apart { .. } => apart,
        };
    }

    /// They can reach each other again, both ways.
    pub fn connected(&mut self, now: Duration, wall_ms: u64) {
        let Phase::Apart { since, before } = &mut self.phase else {
            return;
        };
        let apart = now.saturating_sub(*since);
        if apart < APART_MIN {
            self.phase = Phase::Together;
            return;
        }
        let mut healing = before.take().unwrap_or_default();
        healing.apart = apart;
        healing.began = now;
        healing.began_at_ms = wall_ms;
        (healing.all_here, healing.all_there) = (false, false);
        self.phase = Phase::Healing(healing);
    }

    /// They are connected again, and not yet even.
    pub fn is_healing(&self) -> bool {
        matches!(self.phase, Phase::Healing(_))
    }

    /// A frame came and was applied.
    pub fn received(&mut self, shard: u16, applied: Applied, bytes: u64, whole: bool) {
        if let Phase::Healing(healing) = &mut self.phase {
            healing.bytes += bytes;
            healing.whole |= whole;
            if applied != Applied::default() {
                healing.shards.insert(shard);
                healing.applied.add(applied);
            }
        }
    }

    /// Frames went that repair something.
    pub fn sent(&mut self, bytes: u64, whole: bool) {
        if let Phase::Healing(healing) = &mut self.phase {
            healing.bytes += bytes;
            healing.whole |= whole;
        }
    }

    /// The peer has sent everything that it had when they were connected.
    pub fn all_is_here(&mut self) {
        if let Phase::Healing(healing) = &mut self.phase {
            healing.all_here = true;
        }
    }

    /// The peer has everything that this member had when they were connected.
    pub fn all_is_there(&mut self) {
        if let Phase::Healing(healing) = &mut self.phase {
            healing.all_there = true;
        }
    }

    /// The report, once, when both are even.
    pub fn take_report(&mut self, peer: MemberId, now: Duration) -> Option<Heal> {
        let Phase::Healing(healing) = &mut self.phase else {
            return None;
        };
        if !(healing.all_here && healing.all_there) {
            return None;
        }
        let heal = Heal {
            peer,
            healed_at_ms: healing.began_at_ms,
            apart: healing.apart,
            duration: now.saturating_sub(healing.began),
            shards: healing.shards.len() as u32,
            applied: healing.applied,
            bytes: healing.bytes,
            whole: healing.whole,
        };
        self.phase = Phase::Together;
        Some(heal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_report_is_made_once_when_both_are_even() {
        let mut tracker = HealTracker::default();
        tracker.parted(seconds(10));
        tracker.connected(seconds(14), 77);
        let applied = Applied {
            merged: 3,
            ..Applied::default()
        };
        tracker.received(5, applied, 100, false);
        tracker.received(5, Applied::default(), 10, true);
        tracker.all_is_here();
        assert_eq!(tracker.take_report(2, seconds(15)), None);
        tracker.all_is_there();
        let heal = tracker.take_report(2, seconds(16)).unwrap();
        assert_eq!((heal.apart, heal.duration), (seconds(4), seconds(2)));
        assert_eq!(
            (heal.shards, heal.applied.merged, heal.bytes, heal.whole),
            (1, 3, 110, true)
        );
        assert_eq!(tracker.take_report(2, seconds(17)), None);
    }

    #[test]
    fn a_connection_that_is_made_anew_is_no_partition() {
        let mut tracker = HealTracker::default();
        tracker.parted(seconds(10));
        tracker.connected(seconds(10) + Duration::from_millis(300), 0);
        assert!(!tracker.is_healing());
    }

    #[test]
    fn one_that_breaks_again_while_it_heals_goes_on() {
        let mut tracker = HealTracker::default();
        tracker.parted(seconds(10));
        tracker.connected(seconds(14), 0);
        tracker.parted(seconds(15));
        tracker.connected(seconds(20), 0);
        tracker.all_is_here();
        tracker.all_is_there();
        assert_eq!(tracker.take_report(2, seconds(20)).unwrap().apart, seconds(10));
    }
}
