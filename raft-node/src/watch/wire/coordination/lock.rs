//! Events of locks.

use quorate_proto::v1::{
    LockAcquiredEvent, LockFreedEvent, LockFreedReason, LockMode, LockValueSetEvent, lock_event::What,
};

use crate::types::{HoldEnd, LockEvent, Share};

pub(super) fn what(event: &LockEvent) -> What {
    match event {
        LockEvent::Acquired {
            lease,
            request,
            token,
            share,
            waited,
        } => What::Acquired(LockAcquiredEvent {
            lease: lease.0,
            request: *request,
            token: token.0,
            mode: mode(*share).into(),
            count: u32::try_from(share.count()).unwrap_or(u32::MAX),
            waited: *waited,
        }),
        LockEvent::Freed {
            lease,
            request,
            token,
            why,
        } => What::Freed(LockFreedEvent {
            lease: lease.0,
            request: *request,
            token: token.0,
            why: freed(why).into(),
            reason: match why {
                HoldEnd::Forced { reason } => reason.clone(),
                HoldEnd::Released | HoldEnd::LeaseEnded | HoldEnd::Refused => String::new(),
            },
        }),
        LockEvent::ValueSet { lease, request, token } => What::ValueSet(LockValueSetEvent {
            lease: lease.0,
            request: *request,
            token: token.0,
        }),
    }
}

fn mode(share: Share) -> LockMode {
    match share {
        Share::Exclusive => LockMode::Exclusive,
        Share::Shared => LockMode::Shared,
        Share::Permits { .. } => LockMode::Unspecified,
    }
}

fn freed(why: &HoldEnd) -> LockFreedReason {
    match why {
        HoldEnd::Released => LockFreedReason::Released,
        HoldEnd::LeaseEnded => LockFreedReason::LeaseEnded,
        HoldEnd::Forced { .. } => LockFreedReason::Forced,
        HoldEnd::Refused => LockFreedReason::Refused,
    }
}
