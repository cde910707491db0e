//! Leases, of which some come and go while the others stay.

use std::path::Path;
use std::time::Duration;

use quorate_node::coordination::sessions::{LeaseOperation, LeaseReply};
use quorate_node::state_machine::{Operation, OperationReply};
use quorate_node::types::LeaseId;

use super::store::Store;
use super::{Case, GROUP};

const TTL_MS: u64 = 3_600_000;

/// The leases.
pub struct Leases {
    store: Store,
}

impl Leases {
    /// Grants those that stay.
    pub fn new(directory: &Path, size: u32) -> Result<Leases, String> {
        let mut leases = Leases {
            store: Store::new(directory)?,
        };
        let mut left = size;
        while left > 0 {
            let count = left.min(GROUP);
            left -= count;
            leases.grant(count)?;
        }
        Ok(leases)
    }

    fn grant(&mut self, count: u32) -> Result<(Vec<LeaseId>, Duration), String> {
        let (replies, spent) = self.store.apply((0..count).map(|_| grant(None)).collect())?;
        let mut granted = Vec::with_capacity(replies.len());
        for reply in replies {
            match reply {
                OperationReply::Lease(LeaseReply::Granted { lease, .. }) => granted.push(lease),
                other => return Err(format!("a grant was answered with {other:?}")),
            }
        }
        Ok((granted, spent))
    }
}

impl Case for Leases {
    fn step(&mut self) -> Result<Duration, String> {
        let (granted, granting) = self.grant(GROUP)?;
        let revoke = |lease| Operation::Lease(LeaseOperation::Revoke { lease });
        let (_, revoking) = self.store.apply(granted.into_iter().map(revoke).collect())?;
        Ok(granting + revoking)
    }
}

/// A grant of a lease with this id, or one that the store chooses.
pub fn grant(lease: Option<LeaseId>) -> Operation {
    Operation::Lease(LeaseOperation::Grant {
        lease,
        ttl_ms: TTL_MS,
        name: String::new(),
    })
}
