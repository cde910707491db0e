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
        before: Box<Exchanged>,
        /// One direction may be open long before the other, and bring what is to be reported.
        lately: Box<Exchanged>,
    },
    Healing(Box<Healing>),
}

/// What came and went since the streams were opened.
#[derive(Debug, Default)]
struct Exchanged {
    shards: std::collections::BTreeSet<u16>,
    applied: Applied,
    received_bytes: u64,
    received_whole: bool,
    sent_bytes: u64,
    sent_whole: bool,
}

impl Exchanged {
    fn add(&mut self, other: Exchanged) {
        self.shards.extend(other.shards);
        self.applied.add(other.applied);
        self.received_bytes += other.received_bytes;
        self.received_whole |= other.received_whole;
        self.sent_bytes += other.sent_bytes;
        self.sent_whole |= other.sent_whole;
    }
}

#[derive(Debug)]
struct Healing {
    apart: Duration,
    began: Duration,
    began_at_ms: u64,
    exchanged: Box<Exchanged>,
    /// The peer has sent everything that it had.
    all_here: bool,
    /// The peer has everything this member had.
    all_there: bool,
}

impl HealTracker {
    /// They cannot reach each other. `now` is this member's monotonic clock.
    pub fn parted(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::Together => {
                self.phase = Phase::Apart {
                    since: now,
                    before: Box::default(),
                    lately: Box::default(),
                }
            }
            // It broke again before it was done: that is one time apart, not two.
            Phase::Healing(healing) => {
                self.phase = Phase::Apart {
                    since: healing.began.saturating_sub(healing.apart),
                    before: std::mem::take(&mut healing.exchanged),
                    lately: Box::default(),
                }
            }
            Phase::Apart { .. } => {}
        }
    }

    /// The peer has opened its stream. What an older one brought, while only the other direction was broken, was no healing.
    pub fn begins_to_receive(&mut self) {
        if let Phase::Apart { lately, .. } = &mut self.phase {
            **lately = Exchanged {
                sent_bytes: lately.sent_bytes,
                sent_whole: lately.sent_whole,
                ..Exchanged::default()
            };
        }
    }

    /// They can reach each other again, both ways.
    pub fn connected(&mut self, now: Duration, wall_ms: u64) {
        if let Phase::Apart { since, before, lately } = &mut self.phase {
            let apart = now.saturating_sub(*since);
            let mut exchanged = std::mem::take(before);
            exchanged.add(std::mem::take(lately));
            self.phase = if apart < APART_MIN {
                Phase::Together
            } else {
                Phase::Healing(Box::new(Healing {
                    apart,
                    began: now,
                    began_at_ms: wall_ms,
                    exchanged,
                    all_here: false,
                    all_there: false,
                }))
            };
        }
    }

    /// They are connected again, and not yet even.
    pub fn is_healing(&self) -> bool {
        matches!(self.phase, Phase::Healing(_))
    }

    fn exchanged(&mut self) -> Option<&mut Exchanged> {
        match &mut self.phase {
            Phase::Together => None,
            Phase::Apart { lately, .. } => Some(lately),
            Phase::Healing(healing) => Some(&mut healing.exchanged),
        }
    }

    /// A frame came and was applied.
    pub fn received(&mut self, shard: u16, applied: Applied, bytes: u64, whole: bool) {
        if let Some(exchanged) = self.exchanged() {
            exchanged.received_bytes += bytes;
            exchanged.received_whole |= whole;
            if applied != Applied::default() {
                exchanged.shards.insert(shard);
                exchanged.applied.add(applied);
            }
        }
    }

    /// Frames went that repair something.
    pub fn sent(&mut self, bytes: u64, whole: bool) {
        if let Some(exchanged) = self.exchanged() {
            exchanged.sent_bytes += bytes;
            exchanged.sent_whole |= whole;
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
            shards: healing.exchanged.shards.len() as u32,
            applied: healing.exchanged.applied,
            bytes: healing.exchanged.received_bytes + healing.exchanged.sent_bytes,
            whole: healing.exchanged.received_whole || healing.exchanged.sent_whole,
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
    fn what_comes_before_both_directions_are_open_counts_but_not_what_an_older_stream_brought() {
        let merged = |merged| Applied {
            merged,
            ..Applied::default()
        };
        let mut tracker = HealTracker::default();
        tracker.received(1, merged(9), 1, false);
        tracker.parted(seconds(10));
        tracker.received(2, merged(7), 70, true);
        tracker.begins_to_receive();
        tracker.sent(5, false);
        tracker.received(3, merged(1), 10, false);
        tracker.connected(seconds(14), 77);
        tracker.received(4, merged(2), 20, false);
        tracker.all_is_here();
        tracker.all_is_there();
        let heal = tracker.take_report(2, seconds(15)).unwrap();
        assert_eq!(
            (heal.shards, heal.applied.merged, heal.bytes, heal.whole),
            (2, 3, 35, false)
        );
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
        tracker.received(1, Applied::default(), 40, false);
        tracker.parted(seconds(15));
        tracker.received(1, Applied::default(), 9, false);
        tracker.begins_to_receive();
        tracker.connected(seconds(20), 0);
        tracker.all_is_here();
        tracker.all_is_there();
        let heal = tracker.take_report(2, seconds(20)).unwrap();
        assert_eq!((heal.apart, heal.bytes), (seconds(10), 40));
    }
}
