//! Why a command about actors was refused.

use bincode::{Decode, Encode};

use super::ActorId;

/// What the rules of actors forbid.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum ActorRefusal {
    /// It never was registered.
    #[error("actor {actor} is not registered")]
    Unknown {
        /// Which.
        actor: ActorId,
    },
    /// Another actor took its place, or another member has it.
    #[error("actor {actor} was registered before, and is not the live one of this member")]
    Used {
        /// Which.
        actor: ActorId,
    },
    /// It was retired with other numbers.
    #[error("actor {actor} was retired already, and ends elsewhere")]
    Retired {
        /// Which.
        actor: ActorId,
    },
    /// There are as many as there may be.
    #[error("{actors_max} actors are registered, which is the limit")]
    TooMany {
        /// The limit.
        actors_max: u64,
    },
    /// The numbers are not one for each shard at most, in the order of the shards.
    #[error("the final numbers of an actor are in the order of the shards, below {shards}, each at least 1")]
    Finals {
        /// How many shards there are.
        shards: u16,
    },
}
