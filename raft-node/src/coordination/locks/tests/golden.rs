//! The bytes of everything that is logged or stored.

use super::{acquire, hold, permits};
use crate::codec::{self, Record};
use crate::coordination::locks::rows::acquisition::{self, AcquisitionRow};
use crate::coordination::locks::rows::lock::{self, Forced, LockRow};
use crate::coordination::locks::rows::value::ValueRow;
use crate::coordination::locks::rows::{AcquisitionId, hold as holds, waiter};
use crate::coordination::locks::{Acquire, Grant, Hold, LockOperation, LockReply, Share};
use crate::state_machine::testing::events::check_frozen;
use crate::state_machine::testing::transaction;
use crate::state_machine::{Command, Operation, OperationReply, Reply, TransactionReply};
use crate::types::{Event, HoldEnd, LeaseId, LockEvent, LockKind, LockRefusal, Rejection, Revision};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_record<R: Record + PartialEq + std::fmt::Debug>(record: &R, golden: &str) {
    let bytes = codec::encode(record).unwrap();
    assert_eq!(hex(&bytes), golden, "{record:?}");
    assert_eq!(&codec::decode::<R>(&bytes).unwrap(), record);
}

/// One of each, in the order of the enum.
fn operations() -> Vec<Operation> {
    let with_request = Hold {
        request: Some(2),
        ..hold("lock", 300, 400)
    };
    let operations = vec![
        LockOperation::Acquire(Acquire {
            value: b"value".to_vec(),
            ..acquire(300, 2, &["a", "b"], Share::Exclusive)
        }),
        LockOperation::Acquire(Acquire {
            wait: false,
            ..acquire(300, 2, &["a"], Share::Shared)
        }),
        LockOperation::Acquire(acquire(300, 2, &["a"], permits(2, 3))),
        LockOperation::Release(hold("lock", 300, 400)),
        LockOperation::Abandon {
            lease: LeaseId(300),
            request: 2,
        },
        LockOperation::ForceRelease {
            lock: "lock".to_owned(),
            token: Some(Revision(400)),
            reason: "reason".to_owned(),
        },
        LockOperation::Fence(with_request),
        LockOperation::SetValue {
            hold: hold("lock", 300, 400),
            value: b"value".to_vec(),
        },
    ];
    operations.into_iter().map(Operation::Lock).collect()
}

fn replies() -> Vec<LockReply> {
    let lock = || "lock".to_owned();
    let token = Revision(400);
    vec![
        LockReply::Granted {
            holds: vec![Grant { lock: lock(), token }],
        },
        LockReply::Queued {
            lock: lock(),
            ahead_max: 300,
        },
        LockReply::Busy {
            lock: lock(),
            holder: LeaseId(300),
            token,
        },
        LockReply::Released,
        LockReply::Abandoned { holds: 2, waited: true },
        LockReply::ForceReleased { holds: 2, more: true },
        LockReply::Held,
        LockReply::ValueSet,
    ]
}

fn refusals() -> Vec<LockRefusal> {
    let lock = || "lock".to_owned();
    let lease = LeaseId(300);
    vec![
        LockRefusal::NotHeld {
            lock: lock(),
            lease,
            token: Revision(400),
        },
        LockRefusal::Conflict {
            lock: lock(),
            kind: LockKind::Mutex,
            asked: LockKind::Semaphore { permits: 3 },
        },
        LockRefusal::RequestInUse { lease, request: 2 },
        LockRefusal::TooManyWaiting {
            lock: lock(),
            waiting_max: 16_384,
        },
    ]
}

#[test]
fn operations_are_frozen() {
    let mut bytes = Vec::new();
    let command = Command::Transaction(transaction(operations()));
    command.encode_into(&mut bytes).unwrap();
    assert_eq!(
        hex(&bytes),
        "0101017a000000c20ee0050000080400fb2c01020201610162000576616c7565010400fb2c01020101610100000400fb\
         2c010201016102020300010401046c6f636bfb2c01fb9001000402fb2c01020403046c6f636b01fb900106726561736f\
         6e0404046c6f636bfb2c01fb900101020405046c6f636bfb2c01fb9001000576616c756500"
    );
    assert_eq!(Command::decode(&bytes).unwrap().0, command);
}

#[test]
fn replies_are_frozen() {
    let reply = Reply::Transaction(TransactionReply {
        revision: Revision(400),
        succeeded: true,
        results: replies().into_iter().map(OperationReply::Lock).collect(),
    });
    check_record(
        &reply,
        "08020136000000d8de4c4500fb90010108040001046c6f636bfb90010401046c6f636bfb2c010402046c6f636bfb2c01\
         fb90010403040402010405020104060407",
    );
}

#[test]
fn refusals_are_frozen() {
    let golden = [
        "08020112000000744df73a030c0100046c6f636bfb2c01fb9001fb9001",
        "0802010f0000001eff8313030c0101046c6f636b000103fb9001",
        "0802010b000000864bc1eb030c0102fb2c0102fb9001",
        "0802010f00000047f7bb83030c0103046c6f636bfb0040fb9001",
    ];
    let refusals = refusals();
    assert_eq!(refusals.len(), golden.len());
    for (refusal, golden) in refusals.into_iter().zip(golden) {
        let rejection = Rejection::Lock { operation: 1, refusal };
        let revision = Revision(400);
        check_record(&Reply::Rejected { rejection, revision }, golden);
    }
}

#[test]
fn rows_are_frozen() {
    let row = LockRow {
        kind: LockKind::Semaphore { permits: 3 },
        exclusive: true,
        taken: 2,
        holds: 1,
        waiting: 4,
        first_ticket: 5,
        next_ticket: 300,
        changed: Revision(400),
        acquisitions: 6,
        contended: 7,
        expirations: 8,
        forced: Some(Forced {
            reason: "reason".to_owned(),
            token: Revision(9),
            wall_ms: 1_700_000_000_000,
        }),
    };
    check_record(
        &row,
        "20020122000000a948e16401030102010405fb2c01fb90010607080106726561736f6e09fd0068e5cf8b010000",
    );
    let row = AcquisitionRow {
        names: vec!["a".to_owned(), "b".to_owned()],
        share: permits(2, 3),
        grants: vec![Revision(400)],
        ticket: 5,
        has_value: true,
    };
    check_record(&row, "2102010e0000002999a6e9020161016202020301fb90010501");
    let value = b"value".to_vec();
    check_record(&ValueRow { value }, "220201060000000d6d39670576616c7565");
}

#[test]
fn keys_are_frozen() {
    let id = AcquisitionId {
        lease: LeaseId(0x0102),
        request: 3,
    };
    assert_eq!(hex(&lock::key("a")), "00000a610000");
    assert_eq!(hex(&lock::prefix("a")), "00000a61");
    assert_eq!(hex(&acquisition::key(id)), "00000c00000000000001020000000000000003");
    assert_eq!(
        hex(&holds::key("a", Revision(4), id)),
        "00000b610000000000000000000400000000000001020000000000000003"
    );
    assert_eq!(
        hex(&waiter::key("a", 4, id)),
        "00000d610000000000000000000400000000000001020000000000000003"
    );
}

#[test]
fn events_are_frozen() {
    let (lease, request, token) = (LeaseId(300), 2, Revision(400));
    let acquired = |share, waited| LockEvent::Acquired {
        lease,
        request,
        token,
        share,
        waited,
    };
    let freed = |why| LockEvent::Freed {
        lease,
        request,
        token,
        why,
    };
    let reason = "reason".to_owned();
    let all = [
        acquired(Share::Exclusive, false),
        acquired(Share::Shared, true),
        acquired(permits(2, 3), false),
        freed(HoldEnd::Released),
        freed(HoldEnd::LeaseEnded),
        freed(HoldEnd::Forced { reason }),
        freed(HoldEnd::Refused),
        LockEvent::ValueSet { lease, request, token },
    ];
    let lock = || "lock".to_owned();
    let events = all.into_iter().map(|what| Event::Lock { lock: lock(), what });
    check_frozen(
        events.collect(),
        &[
            "01046c6f636b00fb2c0102fb90010000",
            "01046c6f636b00fb2c0102fb90010101",
            "01046c6f636b00fb2c0102fb900102020300",
            "01046c6f636b01fb2c0102fb900100",
            "01046c6f636b01fb2c0102fb900101",
            "01046c6f636b01fb2c0102fb90010206726561736f6e",
            "01046c6f636b01fb2c0102fb900103",
            "01046c6f636b02fb2c0102fb9001",
        ],
    );
}
