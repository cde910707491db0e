//! Each property with a history that breaks it, beside one that it accepts.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::QueueClaimEnd;
use quorate_proto::v1::queue_event::What;
use quorate_proto::v1::watch_event::Event as Wire;

use super::history::History;
use super::record::{Call, Claimed, Done, QueueOperation, Receipt, Work};
use super::violations;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth};
use crate::workloads::leases;

const QUEUE: &str = "q";
const KEYS: &str = "done/";
const LEASE: u64 = 101;

/// What happened: revision 2 grants the lease, the others follow.
fn truth(revisions: Vec<Vec<Event>>) -> Truth {
    let mut truth = Truth::default();
    let granted = v1::LeaseGrantedEvent {
        ttl_ms: 1000,
        ..v1::LeaseGrantedEvent::default()
    };
    truth
        .push(2, vec![lease(v1::lease_event::What::Granted(granted))])
        .unwrap();
    for events in revisions {
        truth.push(truth.last() + 1, events).unwrap();
    }
    truth
}

fn other(space: Space, name: &str, what: Wire) -> Event {
    Event::Other(OtherEvent {
        space,
        name: Bytes::copy_from_slice(name.as_bytes()),
        what: Some(what),
    })
}

fn lease(what: v1::lease_event::What) -> Event {
    let event = v1::LeaseEvent {
        lease: LEASE,
        what: Some(what),
    };
    other(Space::Leases, "101", Wire::Lease(event))
}

fn lease_ended() -> Event {
    lease(v1::lease_event::What::Ended(v1::LeaseEndedEvent { expired: false }))
}

fn queue(what: What) -> Event {
    let event = v1::QueueEvent {
        queue: QUEUE.to_owned(),
        what: Some(what),
    };
    other(Space::Queues, QUEUE, Wire::Queue(event))
}

fn pushed(items: &[u64]) -> Event {
    let items = items.to_vec();
    queue(What::Enqueued(v1::QueueEnqueuedEvent { items, delayed: false }))
}

fn claimed_under(items: &[u64], token: u64, lease: u64) -> Event {
    queue(What::Claimed(v1::QueueClaimedEvent {
        items: items.to_vec(),
        token,
        lease,
        worker: String::new(),
    }))
}

fn claimed(items: &[u64], token: u64) -> Event {
    claimed_under(items, token, 0)
}

fn acked(item: u64) -> Event {
    queue(What::Acked(v1::QueueAckedEvent { items: vec![item] }))
}

fn back(item: u64, why: QueueClaimEnd) -> Event {
    queue(What::Returned(v1::QueueReturnedEvent {
        items: vec![item],
        why: why.into(),
        delayed: false,
    }))
}

fn recorded(item: u64, revision: u64, version: u64) -> Event {
    let record = v1::Record {
        key: Bytes::from(format!("{KEYS}{item}")),
        create_revision: revision,
        mod_revision: revision,
        version,
        ..v1::Record::default()
    };
    Event::Key(KeyEvent {
        domain: "default".to_owned(),
        kind: KeyKind::Put,
        record,
        previous: None,
    })
}

/// The end that every item should have.
fn done_with(item: u64, revision: u64) -> Vec<Event> {
    vec![acked(item), recorded(item, revision, 1)]
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn done(invoked: u64, returned: u64, call: Call, done: Done) -> QueueOperation {
    Operation {
        client: 1,
        invoked: ms(invoked),
        returned: ms(returned),
        call,
        answer: Answer::Done(done),
    }
}

fn work(payload: &str, priority: u8, group: &str) -> Work {
    Work {
        payload: payload.to_owned(),
        priority,
        group: group.to_owned(),
        delay_ms: 0,
    }
}

fn push(revision: u64, items: &[(u64, Work)]) -> QueueOperation {
    let ids = items.iter().map(|(id, _)| (*id, false)).collect();
    let items = items.iter().map(|(_, work)| work.clone()).collect();
    done(0, 5, Call::Push { items }, Done::Pushed { items: ids, revision })
}

fn claim(invoked: u64, returned: u64, item: u64, token: u64, visibility_ms: u64) -> QueueOperation {
    let call = Call::Claim {
        count: 1,
        visibility_ms,
        lease: 0,
    };
    let claimed = Claimed {
        receipt: Receipt { item, token },
        attempt: 1,
        payload: item.to_string(),
        priority: 0,
        group: "g".to_owned(),
    };
    done(
        invoked,
        returned,
        call,
        Done::Claimed {
            items: vec![claimed],
            visibility_ms,
            revision: token,
        },
    )
}

fn ack(invoked: u64, returned: u64, item: u64, token: u64, answer: Done) -> QueueOperation {
    let receipt = Receipt { item, token };
    done(invoked, returned, Call::Ack { receipt }, answer)
}

fn one() -> QueueOperation {
    push(3, &[(1, work("1", 0, "g"))])
}

/// Somebody makes this revision, so that it is known when that was.
fn mark(invoked: u64, returned: u64, revision: u64) -> QueueOperation {
    let key = String::new();
    let call = Call::Lease(leases::Call::Attach { lease: 0, key });
    done(
        invoked,
        returned,
        call,
        Done::Lease(leases::Done::Attached { revision }),
    )
}

/// The properties that do not hold. Marks are none of its business.
fn broken(operations: &[QueueOperation], truth: &Truth) -> Vec<&'static str> {
    let history = History::new(operations, truth, &[], QUEUE, KEYS, 3);
    let is_mark = |operation: &QueueOperation| matches!(&operation.call, Call::Lease(_));
    let without: Vec<QueueOperation> = operations
        .iter()
        .filter(|operation| !is_mark(operation))
        .cloned()
        .collect();
    let history = History {
        operations: &without,
        ..history
    };
    violations(&history).properties()
}

fn fine() -> Vec<&'static str> {
    Vec::new()
}

#[test]
fn an_item_that_comes_back_once_and_is_done_is_accepted() {
    let truth = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        vec![back(1, QueueClaimEnd::TimedOut)],
        vec![claimed(&[1], 6)],
        done_with(1, 7),
    ]);
    let operations = [
        one(),
        claim(10, 20, 1, 4, 500),
        ack(600, 610, 1, 4, Done::Fenced),
        claim(600, 620, 1, 6, 500),
        ack(700, 710, 1, 6, Done::Acked { revision: 7 }),
        ack(720, 730, 1, 4, Done::Gone),
    ];
    assert_eq!(broken(&operations, &truth), fine());
}

#[test]
fn an_item_that_is_done_twice_or_claimed_by_two_is_found() {
    let twice = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        done_with(1, 5),
        vec![acked(1)],
    ]);
    let operations = [
        one(),
        claim(10, 20, 1, 4, 500),
        ack(30, 40, 1, 4, Done::Acked { revision: 5 }),
    ];
    assert!(broken(&operations, &twice).contains(&"states"));
    let by_two = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        vec![claimed(&[1], 5)],
        done_with(1, 6),
    ]);
    assert!(broken(&operations, &by_two).contains(&"states"));
}

#[test]
fn ids_that_do_not_grow_are_found() {
    let said = |items: &[u64]| {
        let says = |item: &u64| ack(30, 40, *item, 5, Done::Acked { revision: 5 + item });
        items.iter().map(says).collect::<Vec<_>>()
    };
    let in_two_parts = truth(vec![
        vec![pushed(&[2]), pushed(&[1])],
        vec![],
        vec![claimed(&[1, 2], 5)],
        done_with(1, 6),
        done_with(2, 7),
    ]);
    assert_eq!(broken(&said(&[1, 2]), &in_two_parts), fine());
    let backwards = truth(vec![
        vec![pushed(&[2])],
        vec![pushed(&[1])],
        vec![claimed(&[1, 2], 5)],
        done_with(1, 6),
        done_with(2, 7),
    ]);
    assert_eq!(broken(&said(&[1, 2]), &backwards), ["states"]);
}

#[test]
fn an_item_that_is_lost_or_never_delivered_is_found() {
    let left = truth(vec![vec![pushed(&[1])]]);
    assert_eq!(broken(&[one()], &left), ["delivered"]);
    let lost = truth(vec![vec![]]);
    assert_eq!(broken(&[one()], &lost), ["answered"]);
}

#[test]
fn what_is_pushed_again_and_becomes_two_items_is_found() {
    let truth = truth(vec![
        vec![pushed(&[1, 2])],
        vec![claimed(&[1, 2], 4)],
        done_with(1, 5),
        done_with(2, 6),
    ]);
    let two = push(3, &[(1, work("1", 0, "g")), (2, work("1", 0, "g"))]);
    let said = [
        ack(30, 40, 1, 4, Done::Acked { revision: 5 }),
        ack(30, 40, 2, 4, Done::Acked { revision: 6 }),
    ];
    let operations = [vec![two], said.to_vec()].concat();
    assert_eq!(broken(&operations, &truth), ["delivered"]);
}

#[test]
fn a_record_that_does_not_come_with_the_acknowledgement_is_found() {
    let said = || {
        [
            one(),
            claim(10, 20, 1, 4, 500),
            ack(30, 40, 1, 4, Done::Acked { revision: 5 }),
        ]
    };
    let missing = truth(vec![vec![pushed(&[1])], vec![claimed(&[1], 4)], vec![acked(1)]]);
    assert_eq!(broken(&said(), &missing), ["recorded"]);
    let later = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        vec![acked(1)],
        vec![recorded(1, 6, 1)],
    ]);
    assert_eq!(broken(&said(), &later), ["recorded"]);
}

#[test]
fn a_claim_that_ends_without_a_reason_is_found() {
    let given_back = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        vec![back(1, QueueClaimEnd::Nacked)],
        vec![claimed(&[1], 6)],
        done_with(1, 7),
    ]);
    let operations = [
        one(),
        claim(10, 20, 1, 4, 500),
        ack(700, 710, 1, 6, Done::Acked { revision: 7 }),
    ];
    assert_eq!(broken(&operations, &given_back), ["ended"]);
    let ack = || ack(30, 40, 1, 4, Done::Acked { revision: 6 });
    let outlives = truth(vec![
        vec![pushed(&[1])],
        vec![claimed_under(&[1], 4, LEASE)],
        vec![lease_ended()],
        done_with(1, 6),
    ]);
    assert_eq!(broken(&[one(), ack()], &outlives), ["ended"]);
    let under_a_dead_one = truth(vec![
        vec![pushed(&[1])],
        vec![lease_ended()],
        vec![claimed_under(&[1], 5, LEASE)],
        done_with(1, 6),
    ]);
    let receipt = Receipt { item: 1, token: 5 };
    let said = done(30, 40, Call::Ack { receipt }, Done::Acked { revision: 6 });
    assert_eq!(broken(&[one(), said], &under_a_dead_one), ["ended"]);
}

#[test]
fn an_item_that_is_claimed_more_often_than_it_may_be_is_found() {
    let mut revisions = vec![vec![pushed(&[1])]];
    for token in [4, 6, 8] {
        revisions.push(vec![claimed(&[1], token)]);
        revisions.push(vec![back(1, QueueClaimEnd::TimedOut)]);
    }
    revisions.push(vec![claimed(&[1], 10)]);
    revisions.push(done_with(1, 11));
    let operations = [one(), ack(30, 40, 1, 10, Done::Acked { revision: 11 })];
    assert_eq!(broken(&operations, &truth(revisions)), ["ended"]);
}

#[test]
fn a_claim_that_runs_out_before_its_time_is_found() {
    let truth = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        vec![back(1, QueueClaimEnd::TimedOut)],
        vec![claimed(&[1], 6)],
        done_with(1, 7),
    ]);
    let then = |at| {
        [
            one(),
            claim(10, 20, 1, 4, 500),
            mark(at, at + 10, 7),
            ack(at, at + 10, 1, 6, Done::Acked { revision: 7 }),
        ]
    };
    assert_eq!(broken(&then(300), &truth), ["early"]);
    assert_eq!(broken(&then(490), &truth), fine());
}

#[test]
fn two_workers_who_are_certain_at_the_same_moment_are_found() {
    // By revisions all is well: the first gave it back. But it was never answered that it did, and had not begun to.
    let truth = truth(vec![
        vec![pushed(&[1])],
        vec![claimed(&[1], 4)],
        vec![back(1, QueueClaimEnd::Nacked)],
        vec![claimed(&[1], 6)],
        done_with(1, 7),
    ]);
    let nack = |invoked| {
        let receipt = Receipt { item: 1, token: 4 };
        let call = Call::Nack {
            receipt,
            delay_ms: 0,
            dead: false,
        };
        done(invoked, invoked + 10, call, Done::Nacked { revision: 5 })
    };
    let with = |given_back| {
        [
            one(),
            claim(10, 20, 1, 4, 500),
            nack(given_back),
            claim(10, 100, 1, 6, 500),
            ack(400, 410, 1, 6, Done::Acked { revision: 7 }),
        ]
    };
    assert_eq!(broken(&with(50), &truth), fine());
    assert!(broken(&with(200), &truth).contains(&"certain"));
}

#[test]
fn a_receipt_that_is_refused_while_it_holds_is_found() {
    let truth = truth(vec![vec![pushed(&[1])], vec![claimed(&[1], 4)], done_with(1, 5)]);
    let with = |answer| {
        [
            one(),
            claim(10, 20, 1, 4, 500),
            ack(30, 40, 1, 4, answer),
            ack(60, 70, 1, 4, Done::Acked { revision: 5 }),
        ]
    };
    assert_eq!(broken(&with(Done::Fenced), &truth), ["answered"]);
    assert_eq!(broken(&with(Done::Gone), &truth), ["answered"]);
}

#[test]
fn a_receipt_is_refused_from_its_deadline_on_whatever_is_said_to_end_its_claim() {
    let truth = truth(vec![
        vec![pushed(&[1])],
        vec![claimed_under(&[1], 4, LEASE)],
        vec![lease_ended(), back(1, QueueClaimEnd::LeaseEnded)],
        vec![claimed(&[1], 6)],
        done_with(1, 7),
    ]);
    let with = |refused| {
        [
            one(),
            claim(10, 20, 1, 4, 500),
            ack(refused, refused + 10, 1, 4, Done::Fenced),
            mark(650, 660, 5),
            claim(670, 680, 1, 6, 500),
            ack(700, 710, 1, 6, Done::Acked { revision: 7 }),
        ]
    };
    assert_eq!(broken(&with(600), &truth), fine());
    assert_eq!(broken(&with(100), &truth), ["answered"]);
}

/// Items with their priorities and groups are pushed, and claimed in this order.
fn served(items: &[(u64, u8, &str)], order: &[u64]) -> Vec<&'static str> {
    let ids: Vec<u64> = items.iter().map(|(id, ..)| *id).collect();
    let mut revisions = vec![vec![pushed(&ids)]];
    let works: Vec<(u64, Work)> = items
        .iter()
        .map(|(id, priority, group)| (*id, work(&id.to_string(), *priority, group)))
        .collect();
    let mut operations = vec![push(3, &works)];
    for item in order {
        let token = 2 + revisions.len() as u64 + 1;
        revisions.push(vec![claimed(&[*item], token)]);
        revisions.push(done_with(*item, token + 1));
        operations.push(ack(30, 40, *item, token, Done::Acked { revision: token + 1 }));
    }
    broken(&operations, &truth(revisions))
}

#[test]
fn items_that_are_served_out_of_turn_are_found() {
    let priorities = [(1, 0, "g"), (2, 1, "g")];
    assert_eq!(served(&priorities, &[2, 1]), fine());
    assert_eq!(served(&priorities, &[1, 2]), ["order"]);
    let pushes = [(1, 0, "g"), (2, 0, "g")];
    assert_eq!(served(&pushes, &[1, 2]), fine());
    assert_eq!(served(&pushes, &[2, 1]), ["order"]);
    let groups = [(1, 0, "g"), (2, 0, "g"), (3, 0, "h"), (4, 0, "h")];
    assert_eq!(served(&groups, &[1, 3, 2, 4]), fine());
    assert_eq!(served(&groups, &[3, 1, 4, 2]), fine());
    assert_eq!(served(&groups, &[1, 2, 3, 4]), ["order"]);
}
