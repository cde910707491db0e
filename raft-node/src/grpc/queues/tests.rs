//! What is refused before it is proposed, and what a refusal is on the wire.

use quorate_proto::v1::{self as proto, Error, ErrorCode, queue_operation::Operation, queue_query::Query};

use super::{check, operation, refusal};
use crate::config::Limits;
use crate::coordination::queues::{QueueConfig, QueueOperation};
use crate::types::{QueueRefusal, Revision};

fn ask(one: Operation) -> Result<QueueOperation, Error> {
    let limits = Limits::default();
    operation(&limits, &proto::QueueOperation { operation: Some(one) })
}

fn refused(one: Operation) -> Error {
    let error = ask(one).unwrap_err();
    assert!(!error.message.is_empty() && !error.field.is_empty(), "{error:?}");
    error
}

fn name() -> String {
    "q".to_owned()
}

fn enqueue(items: Vec<proto::QueueNewItem>) -> Operation {
    Operation::Enqueue(proto::QueueEnqueue { queue: name(), items })
}

fn claim(count: u32) -> proto::QueueClaim {
    proto::QueueClaim {
        queue: name(),
        count,
        ..proto::QueueClaim::default()
    }
}

fn too_large(one: Operation, field: &str, limit: u64, value: u64) {
    let error = refused(one);
    let found = (error.code(), error.field.as_str(), error.limit, error.value);
    assert_eq!(found, (ErrorCode::TooLarge, field, limit, value));
}

fn invalid(one: Operation, field: &str, limit: u64, value: u64) {
    let error = refused(one);
    let found = (error.code(), error.field.as_str(), error.limit, error.value);
    assert_eq!(found, (ErrorCode::InvalidArgument, field, limit, value));
}

#[test]
fn an_enqueue_has_1_to_128_items() {
    invalid(enqueue(Vec::new()), "items", 0, 0);
    too_large(enqueue(vec![proto::QueueNewItem::default(); 129]), "items", 128, 129);
    assert!(ask(enqueue(vec![proto::QueueNewItem::default(); 128])).is_ok());
}

#[test]
fn an_item_is_within_its_limits() {
    let default = proto::QueueNewItem::default;
    let payload = proto::QueueNewItem {
        payload: vec![0; 1_048_577].into(),
        ..default()
    };
    too_large(enqueue(vec![payload]), "items.payload", 1_048_576, 1_048_577);
    let group = proto::QueueNewItem {
        group: "g".repeat(257),
        ..default()
    };
    too_large(enqueue(vec![group]), "items.group", 256, 257);
    let dedupe_key = proto::QueueNewItem {
        dedupe_key: "k".repeat(257),
        ..default()
    };
    too_large(enqueue(vec![dedupe_key]), "items.dedupe_key", 256, 257);
    let priority = proto::QueueNewItem {
        priority: 256,
        ..default()
    };
    invalid(enqueue(vec![priority]), "items.priority", 255, 256);
    let delay_ms = proto::QueueNewItem {
        delay_ms: u64::MAX,
        ..default()
    };
    invalid(enqueue(vec![delay_ms]), "delay_ms", 31_622_400_000, u64::MAX);
}

#[test]
fn a_claim_asks_for_1_to_128_items_and_a_sane_visibility() {
    invalid(Operation::Claim(claim(0)), "count", 1, 0);
    invalid(Operation::Claim(claim(129)), "count", 128, 129);
    for (visibility_ms, limit) in [(1, 100), (99, 100), (604_800_001, 604_800_000), (u64::MAX, 604_800_000)] {
        let claim = proto::QueueClaim {
            visibility_ms,
            ..claim(1)
        };
        invalid(Operation::Claim(claim), "visibility_ms", limit, visibility_ms);
    }
    let worker = proto::QueueClaim {
        worker: "w".repeat(257),
        ..claim(1)
    };
    too_large(Operation::Claim(worker), "worker", 256, 257);
    assert!(ask(Operation::Claim(claim(128))).is_ok());
}

#[test]
fn a_receipt_names_an_item_and_a_token() {
    let receipts = [
        None,
        Some(proto::QueueReceipt { item: 0, token: 1 }),
        Some(proto::QueueReceipt { item: 1, token: 0 }),
    ];
    for receipt in receipts {
        let queue = name();
        invalid(Operation::Ack(proto::QueueAck { queue, receipt }), "receipt", 0, 0);
    }
}

#[test]
fn what_is_told_with_a_receipt_is_within_its_limits() {
    let receipt = Some(proto::QueueReceipt { item: 1, token: 1 });
    let checkpoint = proto::QueueCheckpoint {
        queue: name(),
        receipt,
        data: vec![0; 65_537].into(),
    };
    too_large(Operation::Checkpoint(checkpoint), "data", 65_536, 65_537);
    let nack = proto::QueueNack {
        queue: name(),
        receipt,
        reason: "r".repeat(1025),
        ..proto::QueueNack::default()
    };
    too_large(Operation::Nack(nack), "reason", 1024, 1025);
}

#[test]
fn a_queue_is_named() {
    for (queue, code) in [
        ("", ErrorCode::InvalidArgument),
        (&*"q".repeat(1025), ErrorCode::TooLarge),
    ] {
        let queue = queue.to_owned();
        assert_eq!(refused(Operation::Delete(proto::QueueDelete { queue })).code(), code);
    }
}

#[test]
fn a_configuration_has_defaults_and_limits() {
    let create = |config| {
        let queue = name();
        Operation::Create(proto::QueueCreate { queue, config })
    };
    for config in [None, Some(proto::QueueConfig::default())] {
        let expected = QueueOperation::Create {
            queue: name(),
            config: QueueConfig::default(),
        };
        assert_eq!(ask(create(config)), Ok(expected));
    }
    let with = |change: fn(&mut proto::QueueConfig)| {
        let mut config = proto::QueueConfig::default();
        change(&mut config);
        create(Some(config))
    };
    invalid(with(|config| config.visibility_ms = 1), "visibility_ms", 100, 1);
    let attempts = with(|config| config.attempts_max = 10_001);
    invalid(attempts, "config.attempts_max", 10_000, 10_001);
    let depth = with(|config| config.depth_max = u64::MAX);
    invalid(depth, "config.depth_max", 100_000_000, u64::MAX);
    let window = with(|config| config.dedupe_window_ms = u64::MAX);
    invalid(window, "config.dedupe_window_ms", 604_800_000, u64::MAX);
}

#[test]
fn a_sweep_says_what_and_how_much() {
    let purge = |state, count| {
        let queue = name();
        Operation::Purge(proto::QueuePurge { queue, state, count })
    };
    invalid(purge(0, 1), "state", 0, 0);
    invalid(purge(5, 1), "state", 0, 0);
    invalid(purge(4, 0), "count", 1, 0);
    invalid(purge(4, 1001), "count", 1000, 1001);
    let redrive = |count, item| {
        let queue = name();
        Operation::Redrive(proto::QueueRedrive { queue, count, item })
    };
    invalid(redrive(0, 0), "count", 1, 0);
    invalid(redrive(1001, 0), "count", 1000, 1001);
    assert!(ask(redrive(0, 7)).is_ok(), "one item needs no count");
}

#[test]
fn an_empty_operation_and_an_empty_query_are_refused() {
    let error = operation(&Limits::default(), &proto::QueueOperation::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let error = check(&proto::QueueQuery::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let peek = Query::Peek(proto::QueuePeek {
        queue: name(),
        ..proto::QueuePeek::default()
    });
    let error = check(&proto::QueueQuery { query: Some(peek) }).unwrap_err();
    assert_eq!(
        (error.code(), &*error.field),
        (ErrorCode::InvalidArgument, "query.queue.peek.state")
    );
}

#[test]
fn a_receipt_that_is_over_is_fenced_and_an_item_that_is_gone_is_unknown() {
    let (queue, item, token) = (name(), 1, Revision(7));
    let over = QueueRefusal::ClaimOver { queue, item, token };
    let queue = name();
    let gone = QueueRefusal::UnknownItem { queue, item };
    assert_eq!((refusal(&over).code(), refusal(&over).value), (ErrorCode::Fenced, 7));
    assert_eq!(refusal(&gone).code(), ErrorCode::UnknownItem);
}

fn place(item: u64) -> proto::QueueItemPlace {
    proto::QueueItemPlace {
        item,
        ..proto::QueueItemPlace::default()
    }
}

fn sync(change: impl FnOnce(&mut proto::QueueSync)) -> Operation {
    let mut sync = proto::QueueSync {
        queue: name(),
        ..proto::QueueSync::default()
    };
    change(&mut sync);
    Operation::Sync(sync)
}

#[test]
fn a_sync_names_1_to_10_000_items_each_once() {
    invalid(sync(|_| {}), "sync", 0, 0);
    let added = |claimed, delay_ms| proto::QueueSyncItem {
        item: Some(proto::QueueNewItem {
            delay_ms,
            ..proto::QueueNewItem::default()
        }),
        claimed,
    };
    let full = |more: bool| {
        sync(|one| {
            one.enqueue = vec![added(false, 0); 5_000];
            one.remove = (1..=4_999).map(place).collect();
            one.claim = vec![place(5_000)];
            one.give_back = if more { vec![5_001] } else { vec![] };
        })
    };
    assert!(ask(full(false)).is_ok());
    too_large(full(true), "sync", 10_000, 10_001);
    invalid(sync(|one| one.remove = vec![place(0)]), "remove", 0, 0);
    let twice = sync(|one| {
        one.remove = vec![place(3)];
        one.claim = vec![place(3)];
    });
    invalid(twice, "claim", 0, 3);
    invalid(sync(|one| one.give_back = vec![3, 3]), "give_back", 0, 3);
    invalid(sync(|one| one.enqueue = vec![added(true, 1)]), "enqueue.claimed", 0, 0);
    let empty = proto::QueueSyncItem::default();
    invalid(sync(|one| one.enqueue = vec![empty]), "enqueue.item", 0, 0);
    let high = proto::QueueItemPlace {
        priority: 256,
        ..place(1)
    };
    invalid(sync(|one| one.claim = vec![high]), "claim.priority", 255, 256);
    let long = proto::QueueItemPlace {
        group: "g".repeat(257),
        ..place(1)
    };
    too_large(sync(|one| one.remove = vec![long]), "remove.group", 256, 257);
}

#[test]
fn a_sync_of_a_queue_that_changed_is_a_conflict_that_names_both_revisions() {
    let changed = QueueRefusal::Changed {
        queue: name(),
        expected: Revision(300),
        found: Revision(301),
    };
    let error = refusal(&changed);
    let found = (error.code(), error.field.as_str(), error.value);
    assert_eq!(found, (ErrorCode::Conflict, "expected_revision", 301));
    assert!(
        error.message.contains("301") && error.message.contains("300"),
        "{}",
        error.message
    );
    let too_many = QueueRefusal::TooManyClaims {
        queue: name(),
        group: None,
        claims: 3,
        claims_max: 2,
    };
    let error = refusal(&too_many);
    let found = (error.code(), error.field.as_str(), error.limit, error.value);
    assert_eq!(found, (ErrorCode::LimitReached, "claim", 2, 3));
}
