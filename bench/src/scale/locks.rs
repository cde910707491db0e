//! One lock with a holder and a queue behind it. The holder releases it, which grants it to the first who waits, and
//! queues again at the end; with nobody waiting, it is free in between.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use quorate_node::coordination::locks::{Acquire, Hold, LockOperation, LockReply, Share};
use quorate_node::state_machine::{Operation, OperationReply};
use quorate_node::types::{LeaseId, Revision};

use super::leases::grant;
use super::store::Store;
use super::{Case, GROUP};

const LOCK: &str = "bench";
/// Releases with the acquisitions after them that a group holds.
pub(crate) const PAIRS: u32 = GROUP / 2;

/// The lock.
pub struct Locks {
    store: Store,
    /// The holder, and behind it who waits, in their order: lease and request.
    contenders: VecDeque<(u64, u64)>,
    /// The holder's.
    token: u64,
    next_request: u64,
}

impl Locks {
    /// Lets so many wait, each under a lease of its own.
    pub fn new(directory: &Path, waiters: u32) -> Result<Locks, String> {
        let mut store = Store::new(directory)?;
        let leases: Vec<u64> = (1..=u64::from(waiters) + 1).collect();
        let mut contenders = VecDeque::new();
        let mut token = 0;
        for leases in leases.chunks(GROUP as usize) {
            store.apply(leases.iter().map(|lease| grant(Some(LeaseId(*lease)))).collect())?;
            // The first of all is granted at the first of these revisions.
            if token == 0 {
                token = store.revision().0 + 1;
            }
            store.apply(leases.iter().map(|lease| acquire(*lease, 1)).collect())?;
            contenders.extend(leases.iter().map(|lease| (*lease, 1)));
        }
        Ok(Locks {
            store,
            contenders,
            token,
            next_request: 2,
        })
    }

    /// Releases and acquires as often as a group has room for.
    pub(crate) fn group(&mut self) -> Result<Duration, String> {
        let mut operations = Vec::new();
        // Every operation makes one revision, which is the token of what it grants.
        let mut revision = self.store.revision().0;
        for _ in 0..PAIRS {
            let (lease, request) = self.contenders.pop_front().ok_or("a lock without a holder")?;
            operations.push(release(lease, request, self.token));
            revision += 1;
            self.token = revision;
            operations.push(acquire(lease, self.next_request));
            revision += 1;
            if self.contenders.is_empty() {
                self.token = revision;
            }
            self.contenders.push_back((lease, self.next_request));
            self.next_request += 1;
        }
        let (replies, spent) = self.store.apply(operations)?;
        match replies.iter().find(|reply| !expected(reply)) {
            Some(reply) => Err(format!("a release or an acquisition was answered with {reply:?}")),
            None => Ok(spent),
        }
    }
}

impl Case for Locks {
    fn step(&mut self) -> Result<Duration, String> {
        let mut spent = Duration::ZERO;
        for _ in 0..GROUP / PAIRS {
            spent += self.group()?;
        }
        Ok(spent)
    }
}

fn expected(reply: &OperationReply) -> bool {
    use LockReply::{Granted, Queued, Released};
    matches!(reply, OperationReply::Lock(Granted { .. } | Queued { .. } | Released))
}

fn acquire(lease: u64, request: u64) -> Operation {
    Operation::Lock(LockOperation::Acquire(Acquire {
        lease: LeaseId(lease),
        request,
        names: vec![LOCK.to_owned()],
        share: Share::Exclusive,
        value: Vec::new(),
        wait: true,
    }))
}

fn release(lease: u64, request: u64, token: u64) -> Operation {
    Operation::Lock(LockOperation::Release(Hold {
        lock: LOCK.to_owned(),
        lease: LeaseId(lease),
        token: Revision(token),
        request: Some(request),
    }))
}
