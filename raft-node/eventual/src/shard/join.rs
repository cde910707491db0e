//! The state of another member, where its operations are not remembered any more.

use std::collections::HashSet;

use super::{Applied, Gap, Shard};
use crate::clock::Clock;
use crate::dot::Dot;
use crate::entry::Sibling;
use crate::key::Key;

/// A shard's state as another member had it, but for the values that this member has had.
#[derive(Clone, Debug, Default)]
pub struct RemoteState {
    /// What it had.
    pub clock: Clock,
    /// What it awaited.
    pub pending: Vec<Dot>,
    /// Dots of values that it had and that were covered by the clock the receiver had told.
    pub known: Vec<Dot>,
    /// The other values it had.
    pub values: Vec<(Key, Sibling)>,
}

impl Shard {
    /// Takes over what another member had, and what it knew to be superseded.
    ///
    /// A value of this member stays if the other has it, or has not had it; one of the other's is taken if it has not been
    /// here. Refused if it leaves out values that this member has not had, since it was made for another process, or if it
    /// has operations of this process that were never done.
    pub(crate) fn join(&mut self, state: RemoteState) -> Result<Applied, Gap> {
        if let Some(missing) = state.known.iter().find(|dot| !self.clock.covers(**dot)) {
            return Err(Gap {
                actor: missing.actor(),
                have: self.clock.get(missing.actor()),
            });
        }
        // Nobody can have more of this process than it has done: with that, a dot would be used twice.
        if state.clock.get(self.me) > self.own_number() {
            return Err(Gap {
                actor: self.me,
                have: self.own_number(),
            });
        }
        let mut applied = Applied::default();
        let theirs: HashSet<Dot> = state
            .known
            .iter()
            .copied()
            .chain(state.values.iter().map(|(_, sibling)| sibling.dot))
            .collect();
        let superseded_there: HashSet<Dot> = state.pending.iter().copied().collect();
        let gone = |dot: Dot| !theirs.contains(&dot) && (state.clock.covers(dot) || superseded_there.contains(&dot));
        let going: Vec<(Key, Dot)> = self
            .entries()
            .flat_map(|entry| entry.siblings().map(|sibling| (entry.key.clone(), sibling.dot)))
            .filter(|(_, dot)| gone(*dot))
            .collect();
        for (key, dot) in going {
            if let Some(sibling) = self.remove(&key, dot) {
                if dot.actor() == self.me && self.rules.keep_orphans_of_joins() {
                    self.keep_orphan(sibling);
                }
                applied.merged += 1;
                self.touched(&key);
            }
        }
        for (key, sibling) in state.values {
            if self.clock.covers(sibling.dot) || self.pending.contains(&sibling.dot) {
                continue;
            }
            self.admit(&key, sibling, &mut applied);
            applied.merged += 1;
            self.touched(&key);
        }
        for (actor, number) in state.clock.iter().chain(state.clock.retired()) {
            let have = self.clock.get(actor);
            if number > have && !self.clock.is_retired(actor) {
                applied.operations += number - have;
                self.log.restart(actor, number);
            }
        }
        self.clock.merge(&state.clock);
        let me = self.me;
        self.pending
            .extend(state.pending.into_iter().filter(|dot| dot.actor() != me));
        let clock = &self.clock;
        self.pending.retain(|dot| !clock.covers(*dot));
        for (actor, _) in state.clock.retired() {
            if self.clock.is_retired(actor) {
                self.log.drop_actor(actor);
            }
        }
        self.clock_is_unflushed();
        Ok(applied)
    }
}
