//! What a run that passed has covered.

use std::fmt;
use std::time::Duration;

use super::nemesis::EventualFaults;
use crate::eventual_check::Summary;

/// What a run of [`EventualRounds`](super::EventualRounds) that passed has covered.
#[derive(Clone, Copy, Debug)]
pub struct EventualReport {
    /// What was checked.
    pub summary: Summary,
    /// What happened to members.
    pub faults: EventualFaults,
    /// Members could be cut off from one another.
    pub partitions: bool,
    /// From the end of the last fault until all members had the same.
    pub equal_after: Duration,
}

impl fmt::Display for EventualReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            acked,
            acked_by_two,
            refused,
            unknown,
            lost_with_a_process,
            hops,
            contexts_lost,
            keys,
        } = self.summary;
        let EventualFaults {
            kills,
            wipes,
            pauses,
            lonely_kills,
            cuts,
            one_way_cuts,
            heals,
        } = self.faults;
        write!(
            f,
            "{acked} writes acknowledged, {acked_by_two} of them by two members or more, {refused} refused, {unknown} of \
             unknown end; {lost_with_a_process} values that one member had acknowledged were lost with it; {hops} reads with \
             a token, {contexts_lost} contexts lost; {kills} kills, of which {wipes} with empty disks and {lonely_kills} while cut off, {pauses} pauses, \
             {cuts} members cut off, {one_way_cuts} one way{}, {heals} reports; {keys} keys equal at every member {} ms after \
             the last fault",
            match self.partitions {
                true => "",
                false => " (this machine refuses it)",
            },
            self.equal_after.as_millis()
        )
    }
}
