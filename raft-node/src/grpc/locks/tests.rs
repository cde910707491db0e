//! What is refused before it is proposed, and what comes through.

use quorate_proto::v1::lock_operation::Operation;
use quorate_proto::v1::lock_query::Query;
use quorate_proto::v1::{self as proto, Error, ErrorCode, LockMode};

use super::{check, operation, refusal, settled};
use crate::config::Limits;
use crate::coordination::locks::{LockOperation, Share};
use crate::storage::MemoryEngine;
use crate::types::{LeaseId, LockKind, LockRefusal, Revision};

fn acquire(names: &[&str]) -> proto::LockAcquire {
    proto::LockAcquire {
        lease: 1,
        request: 2,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..proto::LockAcquire::default()
    }
}

fn semaphore(count: u32, permits: u32) -> proto::LockAcquire {
    proto::LockAcquire {
        semaphore: Some(proto::LockPermits { permits, count }),
        ..acquire(&["s"])
    }
}

fn hold() -> proto::LockHold {
    proto::LockHold {
        lock: "a".to_owned(),
        lease: 1,
        token: 2,
        request: 0,
    }
}

fn checked(asked: Operation) -> Result<LockOperation, Error> {
    let limits = Limits::default();
    operation(&limits, &proto::LockOperation { operation: Some(asked) })
}

/// Code, field, limit and value of the refusal.
fn refused(asked: Operation) -> (ErrorCode, String, u64, u64) {
    let error = checked(asked).unwrap_err();
    assert!(!error.message.is_empty());
    (error.code(), error.field, error.limit, error.value)
}

fn invalid(field: &str) -> (ErrorCode, String, u64, u64) {
    (ErrorCode::InvalidArgument, field.to_owned(), 0, 0)
}

fn too_large(field: &str, limit: u64, value: u64) -> (ErrorCode, String, u64, u64) {
    (ErrorCode::TooLarge, field.to_owned(), limit, value)
}

#[test]
fn names_are_sorted_and_each_is_taken_once() {
    let asked = checked(Operation::Acquire(acquire(&["b", "a", "b"]))).unwrap();
    let LockOperation::Acquire(asked) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(asked.names, ["a", "b"]);
    assert_eq!(
        (asked.lease, asked.request, asked.share),
        (LeaseId(1), 2, Share::Exclusive)
    );
}

#[test]
fn one_to_thirty_two_names_of_up_to_1024_bytes_are_taken() {
    assert_eq!(refused(Operation::Acquire(acquire(&[]))), invalid("names"));
    assert_eq!(
        refused(Operation::Acquire(acquire(&["a"; 33]))),
        too_large("names", 32, 33)
    );
    assert_eq!(refused(Operation::Acquire(acquire(&["a", ""]))), invalid("names"));
    let long = "x".repeat(1025);
    assert_eq!(
        refused(Operation::Acquire(acquire(&[&long]))),
        too_large("names", 1024, 1025)
    );
    let most: Vec<String> = (0..32).map(|number| format!("{number:01024}")).collect();
    let most: Vec<&str> = most.iter().map(String::as_str).collect();
    assert!(checked(Operation::Acquire(acquire(&most))).is_ok());
}

#[test]
fn a_semaphore_is_taken_in_one_to_all_of_its_permits() {
    let limited = |field: &str, limit, value| (ErrorCode::InvalidArgument, field.to_owned(), limit, value);
    let refused_with = |count, permits| refused(Operation::Acquire(semaphore(count, permits)));
    assert_eq!(refused_with(1, 0), limited("semaphore.permits", 1_000_000, 0));
    assert_eq!(
        refused_with(1, 1_000_001),
        limited("semaphore.permits", 1_000_000, 1_000_001)
    );
    assert_eq!(refused_with(0, 3), limited("semaphore.count", 3, 0));
    assert_eq!(refused_with(4, 3), limited("semaphore.count", 3, 4));
    assert!(checked(Operation::Acquire(semaphore(3, 3))).is_ok());
}

#[test]
fn a_mode_belongs_to_a_mutex() {
    let shared = proto::LockAcquire {
        mode: LockMode::Shared.into(),
        ..acquire(&["a"])
    };
    let both = proto::LockAcquire {
        mode: LockMode::Shared.into(),
        ..semaphore(1, 3)
    };
    let unknown = proto::LockAcquire {
        mode: 9,
        ..acquire(&["a"])
    };
    assert!(checked(Operation::Acquire(shared)).is_ok());
    assert_eq!(refused(Operation::Acquire(both)), invalid("mode"));
    assert_eq!(refused(Operation::Acquire(unknown)), invalid("mode"));
}

#[test]
fn leases_requests_and_tokens_are_named() {
    let without = |change: fn(&mut proto::LockAcquire)| {
        let mut asked = acquire(&["a"]);
        change(&mut asked);
        refused(Operation::Acquire(asked))
    };
    assert_eq!(without(|asked| asked.lease = 0), invalid("lease"));
    assert_eq!(without(|asked| asked.request = 0), invalid("request"));
    let tokenless = proto::LockHold { token: 0, ..hold() };
    assert_eq!(refused(Operation::Release(tokenless.clone())), invalid("token"));
    assert_eq!(refused(Operation::Fence(tokenless)), invalid("token"));
    let nobody = proto::LockHold { lease: 0, ..hold() };
    assert_eq!(refused(Operation::Fence(nobody)), invalid("lease"));
    let nameless = proto::LockHold {
        lock: String::new(),
        ..hold()
    };
    assert_eq!(refused(Operation::Release(nameless)), invalid("lock"));
    let abandon = proto::LockAbandon { lease: 1, request: 0 };
    assert_eq!(refused(Operation::Abandon(abandon)), invalid("request"));
}

#[test]
fn values_and_reasons_are_limited_and_a_reason_is_given() {
    let long = proto::LockAcquire {
        value: vec![0; 4097].into(),
        ..acquire(&["a"])
    };
    assert_eq!(refused(Operation::Acquire(long)), too_large("value", 4096, 4097));
    let set = proto::LockSetValue {
        hold: Some(hold()),
        value: vec![0; 4097].into(),
    };
    assert_eq!(refused(Operation::SetValue(set)), too_large("value", 4096, 4097));
    assert_eq!(
        refused(Operation::SetValue(proto::LockSetValue::default())),
        invalid("hold")
    );
    let force = |reason: String| {
        let lock = "a".to_owned();
        Operation::ForceRelease(proto::LockForceRelease { lock, token: 0, reason })
    };
    assert_eq!(refused(force(" ".to_owned())), invalid("reason"));
    assert_eq!(refused(force("x".repeat(1025))), too_large("reason", 1024, 1025));
    assert!(checked(force("it hangs".to_owned())).is_ok());
}

#[test]
fn an_empty_operation_or_query_is_refused() {
    let limits = Limits::default();
    assert!(operation(&limits, &proto::LockOperation::default()).is_err());
    assert!(check(&proto::LockQuery::default()).is_err());
}

#[test]
fn a_lock_that_does_not_exist_differs_from_every_revision_but_zero() {
    let query = |known_revision| {
        let name = "a".to_owned();
        let query = Some(Query::Get(proto::LockGet { name, known_revision }));
        proto::LockQuery { query }
    };
    let view = MemoryEngine::new();
    assert!(settled(&view, &query(None)).unwrap());
    assert!(settled(&view, &query(Some(5))).unwrap());
    assert!(!settled(&view, &query(Some(0))).unwrap());
}

#[test]
fn each_refusal_has_a_code_of_its_kind() {
    let lock = || "a".to_owned();
    let lease = LeaseId(1);
    let cases = [
        (
            LockRefusal::NotHeld {
                lock: lock(),
                lease,
                token: Revision(2),
            },
            ErrorCode::Fenced,
        ),
        (
            LockRefusal::Conflict {
                lock: lock(),
                kind: LockKind::Mutex,
                asked: LockKind::Semaphore { permits: 3 },
            },
            ErrorCode::LockConflict,
        ),
        (LockRefusal::RequestInUse { lease, request: 2 }, ErrorCode::LockConflict),
        (
            LockRefusal::TooManyWaiting {
                lock: lock(),
                waiting_max: 16_384,
            },
            ErrorCode::LimitReached,
        ),
    ];
    for (refused, code) in cases {
        assert_eq!(refusal(&refused).code(), code, "{refused}");
    }
}
