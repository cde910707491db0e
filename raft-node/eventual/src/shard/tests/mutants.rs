//! The algorithm with one of its rules broken. The model has to notice, or it would prove nothing.
//!
//! Most of these are faults that other stores had. Two that are known from elsewhere cannot be made here: there are no
//! tombstones that could be collected too early, and an actor is never made of a clock's time.

use super::cluster::{Flaw, Options};
use super::model::run;
use crate::entry::Entry;
use crate::key::Key;
use crate::shard::{Rule, Shard};
use crate::{Space, Strategy};

impl Shard {
    /// Of values of which the last write wins, all but that one go at once.
    pub(in crate::shard) fn drop_losers(&mut self, key: &Key) {
        let siblings = self.entry_of(key).into_iter().flat_map(Entry::siblings);
        let mut stamps: Vec<_> = siblings
            .filter(|sibling| sibling.life.strategy() == Strategy::LastWrite && key.address().space == Space::Register)
            .map(|sibling| (sibling.hlc, self.actors.id(sibling.dot.actor()), sibling.dot))
            .collect();
        stamps.sort_unstable();
        stamps.pop();
        for (_, _, dot) in stamps {
            self.remove(key, dot);
        }
    }
}

/// The model fails in one of the first `seeds` runs, and not if the rule holds.
fn is_caught_within(seeds: u64, options: Options) {
    let sound = Options {
        flaw: None,
        broken: None,
        ..options
    };
    for seed in 0..seeds {
        run(seed, usize::MAX, sound).unwrap();
    }
    let caught = (0..seeds).find(|seed| run(*seed, usize::MAX, options).is_err());
    assert!(caught.is_some(), "nothing was noticed in {seeds} runs");
}

fn without(rule: Rule) -> Options {
    Options {
        broken: Some(rule),
        ..Options::default()
    }
}

fn with(flaw: Flaw) -> Options {
    Options {
        flaw: Some(flaw),
        ..Options::default()
    }
}

#[test]
fn a_dot_superseded_before_it_came_has_to_be_remembered() {
    is_caught_within(40, without(Rule::KeepPending));
}

#[test]
fn a_value_that_a_peer_superseded_has_to_be_kept() {
    is_caught_within(100, without(Rule::KeepOrphans));
}

#[test]
fn a_value_that_a_join_superseded_has_to_be_kept() {
    is_caught_within(1_000, without(Rule::KeepOrphansOfJoins));
}

#[test]
fn own_operations_whose_values_are_gone_cannot_go_alone() {
    is_caught_within(1_000, without(Rule::SendOwnWithOrphans));
}

#[test]
fn a_value_that_lost_keeps_its_dot() {
    is_caught_within(40, without(Rule::KeepLosers));
}

#[test]
fn a_share_of_a_process_that_may_live_on_elsewhere_cannot_be_inherited() {
    is_caught_within(300, without(Rule::InheritWhenRetired));
}

#[test]
fn an_actor_cannot_be_used_again() {
    is_caught_within(40, with(Flaw::ActorUsedAgain));
}

#[test]
fn a_frame_cannot_be_applied_in_part() {
    is_caught_within(40, with(Flaw::FrameAppliedInPart));
}

#[test]
fn a_clock_on_disk_cannot_be_ahead_of_its_values() {
    is_caught_within(100, with(Flaw::ClockFlushedAhead));
}

#[test]
fn values_that_are_not_on_disk_cannot_share_a_clock_with_those_that_are() {
    is_caught_within(40, with(Flaw::VolatileInTheSameShard));
}

#[test]
fn an_entry_cannot_be_evicted_in_silence() {
    is_caught_within(300, with(Flaw::EvictedInSilence));
}

#[test]
fn when_a_value_ends_cannot_depend_on_when_it_came() {
    is_caught_within(40, with(Flaw::EndsCountedFromArrival));
}

#[test]
fn a_merge_cannot_be_written_by_whoever_sees_it() {
    is_caught_within(100, with(Flaw::MergeWritten));
}

#[test]
fn what_was_not_applied_cannot_be_acknowledged() {
    is_caught_within(40, with(Flaw::AcknowledgedBeforeApplied));
}

#[test]
fn a_value_cannot_leave_the_memory_before_it_is_on_the_disk() {
    is_caught_within(40, with(Flaw::ChilledBeforeFlushed));
}

#[test]
fn a_row_cannot_be_written_anew_without_the_value_that_is_there_alone() {
    is_caught_within(40, with(Flaw::ColdValueOverwritten));
}

#[test]
fn a_value_that_is_on_the_disk_alone_is_not_absent_from_a_state() {
    is_caught_within(40, without(Rule::SendCold));
}

#[test]
fn how_far_a_process_is_says_nothing_of_the_next_one() {
    is_caught_within(40, with(Flaw::ClockOfEarlierProcess));
}
