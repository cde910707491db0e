//! The two tiers.

use std::fmt;

use bincode::{Decode, Encode};

/// Where the keys of a domain live. Fixed when the domain is created.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Tier {
    /// In the Raft group: linearizable, revisioned.
    Strong,
    /// In the eventual tier: multi-value, converging.
    Eventual,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Strong => "strong",
            Tier::Eventual => "eventual",
        })
    }
}
