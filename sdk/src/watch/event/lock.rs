//! What happened to a lock, a semaphore or an election.

use quorate_proto::v1;
use quorate_proto::v1::lock_event::What;

use crate::lock::LockMode;

/// What happened to a hold of a lock, of permits of a semaphore, or of an election. Waiting is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockEvent {
    /// Its name.
    pub lock: String,
    /// The lease of the hold.
    pub lease: u64,
    /// Which acquisition of the lease.
    pub request: u64,
    /// The fencing token of the hold.
    pub token: u64,
    /// What happened.
    pub kind: LockEventKind,
}

/// What happened to a hold. New kinds may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockEventKind {
    /// Somebody holds it from now on. What the holder proclaims is not here: [`Client::find_lock`](crate::Client::find_lock) reads it.
    #[non_exhaustive]
    Acquired {
        /// Of a mutex.
        mode: Option<LockMode>,
        /// Permits it holds; 1 of a mutex.
        count: u32,
        /// It stood in the queue of this lock before.
        waited: bool,
    },
    /// The hold is over, and its token is worth nothing from now on.
    #[non_exhaustive]
    Freed {
        /// Why.
        why: LockFreed,
    },
    /// The holder proclaims another value, or none any more.
    ValueSet,
}

/// Why a hold is over. New reasons may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockFreed {
    /// Its holder wanted it, or gave up the acquisition that it was part of.
    Released,
    /// Its lease has ended.
    LeaseEnded,
    /// Somebody else wanted it.
    #[non_exhaustive]
    Forced {
        /// What they said.
        reason: String,
    },
    /// The acquisition that it was part of could not wait for its next lock.
    Refused,
    /// For a reason that this version does not know.
    Unknown,
}

impl LockEvent {
    /// None for something that this version does not know.
    pub(super) fn from_wire(event: v1::LockEvent) -> Option<Self> {
        let (lease, request, token, kind) = match event.what? {
            What::Acquired(acquired) => {
                let kind = LockEventKind::Acquired {
                    mode: match acquired.mode() {
                        v1::LockMode::Unspecified => None,
                        v1::LockMode::Exclusive => Some(LockMode::Exclusive),
                        v1::LockMode::Shared => Some(LockMode::Shared),
                    },
                    count: acquired.count,
                    waited: acquired.waited,
                };
                (acquired.lease, acquired.request, acquired.token, kind)
            }
            What::Freed(freed) => {
                let (lease, request, token) = (freed.lease, freed.request, freed.token);
                let why = LockFreed::from_wire(freed);
                (lease, request, token, LockEventKind::Freed { why })
            }
            What::ValueSet(set) => (set.lease, set.request, set.token, LockEventKind::ValueSet),
        };
        let lock = event.lock;
        Some(Self {
            lock,
            lease,
            request,
            token,
            kind,
        })
    }
}

impl LockFreed {
    fn from_wire(freed: v1::LockFreedEvent) -> Self {
        match freed.why() {
            v1::LockFreedReason::Released => Self::Released,
            v1::LockFreedReason::LeaseEnded => Self::LeaseEnded,
            v1::LockFreedReason::Forced => Self::Forced { reason: freed.reason },
            v1::LockFreedReason::Refused => Self::Refused,
            v1::LockFreedReason::Unspecified => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_is_over_says_why() {
        let freed = |why: v1::LockFreedReason| {
            let what = What::Freed(v1::LockFreedEvent {
                lease: 1,
                request: 2,
                token: 3,
                why: why.into(),
                reason: "it is late".to_owned(),
            });
            let event = v1::LockEvent {
                lock: "a".to_owned(),
                what: Some(what),
            };
            let event = LockEvent::from_wire(event).unwrap();
            assert_eq!((event.lease, event.request, event.token), (1, 2, 3));
            match event.kind {
                LockEventKind::Freed { why } => why,
                other => panic!("{other:?}"),
            }
        };
        let reason = "it is late".to_owned();
        assert_eq!(freed(v1::LockFreedReason::Forced), LockFreed::Forced { reason });
        assert_eq!(freed(v1::LockFreedReason::Released), LockFreed::Released);
        assert_eq!(freed(v1::LockFreedReason::LeaseEnded), LockFreed::LeaseEnded);
        assert_eq!(freed(v1::LockFreedReason::Refused), LockFreed::Refused);
        assert_eq!(freed(v1::LockFreedReason::Unspecified), LockFreed::Unknown);
    }

    #[test]
    fn permits_of_a_semaphore_have_no_mode() {
        let acquired = v1::LockAcquiredEvent {
            count: 2,
            waited: true,
            ..Default::default()
        };
        let event = v1::LockEvent {
            lock: "a".to_owned(),
            what: Some(What::Acquired(acquired)),
        };
        let (mode, count, waited) = (None, 2, true);
        let kind = LockEventKind::Acquired { mode, count, waited };
        assert_eq!(LockEvent::from_wire(event).unwrap().kind, kind);
    }
}
