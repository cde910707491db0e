//! Identifiers. None is ever used twice within a cluster.

use std::fmt;

use bincode::{Decode, Encode};

/// Id of a member of the cluster, chosen by the operator, at least 1, never reused.
pub type MemberId = u64;

/// Id of a registered client: the log index at which it registered, so it is unique without randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ClientId(pub u64);

/// Id of a domain (a keyspace). Part of every stored key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DomainId(pub u32);

/// Id of a process that writes to the eventual tier: random, drawn at each start of a member, so that no crash, wipe or
/// restore uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ActorId(pub u64);

/// Id of a lease; 0 in records means "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LeaseId(pub u64);

/// Random identity of a data directory, made when it is first used. The membership records it, so that a wiped or
/// copied directory cannot vote under the name of the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DirectoryId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
