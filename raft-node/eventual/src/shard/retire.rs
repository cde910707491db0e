//! Processes that are gone for good.

use super::Shard;
use crate::actor::ActorIndex;

impl Shard {
    /// It is agreed that `last` is the actor's last operation here, and that all members have it. Returns whether this one
    /// does, so that the actor is left out of clocks from now on.
    pub fn retire(&mut self, actor: ActorIndex, last: u64) -> bool {
        if actor == self.me || !self.clock.retire(actor, last) {
            return false;
        }
        self.log.drop_actor(actor);
        // Dots that were superseded and were lost with their process: nobody will ever send them.
        self.pending.retain(|dot| dot.actor() != actor);
        self.clock_is_unflushed();
        true
    }
}
