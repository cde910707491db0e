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
    Claim, Claimed, Enqueued, ItemState, NewItem, QueueConfig, QueueOperation, QueueReply,
};
use crate::state_machine::testing;
use crate::state_machine::{Command, Operation, OperationReply, Reply, TransactionReply};
use crate::types::{LeaseId, LogTimeMs, QueueRefusal, Refusal, Revision};

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
        ..QueueRow::new(4096, config())
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
    check(&actual, &[]);
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
    check(&keys.map(|key| hex(&key)), &[]);
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
    check(&actual, &[]);
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
    check(&actual, &[]);
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
    check(&actual, &[]);
}
