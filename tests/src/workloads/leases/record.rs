//! What clients do with leases, and what they are told.

use serde::{Deserialize, Serialize};

use crate::journal::Operation;

/// A call about a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// A new one.
    Grant {
        /// Its time to live, in milliseconds.
        ttl_ms: u64,
    },
    /// It is to live on.
    KeepAlive {
        /// Which.
        lease: u64,
    },
    /// It is to end.
    Revoke {
        /// Which.
        lease: u64,
    },
    /// A key that goes with it.
    Attach {
        /// Which.
        lease: u64,
        /// The key, which nobody else writes.
        key: String,
    },
    /// Whether it lives.
    Look {
        /// Which.
        lease: u64,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// It lives from this revision on.
    Granted {
        /// Its id.
        lease: u64,
        /// Without a renewal, in milliseconds.
        ttl_ms: u64,
        /// Of the grant.
        revision: u64,
    },
    /// It lives this long from the call on.
    Renewed {
        /// In milliseconds.
        ttl_ms: u64,
    },
    /// It ended at this revision.
    Revoked {
        /// That.
        revision: u64,
    },
    /// The key is there, as of this revision.
    Attached {
        /// That.
        revision: u64,
    },
    /// It lives.
    Lives,
    /// It does not live: the call did nothing.
    Dead,
}

/// A call about a lease, and its answer.
pub type LeaseOperation = Operation<Call, Done>;

impl Call {
    /// For the demand that every kind succeeds.
    pub fn kind(&self) -> &'static str {
        match self {
            Call::Grant { .. } => "grant",
            Call::KeepAlive { .. } => "keep alive",
            Call::Revoke { .. } => "revoke",
            Call::Attach { .. } => "attach",
            Call::Look { .. } => "look",
        }
    }
}

impl Done {
    /// The revision that it made.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Done::Granted { revision, .. } | Done::Revoked { revision } | Done::Attached { revision } => {
                Some(*revision)
            }
            Done::Renewed { .. } | Done::Lives | Done::Dead => None,
        }
    }
}
