//! The lines of a journal that are no operations and no truth.

use serde::{Deserialize, Serialize};

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format; [`Header::FORMAT`].
    pub journal: u32,
    /// Everything random came from it.
    pub seed: u64,
    /// What ran.
    pub workloads: Vec<String>,
    /// The kinds of fault that had to happen.
    pub faults: Vec<String>,
    /// How often each of them had to.
    pub faults_min: u64,
    /// Voting members.
    pub members: u64,
    /// How long it should go on, in seconds.
    pub seconds: u64,
    /// The revision before the first operation.
    pub base_revision: u64,
    /// What was tested, as far as it is known.
    pub version: String,
}

impl Header {
    /// What this build writes and reads.
    pub const FORMAT: u32 = 1;
}

/// Something that was done to members, from its beginning until the cluster had got over it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which kind.
    pub fault: String,
    /// To whom.
    pub victims: Vec<u64>,
    /// One of them led when it began.
    pub leader_hit: bool,
    /// When it began, on the clock of the operations, in microseconds.
    pub began_us: u64,
    /// When the cluster had got over it.
    pub ended_us: u64,
    /// How it is known that it happened; never empty.
    pub evidence: String,
}

/// The last line: all members agreed on this, and the truth leads there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The log index that all had applied.
    pub applied_index: u64,
    /// The hash of every logical write up to it.
    pub state_hash: u64,
    /// The revision there.
    pub revision: u64,
    /// Operations that were written.
    pub operations: u64,
    /// Since when workloads were started, in microseconds.
    pub began_us: u64,
    /// When they were told to stop.
    pub stopped_us: u64,
}
