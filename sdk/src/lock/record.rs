//! What the store knows of locks.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use quorate_proto::v1;

/// How a mutex is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// By one.
    Exclusive,
    /// By any number together.
    Shared,
}

/// A lock that is held or waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockRecord {
    /// Its name.
    pub name: String,
    /// How many permits it has; none: it is a mutex.
    pub permits: Option<u32>,
    /// Permits that are taken; of a mutex, the number of its holders.
    pub taken: u64,
    /// Those who hold it, the oldest hold first: at most 256, and in a list one, without its value.
    pub holders: Vec<LockHolder>,
    /// How many hold it.
    pub holders_count: u64,
    /// Acquisitions that wait for it.
    pub waiting: u64,
    /// When its holders, or what they proclaim, last changed.
    pub changed_revision: u64,
    /// Grants since it is held or waited for without a gap.
    pub acquisitions: u64,
    /// Acquisitions that had to wait, since then.
    pub contended: u64,
    /// Holds that ended with their lease, since then.
    pub expirations: u64,
    /// Its last release by force, since then.
    pub forced: Option<LockForced>,
}

/// One who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolder {
    /// The lease.
    pub lease: u64,
    /// Which acquisition of the lease.
    pub request: u64,
    /// The fencing token.
    pub token: u64,
    /// Of a mutex.
    pub mode: Option<LockMode>,
    /// Permits it holds; 1 of a mutex.
    pub count: u32,
    /// What it proclaims.
    pub value: Bytes,
}

/// A release by force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockForced {
    /// Why, for people.
    pub reason: String,
    /// The newest token that was taken away.
    pub token: u64,
    /// By the leader's wall clock.
    pub at: SystemTime,
}

impl From<v1::Lock> for LockRecord {
    fn from(lock: v1::Lock) -> Self {
        Self {
            name: lock.name,
            permits: (lock.permits != 0).then_some(lock.permits),
            taken: lock.taken,
            holders: lock.holders.into_iter().map(LockHolder::from).collect(),
            holders_count: lock.holders_count,
            waiting: lock.waiting,
            changed_revision: lock.changed_revision,
            acquisitions: lock.acquisitions,
            contended: lock.contended,
            expirations: lock.expirations,
            forced: lock.forced.map(|forced| LockForced {
                reason: forced.reason,
                token: forced.token,
                at: SystemTime::UNIX_EPOCH + Duration::from_millis(forced.wall_ms),
            }),
        }
    }
}

impl From<v1::LockHolder> for LockHolder {
    fn from(holder: v1::LockHolder) -> Self {
        let mode = match holder.mode() {
            v1::LockMode::Unspecified => None,
            v1::LockMode::Exclusive => Some(LockMode::Exclusive),
            v1::LockMode::Shared => Some(LockMode::Shared),
        };
        Self {
            lease: holder.lease,
            request: holder.request,
            token: holder.token,
            mode,
            count: holder.count,
            value: holder.value,
        }
    }
}
