//! The bytes of rows, operations, answers and refusals. A failure here means that a format has changed: give the record a
//! new id or version instead, and add to these.

use std::fmt::Write as _;

use crate::codec::{self, Record};
use crate::coordination::queues::dedupe::DedupeRow;
use crate::coordination::queues::item::{
    CheckpointRow, ClaimRow, DeadRow, DelayedRow, ItemRow, ReadyRow, Standing, checkpoint_key, claimed_key, dead_key,
    delayed_key, item_key, ready_key,
};
use crate::coordination::queues::order::{GroupRow, Lane, TurnRow};
use crate::coordination::queues::queue::{CountRow, NameRow, QueueRow};
use crate::coordination::queues::timers::{Timer, TimerKind, TimerRow};
use crate::coordination::queues::{
    Claim, Claimed, Enqueued, ItemPlace, ItemState, NewItem, QueueConfig, QueueOperation, QueueReply, SyncItem,
    SyncQueue,
};
use crate::state_machine::testing;
use crate::state_machine::{Command, Operation, OperationReply, Reply, TransactionReply};
use crate::types::{ClaimEnd, Event, ItemEvent, LeaseId, LogTimeMs, QueueEvent, QueueRefusal, Refusal, Revision};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn record<R: Record + PartialEq + std::fmt::Debug>(record: &R) -> String {
    let bytes = codec::encode(record).unwrap();
    assert_eq!(&codec::decode::<R>(&bytes).unwrap(), record);
    hex(&bytes)
}

fn check(actual: &[String], golden: &[&str]) {
    assert!(actual.iter().eq(golden), "the bytes are now\n{}", actual.join("\n"));
}

fn standing() -> Standing {
    Standing {
        priority: 9,
        group: "g".to_owned(),
        attempts: 3,
        checkpoint: true,
    }
}

fn queue_row() -> QueueRow {
    QueueRow {
        paused: true,
        ready: 1,
        delayed: 2,
        claimed: 3,
        dead: 4,
        held_back: 5,
        groups_waiting: 6,
        items: 300,
        turns: 8,
        dedupe_keys: 9,
        ..QueueRow::new(4096, config(), Revision(300))
    }
}

fn config() -> QueueConfig {
    QueueConfig {
        visibility_ms: 1000,
        attempts_max: 2,
        depth_max: 300,
        claimed_max: 4,
        group_claimed_max: 5,
        dedupe_window_ms: 6,
    }
}

#[test]
fn rows_are_frozen() {
    let lane = Lane {
        priority: 9,
        ready: 2,
        turn: Some(7),
        first_since: LogTimeMs(1000),
    };
    let actual = [
        record(&queue_row()),
        record(&NameRow { name: "q".to_owned() }),
        record(&CountRow { queues: 2 }),
        record(&ReadyRow {
            attempts: 3,
            checkpoint: true,
            since: LogTimeMs(1000),
        }),
        record(&TurnRow { group: "g".to_owned() }),
        record(&GroupRow {
            claimed: 1,
            held_back: 2,
            lanes: vec![lane],
        }),
        record(&DelayedRow {
            standing: standing(),
            due: LogTimeMs(1000),
        }),
        record(&ClaimRow {
            standing: standing(),
            token: Revision(300),
            deadline: LogTimeMs(1000),
            lease: Some(LeaseId(7)),
            worker: "w".to_owned(),
        }),
        record(&DeadRow {
            standing: standing(),
            since: LogTimeMs(1000),
            reason: "r".to_owned(),
        }),
        record(&TimerRow {
            dedupe_key: "k".to_owned(),
        }),
        record(&ItemRow {
            enqueued: LogTimeMs(1000),
            enqueued_wall_ms: 1_700_000_000_000,
            dedupe_key: Some("k".to_owned()),
            payload: vec![1, 2],
        }),
        record(&CheckpointRow { data: vec![1, 2] }),
        record(&DedupeRow {
            item: 7,
            until: LogTimeMs(1000),
        }),
    ];
    check(
        &actual,
        &[
            "3002021c000000bd8dd177fb0010fbe80302fb2c0104050601010203040506fb2c010809fb2c01",
            "31020102000000b63361610171",
            "320201010000003b093a7102",
            "33020105000000d82d96f60301fbe803",
            "340201020000004a076f7d0167",
            "3502010a0000000bd0b40201020109020107fbe803",
            "36020108000000965dfabd0901670301fbe803",
            "3702010f000000cd5d3d2e0901670301fb2c01fbe80301070177",
            "3802010a0000004aa0e2a80901670301fbe8030172",
            "39020102000000762eaea2016b",
            "3a020112000000d8a7396afbe803fd0068e5cf8b01000001016b020102",
            "3b0201030000003d857dcf020102",
            "3c0201040000003c2be21307fbe803",
        ],
    );
}

/// Written before queues noted their changes.
#[test]
fn a_row_of_the_first_version_has_changed_when_the_queue_was_made() {
    const FIRST: &str = "3002011900000095d20d6afb0010fbe80302fb2c0104050601010203040506fb2c010809";
    let digits: Vec<char> = FIRST.chars().collect();
    let bytes = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap());
    let mut first: Vec<u8> = bytes.collect();
    let expected = QueueRow {
        changed: Revision(1),
        ..queue_row()
    };
    assert_eq!(QueueRow::from_row(&first).unwrap(), expected);
    first[2] = 3;
    assert!(QueueRow::from_row(&first).is_err(), "a version that is not known");
}

#[test]
fn keys_are_frozen() {
    let timer = |kind| Timer {
        due: LogTimeMs(1000),
        kind,
        queue: 1,
        item: 2,
    };
    let keys = [
        ready_key(1, 9, "g", 2),
        delayed_key(1, 2),
        claimed_key(1, 2),
        dead_key(1, 2),
        item_key(1, 2),
        checkpoint_key(1, 2),
        timer(TimerKind::Delay).key(),
        timer(TimerKind::Visibility).key(),
        timer(TimerKind::Dedupe).key(),
    ];
    check(
        &keys.map(|key| hex(&key)),
        &[
            "0000170000000000000001f66700000000000000000002",
            "00001a00000000000000010000000000000002",
            "00001b00000000000000010000000000000002",
            "00001c00000000000000010000000000000002",
            "00001f00000000000000010000000000000002",
            "00002000000000000000010000000000000002",
            "00001d00000000000003e80100000000000000010000000000000002",
            "00001d00000000000003e80200000000000000010000000000000002",
            "00001d00000000000003e80300000000000000010000000000000002",
        ],
    );
}

fn sync_queue() -> SyncQueue {
    let place = ItemPlace {
        item: 2,
        priority: 9,
        group: "g".to_owned(),
    };
    SyncQueue {
        queue: "q".to_owned(),
        expected: Revision(300),
        remove: vec![place.clone()],
        give_back: vec![3],
        enqueue: vec![SyncItem {
            new: NewItem::default(),
            claimed: true,
        }],
        claim: vec![place],
        lease: Some(LeaseId(7)),
        worker: "w".to_owned(),
        visibility_ms: Some(1000),
    }
}

fn operations() -> Vec<QueueOperation> {
    let queue = || "q".to_owned();
    let receipt = super::receipt(2, 300);
    let new = NewItem {
        priority: 9,
        group: "g".to_owned(),
        dedupe_key: Some("k".to_owned()),
        delay_ms: 5,
        payload: vec![1, 2],
    };
    vec![
        super::create("q", config()),
        QueueOperation::Delete { queue: queue() },
        super::enqueue("q", vec![new, NewItem::default()]),
        QueueOperation::Claim(Claim {
            queue: queue(),
            count: 3,
            lease: Some(LeaseId(7)),
            worker: "w".to_owned(),
            visibility_ms: Some(1000),
        }),
        QueueOperation::Extend {
            queue: queue(),
            receipt,
            visibility_ms: None,
        },
        QueueOperation::Checkpoint {
            queue: queue(),
            receipt,
            data: vec![1, 2],
        },
        QueueOperation::Ack {
            queue: queue(),
            receipt,
        },
        QueueOperation::Nack {
            queue: queue(),
            receipt,
            delay_ms: 5,
            dead: true,
            reason: "r".to_owned(),
        },
        QueueOperation::Redrive {
            queue: queue(),
            count: 3,
            item: Some(2),
        },
        QueueOperation::Purge {
            queue: queue(),
            state: ItemState::Dead,
            count: 3,
        },
        QueueOperation::SetPaused {
            queue: queue(),
            paused: true,
        },
        QueueOperation::Sync(sync_queue()),
    ]
}

#[test]
fn operations_are_frozen() {
    let actual: Vec<_> = operations()
        .into_iter()
        .map(|operation| {
            let command = Command::Transaction(testing::transaction(vec![Operation::Queue(operation)]));
            let mut bytes = Vec::new();
            command.encode_into(&mut bytes).unwrap();
            assert_eq!(Command::decode(&bytes).unwrap().0, command);
            hex(&bytes)
        })
        .collect();
    check(
        &actual,
        &[
            "01010112000000cee317bf00000105000171fbe80302fb2c0104050600",
            "01010108000000705dac3d0000010501017100",
            "01010118000000ee7a7952000001050201710209016701016b05020102000000000000",
            "010101110000006f9f89f700000105030171030107017701fbe80300",
            "0101010d000000e98b1fd30000010504017102fb2c010000",
            "0101010f00000051297fc20000010505017102fb2c0102010200",
            "0101010c00000023aca3fa0000010506017102fb2c0100",
            "010101100000007f1a65080000010507017102fb2c010501017200",
            "0101010b000000d12f9ab70000010508017103010200",
            "0101010a00000080d2f4b600000105090171030300",
            "0101010900000076b0fc8d000001050a01710100",
            "01010126000000e252a357000001050b0171fb2c01010209016701030100000000000101020901670107017701fbe80300",
        ],
    );
}

fn replies() -> Vec<QueueReply> {
    let claimed = Claimed {
        receipt: super::receipt(2, 300),
        priority: 9,
        group: "g".to_owned(),
        attempt: 3,
        enqueued_wall_ms: 1_700_000_000_000,
        checkpoint: Some(vec![3]),
        payload: vec![1, 2],
    };
    let enqueued = Enqueued {
        item: 2,
        duplicate: true,
    };
    vec![
        QueueReply::Created { new: true },
        QueueReply::Deleted,
        QueueReply::Enqueued { items: vec![enqueued] },
        QueueReply::Claimed {
            items: vec![claimed],
            visibility_ms: 1000,
        },
        QueueReply::Extended { visibility_ms: 1000 },
        QueueReply::Checkpointed,
        QueueReply::Acked,
        QueueReply::Nacked {
            state: ItemState::Delayed,
        },
        QueueReply::Redriven { items: 1, remaining: 2 },
        QueueReply::Purged { items: 1, remaining: 2 },
        QueueReply::Paused { changed: true },
        QueueReply::Synced {
            enqueued: vec![enqueued],
            claimed: vec![2, 3],
            visibility_ms: 1000,
            new: true,
            changed: Revision(300),
        },
    ]
}

#[test]
fn replies_are_frozen() {
    let actual: Vec<_> = replies()
        .into_iter()
        .map(|reply| {
            record(&Reply::Transaction(TransactionReply {
                revision: Revision(300),
                succeeded: true,
                results: vec![OperationReply::Queue(reply)],
            }))
        })
        .collect();
    check(
        &actual,
        &[
            "08020109000000a8852ec800fb2c010101050001",
            "080201080000002a0e531700fb2c0101010501",
            "0802010b000000b5206efa00fb2c0101010502010201",
            "0802012300000032536bdb00fb2c01010105030102fb2c0109016703fd0068e5cf8b010000010103020102fbe803",
            "0802010b000000557384b400fb2c0101010504fbe803",
            "080201080000003599c9d000fb2c0101010505",
            "08020108000000c16a99c300fb2c0101010506",
            "08020109000000ed4c43b200fb2c010101050701",
            "0802010a0000004521445f00fb2c01010105080102",
            "0802010a0000003bb305fa00fb2c01010105090102",
            "08020109000000fe767f7200fb2c010101050a01",
            "08020115000000eafcb89700fb2c010101050b010201020203fbe80301fb2c01",
        ],
    );
}

fn refusals() -> Vec<QueueRefusal> {
    let queue = || "q".to_owned();
    let (item, token) = (2, Revision(300));
    vec![
        QueueRefusal::UnknownQueue { queue: queue() },
        QueueRefusal::TooManyQueues { queues_max: 1 },
        QueueRefusal::Full {
            queue: queue(),
            depth: 2,
            depth_max: 1,
        },
        QueueRefusal::NotEmpty {
            queue: queue(),
            items: 2,
        },
        QueueRefusal::UnknownItem { queue: queue(), item },
        QueueRefusal::ClaimTimedOut {
            queue: queue(),
            item,
            token,
            late_ms: 5,
        },
        QueueRefusal::ClaimedByAnother {
            queue: queue(),
            item,
            token,
            current: Revision(301),
        },
        QueueRefusal::ClaimOver {
            queue: queue(),
            item,
            token,
        },
        QueueRefusal::NotDead { queue: queue(), item },
        QueueRefusal::TooManyDedupeKeys {
            queue: queue(),
            keys_max: 1,
        },
        QueueRefusal::Changed {
            queue: queue(),
            expected: Revision(300),
            found: Revision(301),
        },
        QueueRefusal::NotReady {
            queue: queue(),
            item,
            priority: 9,
            group: "g".to_owned(),
        },
        QueueRefusal::NotClaimed { queue: queue(), item },
        QueueRefusal::Paused { queue: queue() },
        QueueRefusal::TooManyClaims {
            queue: queue(),
            group: Some("g".to_owned()),
            claims: 2,
            claims_max: 1,
        },
    ]
}

#[test]
fn every_refusal_is_frozen() {
    let actual: Vec<_> = refusals()
        .into_iter()
        .map(|refusal| {
            record(&Reply::Rejected {
                rejection: refusal.of_operation(1),
                revision: Revision(300),
            })
        })
        .collect();
    check(
        &actual,
        &[
            "08020109000000d63e8099030d01000171fb2c01",
            "080201080000006a92b874030d010101fb2c01",
            "0802010b00000002b8ac21030d010201710201fb2c01",
            "0802010a000000e511100a030d0103017102fb2c01",
            "0802010a0000006ca1f517030d0104017102fb2c01",
            "0802010e000000371191f6030d0105017102fb2c0105fb2c01",
            "080201100000007185ae65030d0106017102fb2c01fb2d01fb2c01",
            "0802010d0000003f6c5e22030d0107017102fb2c01fb2c01",
            "0802010a000000ee9938fc030d0108017102fb2c01",
            "0802010a0000001f3c19f6030d0109017101fb2c01",
            "0802010f0000002339f7e4030d010a0171fb2c01fb2d01fb2c01",
            "0802010d0000003faecc75030d010b017102090167fb2c01",
            "0802010a0000003f5cd859030d010c017102fb2c01",
            "08020109000000a77a43a4030d010d0171fb2c01",
            "0802010e0000005f40c8e4030d010e01710101670201fb2c01",
        ],
    );
}

#[test]
fn events_are_frozen() {
    let what = [
        ItemEvent::Enqueued { delayed: true },
        ItemEvent::Ready,
        ItemEvent::Claimed {
            token: Revision(400),
            lease: Some(LeaseId(7)),
            worker: "w".to_owned(),
        },
        ItemEvent::Acked,
        ItemEvent::Returned {
            why: ClaimEnd::Nacked,
            delayed: true,
        },
        ItemEvent::Returned {
            why: ClaimEnd::TimedOut,
            delayed: false,
        },
        ItemEvent::Dead {
            why: ClaimEnd::LeaseEnded,
            reason: "reason".to_owned(),
        },
        ItemEvent::Redriven,
        ItemEvent::Purged,
    ];
    let items = what.into_iter().map(|what| QueueEvent::Items {
        items: vec![1, 300],
        what,
    });
    let all = [
        QueueEvent::Created,
        QueueEvent::Configured,
        QueueEvent::Deleted,
        QueueEvent::Paused,
        QueueEvent::Resumed,
    ];
    let events = all.into_iter().chain(items).map(|what| Event::Queue {
        queue: "q".to_owned(),
        what,
    });
    testing::events::check_frozen(
        events.collect(),
        &[
            "02017100",
            "02017101",
            "02017102",
            "02017103",
            "02017104",
            "020171050201fb2c010001",
            "020171050201fb2c0101",
            "020171050201fb2c0102fb900101070177",
            "020171050201fb2c0103",
            "020171050201fb2c01040001",
            "020171050201fb2c01040100",
            "020171050201fb2c01050206726561736f6e",
            "020171050201fb2c0106",
            "020171050201fb2c0107",
        ],
    );
}
