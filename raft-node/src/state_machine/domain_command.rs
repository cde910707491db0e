//! Commands about domains and actors. See `command.rs`.

use bincode::{Decode, Encode};

use super::command::Stamp;
use crate::actors::Finals;
use crate::codec::Record;
use crate::mvcc::{DomainChange, NewDomain};
use crate::types::{ActorId, MemberId};

/// Creates a domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CreateDomain {
    /// Absent for clients that never retry.
    pub stamp: Option<Stamp>,
    /// What it will be.
    pub domain: NewDomain,
}

/// Changes a domain's settings.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangeDomain {
    /// Absent for clients that never retry.
    pub stamp: Option<Stamp>,
    /// Which.
    pub name: String,
    /// What becomes different.
    pub change: DomainChange,
}

/// Drops a domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DropDomain {
    /// Absent for clients that never retry.
    pub stamp: Option<Stamp>,
    /// Which.
    pub name: String,
}

/// Says which process a member runs now. Applied twice it does the same as once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterActor {
    /// Whose.
    pub member: MemberId,
    /// The process.
    pub actor: ActorId,
}

/// Says that every member has all that a process wrote. Applied twice it does the same as once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RetireActor {
    /// Which.
    pub actor: ActorId,
    /// Where it ended.
    pub finals: Finals,
}

impl Record for CreateDomain {
    const ID: u16 = 0x0108;
    const VERSION: u8 = 1;
}

impl Record for ChangeDomain {
    const ID: u16 = 0x0109;
    const VERSION: u8 = 1;
}

impl Record for DropDomain {
    const ID: u16 = 0x010A;
    const VERSION: u8 = 1;
}

impl Record for RegisterActor {
    const ID: u16 = 0x010B;
    const VERSION: u8 = 1;
}

impl Record for RetireActor {
    const ID: u16 = 0x010C;
    const VERSION: u8 = 1;
}
