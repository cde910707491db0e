//! Each property with a history that breaks it, beside one that it accepts.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::lock_event::What;
use quorate_proto::v1::watch_event::Event as Wire;
use quorate_proto::v1::{LockFreedReason, LockMode};

use super::history::History;
use super::record::{Call, Done, Hold, HoldOperation, Mode};
use super::{late_writes, violations};
use crate::journal::{Answer, Operation};
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth};

const KEYS: &str = "written/";

/// Of this lease, which lives from revision 2 on, and the next one.
const ONE: u64 = 101;
const TWO: u64 = 102;

/// What happened: revision 2 grants both leases, the others follow.
fn truth(revisions: Vec<Vec<Event>>) -> Truth {
    let mut truth = Truth::default();
    truth.push(2, vec![lease_granted(ONE), lease_granted(TWO)]).unwrap();
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

fn lease_granted(lease: u64) -> Event {
    let granted = v1::LeaseGrantedEvent {
        ttl_ms: 1000,
        ..v1::LeaseGrantedEvent::default()
    };
    let what = Some(v1::lease_event::What::Granted(granted));
    other(
        Space::Leases,
        &lease.to_string(),
        Wire::Lease(v1::LeaseEvent { lease, what }),
    )
}

fn lease_ended(lease: u64, expired: bool) -> Event {
    let what = Some(v1::lease_event::What::Ended(v1::LeaseEndedEvent { expired }));
    other(
        Space::Leases,
        &lease.to_string(),
        Wire::Lease(v1::LeaseEvent { lease, what }),
    )
}

fn lock_event(lock: &str, what: What) -> Event {
    let event = v1::LockEvent {
        lock: lock.to_owned(),
        what: Some(what),
    };
    other(Space::Locks, lock, Wire::Lock(event))
}

fn hold(lease: u64, token: u64) -> Hold {
    Hold {
        lock: "a".to_owned(),
        lease,
        request: 1,
        token,
    }
}

fn acquired_as(hold: &Hold, mode: LockMode, count: u32, waited: bool) -> Event {
    let acquired = v1::LockAcquiredEvent {
        lease: hold.lease,
        request: hold.request,
        token: hold.token,
        mode: mode.into(),
        count,
        waited,
    };
    lock_event(&hold.lock, What::Acquired(acquired))
}

fn acquired(lease: u64, token: u64) -> Event {
    acquired_as(&hold(lease, token), LockMode::Exclusive, 1, false)
}

fn freed(lease: u64, token: u64, why: LockFreedReason) -> Event {
    let freed = v1::LockFreedEvent {
        lease,
        request: 1,
        token,
        why: why.into(),
        ..v1::LockFreedEvent::default()
    };
    lock_event("a", What::Freed(freed))
}

fn released(lease: u64, token: u64) -> Event {
    freed(lease, token, LockFreedReason::Released)
}

fn put(token: u64, revision: u64) -> Event {
    let record = v1::Record {
        key: Bytes::from_static(b"written/a"),
        value: Bytes::from(format!("{token} 1.1")),
        create_revision: revision,
        mod_revision: revision,
        version: 1,
        ..v1::Record::default()
    };
    Event::Key(KeyEvent {
        domain: "default".to_owned(),
        kind: KeyKind::Put,
        record,
        previous: None,
    })
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn done(invoked: u64, returned: u64, call: Call, done: Done) -> HoldOperation {
    Operation {
        client: 1,
        invoked: ms(invoked),
        returned: ms(returned),
        call,
        answer: Answer::Done(done),
    }
}

fn acquire(invoked: u64, returned: u64, hold: Hold, certain_until: u64) -> HoldOperation {
    let call = Call::Acquire {
        lock: hold.lock.clone(),
        mode: Mode::Exclusive,
        wait: true,
    };
    let certain_until = ms(certain_until);
    done(invoked, returned, call, Done::Held { hold, certain_until })
}

fn release(invoked: u64, returned: u64, hold: Hold) -> HoldOperation {
    done(invoked, returned, Call::Release { hold }, Done::Released)
}

/// Somebody makes this revision, so that it is known when that was.
fn mark(invoked: u64, returned: u64, revision: u64) -> HoldOperation {
    use crate::workloads::leases;
    let key = String::new();
    let call = Call::Lease(leases::Call::Attach { lease: 0, key });
    let attached = Done::Lease(leases::Done::Attached { revision });
    done(invoked, returned, call, attached)
}

/// The properties that do not hold. Marks are none of its business.
fn broken(operations: &[HoldOperation], truth: &Truth) -> Vec<&'static str> {
    let history = History::new(operations, truth, &[], KEYS);
    let is_mark = |operation: &HoldOperation| matches!(&operation.call, Call::Lease(_));
    let without: Vec<HoldOperation> = operations
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
fn one_holder_after_the_other_is_accepted() {
    let truth = truth(vec![
        vec![acquired(ONE, 3)],
        vec![put(3, 4)],
        vec![
            released(ONE, 3),
            acquired_as(&hold(TWO, 5), LockMode::Exclusive, 1, true),
        ],
        vec![lease_ended(TWO, true), freed(TWO, 5, LockFreedReason::LeaseEnded)],
    ]);
    let operations = [
        acquire(0, 10, hold(ONE, 3), 900),
        done(20, 30, Call::Put { hold: hold(ONE, 3) }, Done::Put { revision: 4 }),
        release(40, 60, hold(ONE, 3)),
        acquire(15, 50, hold(TWO, 5), 950),
        done(1200, 1210, Call::Release { hold: hold(TWO, 5) }, Done::Fenced),
    ];
    assert_eq!(broken(&operations, &truth), fine());
}

#[test]
fn a_hold_that_is_granted_or_ended_twice_is_found() {
    let operations = [acquire(0, 10, hold(ONE, 3), 900), release(40, 60, hold(ONE, 3))];
    let ended = truth(vec![
        vec![acquired(ONE, 3)],
        vec![released(ONE, 3)],
        vec![released(ONE, 3)],
    ]);
    assert!(broken(&operations, &ended).contains(&"once"));
    let nobodys = truth(vec![vec![released(ONE, 3)]]);
    assert!(broken(&[], &nobodys).contains(&"once"));
}

#[test]
fn a_token_that_is_not_the_revision_of_its_grant_is_found() {
    let not_its_own = truth(vec![vec![acquired(ONE, 2)]]);
    assert_eq!(broken(&[], &not_its_own), ["tokens"]);
    let again = truth(vec![
        vec![acquired(ONE, 3)],
        vec![released(ONE, 3)],
        vec![acquired(TWO, 3)],
    ]);
    assert!(broken(&[], &again).contains(&"tokens"));
}

#[test]
fn two_holders_of_what_one_may_hold_are_found() {
    let both = truth(vec![vec![acquired(ONE, 3)], vec![acquired(TWO, 4)]]);
    assert_eq!(broken(&[], &both), ["alone"]);
    let shared = |lease, token, mode| acquired_as(&hold(lease, token), mode, 1, false);
    let together = truth(vec![
        vec![shared(ONE, 3, LockMode::Shared)],
        vec![shared(TWO, 4, LockMode::Shared)],
    ]);
    assert_eq!(broken(&[], &together), fine());
    let beside = truth(vec![vec![shared(ONE, 3, LockMode::Shared)], vec![acquired(TWO, 4)]]);
    assert_eq!(broken(&[], &beside), ["alone"]);
}

#[test]
fn more_permits_than_there_are_are_found() {
    let permits = |lease, token, count| acquired_as(&hold(lease, token), LockMode::Unspecified, count, false);
    let mode = Mode::Permits { of: 3, count: 2 };
    let asked = |lease| Call::Ask {
        lock: "a".to_owned(),
        mode,
        lease,
        request: 1,
    };
    let operations = [done(0, 10, asked(ONE), Done::Absent)];
    let enough = truth(vec![vec![permits(ONE, 3, 2)], vec![permits(TWO, 4, 1)]]);
    assert_eq!(broken(&operations, &enough), fine());
    let too_many = truth(vec![vec![permits(ONE, 3, 2)], vec![permits(TWO, 4, 2)]]);
    assert_eq!(broken(&operations, &too_many), ["alone"]);
}

#[test]
fn a_hold_that_outlives_its_lease_or_is_granted_after_it_is_found() {
    let outlives = truth(vec![vec![acquired(ONE, 3)], vec![lease_ended(ONE, false)]]);
    assert_eq!(broken(&[], &outlives), ["whole"]);
    let later = truth(vec![
        vec![acquired(ONE, 3)],
        vec![lease_ended(ONE, false)],
        vec![freed(ONE, 3, LockFreedReason::LeaseEnded)],
    ]);
    assert_eq!(broken(&[], &later), ["whole"]);
    let granted_after = truth(vec![vec![lease_ended(ONE, false)], vec![acquired(ONE, 4)]]);
    assert_eq!(broken(&[], &granted_after), ["whole"]);
    let not_its_own = truth(vec![
        vec![acquired(ONE, 3)],
        vec![freed(ONE, 3, LockFreedReason::LeaseEnded)],
    ]);
    assert_eq!(broken(&[], &not_its_own), ["whole"]);
}

#[test]
fn an_answer_that_the_truth_does_not_have_is_found() {
    let nothing = truth(vec![vec![]]);
    assert_eq!(broken(&[acquire(0, 10, hold(ONE, 3), 900)], &nothing), ["answered"]);
    // Granted by a revision that was made only after it was answered.
    let later = truth(vec![vec![], vec![acquired(ONE, 4)]]);
    let operations = [mark(20, 30, 3), acquire(0, 10, hold(ONE, 4), 900)];
    assert_eq!(broken(&operations, &later), ["answered"]);
    let lives = truth(vec![vec![acquired(ONE, 3)]]);
    let held = acquire(0, 10, hold(ONE, 3), 900);
    assert_eq!(
        broken(&[held.clone(), release(20, 30, hold(ONE, 3))], &lives),
        ["answered"]
    );
    let denied = done(20, 30, Call::Put { hold: hold(ONE, 3) }, Done::Fenced);
    assert_eq!(broken(&[held.clone(), denied], &lives), ["answered"]);
    let over = truth(vec![vec![acquired(ONE, 3)], vec![released(ONE, 3)], vec![]]);
    let certain_until = ms(900);
    let stands = done(
        60,
        70,
        Call::Renew { hold: hold(ONE, 3) },
        Done::Stands { certain_until },
    );
    let operations = [held, release(20, 30, hold(ONE, 3)), mark(40, 50, 5), stands];
    assert_eq!(broken(&operations, &over), ["answered"]);
}

#[test]
fn a_hold_that_nobody_wanted_to_end_is_found() {
    let over = truth(vec![vec![acquired(ONE, 3)], vec![released(ONE, 3)], vec![]]);
    let held = || acquire(0, 10, hold(ONE, 3), 900);
    assert_eq!(broken(&[held()], &over), ["kept"]);
    // It was given back, but later than that.
    let operations = [held(), mark(20, 30, 5), release(40, 50, hold(ONE, 3))];
    assert_eq!(broken(&operations, &over), ["kept"]);
    let forced = truth(vec![
        vec![acquired(ONE, 3)],
        vec![freed(ONE, 3, LockFreedReason::Forced)],
    ]);
    assert_eq!(broken(&[held()], &forced), ["kept"]);
    let lock = "a".to_owned();
    let force = done(
        20,
        30,
        Call::Force { lock, token: 3 },
        Done::Forced { holds: 1, revision: 4 },
    );
    assert_eq!(broken(&[held(), force], &forced), fine());
}

#[test]
fn a_lease_that_expires_while_its_holder_is_certain_is_found() {
    let displaced = truth(vec![
        vec![acquired(ONE, 3)],
        vec![lease_ended(ONE, true), freed(ONE, 3, LockFreedReason::LeaseEnded)],
        vec![],
    ]);
    let held = acquire(0, 10, hold(ONE, 3), 900);
    assert_eq!(broken(&[held.clone(), mark(700, 710, 5)], &displaced), ["kept"]);
    assert_eq!(broken(&[held, mark(890, 910, 5)], &displaced), fine());
}

#[test]
fn two_who_are_certain_at_the_same_moment_are_found() {
    // By revisions all is well: the first lease was revoked. But its holder does not know.
    let truth = truth(vec![
        vec![acquired(ONE, 3)],
        vec![lease_ended(ONE, false), freed(ONE, 3, LockFreedReason::LeaseEnded)],
        vec![acquired(TWO, 5)],
    ]);
    let operations = [acquire(0, 10, hold(ONE, 3), 900), acquire(20, 500, hold(TWO, 5), 1400)];
    assert_eq!(broken(&operations, &truth), ["certain"]);
    let in_time = [acquire(0, 10, hold(ONE, 3), 500), acquire(20, 500, hold(TWO, 5), 1400)];
    assert_eq!(broken(&in_time, &truth), fine());
}

#[test]
fn a_write_with_the_fence_of_a_hold_that_is_over_is_found() {
    let late = truth(vec![vec![acquired(ONE, 3)], vec![released(ONE, 3)], vec![put(3, 5)]]);
    let operations = [acquire(0, 10, hold(ONE, 3), 900), release(20, 30, hold(ONE, 3))];
    assert_eq!(broken(&operations, &late), ["fenced"]);
    // Acknowledged, and not there.
    let lost = truth(vec![vec![acquired(ONE, 3)], vec![]]);
    let put = done(20, 30, Call::Put { hold: hold(ONE, 3) }, Done::Put { revision: 4 });
    assert_eq!(broken(&[acquire(0, 10, hold(ONE, 3), 900), put], &lost), ["fenced"]);
}

fn write(invoked: u64, hold: Hold, fenced: bool, order: u64, accepted: bool, certain_until: u64) -> HoldOperation {
    let asked = Done::Asked {
        order,
        accepted,
        certain_until: ms(certain_until),
    };
    done(invoked, invoked + 1, Call::Write { hold, fenced }, asked)
}

#[test]
fn a_resource_that_takes_tokens_out_of_order_or_refuses_a_certain_holder_is_found() {
    let nothing = truth(vec![]);
    let in_order = [
        write(10, hold(ONE, 3), true, 1, true, 0),
        write(20, hold(TWO, 5), true, 2, true, 0),
        write(30, hold(ONE, 3), true, 3, false, 0),
    ];
    assert_eq!(broken(&in_order, &nothing), fine());
    let out_of_order = [
        write(10, hold(TWO, 5), true, 1, true, 0),
        write(20, hold(ONE, 3), true, 2, true, 0),
    ];
    assert_eq!(broken(&out_of_order, &nothing), ["resource"]);
    let refused = [
        write(10, hold(TWO, 5), true, 1, true, 0),
        write(20, hold(ONE, 3), true, 2, false, 900),
    ];
    assert_eq!(broken(&refused, &nothing), ["resource"]);
    // Somebody had taken it away, and nobody had told its holder.
    let forced = truth(vec![
        vec![acquired(ONE, 3)],
        vec![freed(ONE, 3, LockFreedReason::Forced)],
    ]);
    let lock = "a".to_owned();
    let force = done(
        2,
        8,
        Call::Force { lock, token: 3 },
        Done::Forced { holds: 1, revision: 4 },
    );
    assert_eq!(
        broken(
            &[vec![acquire(0, 1, hold(ONE, 3), 900), force], refused.to_vec()].concat(),
            &forced
        ),
        fine()
    );
    let without_reason = [write(10, hold(ONE, 3), true, 1, false, 0)];
    assert_eq!(broken(&without_reason, &nothing), ["resource"]);
}

#[test]
fn writes_that_come_too_late_without_a_fence_are_counted_and_allowed() {
    let nothing = truth(vec![]);
    let operations = [
        write(10, hold(TWO, 5), false, 1, true, 0),
        write(20, hold(ONE, 3), false, 2, true, 0),
    ];
    let history = History::new(&operations, &nothing, &[], KEYS);
    assert_eq!((violations(&history).properties(), late_writes(&history)), (fine(), 1));
}

fn queued(invoked: u64, lease: u64, revision: u64) -> HoldOperation {
    let ask = Call::Ask {
        lock: "a".to_owned(),
        mode: Mode::Exclusive,
        lease,
        request: 1,
    };
    done(invoked, invoked + 5, ask, Done::Queued { revision })
}

#[test]
fn one_who_overtakes_in_the_queue_is_found() {
    let waited = |lease, token| acquired_as(&hold(lease, token), LockMode::Exclusive, 1, true);
    let overtaken = || {
        truth(vec![
            vec![],
            vec![],
            vec![waited(TWO, 5)],
            vec![released(TWO, 5), waited(ONE, 6)],
        ])
    };
    let in_order = [queued(0, TWO, 3), queued(10, ONE, 4)];
    assert_eq!(broken(&in_order, &overtaken()), fine());
    let out_of_order = [queued(0, ONE, 3), queued(10, TWO, 4)];
    assert_eq!(broken(&out_of_order, &overtaken()), ["order"]);
    // The one may have asked long before it was told its place.
    let mut lost = queued(0, TWO, 0);
    lost.answer = Answer::Unknown;
    let doubtful = [lost, queued(10, ONE, 3), queued(20, TWO, 4)];
    assert_eq!(broken(&doubtful, &overtaken()), fine());
    // Who finds it free while another one waits overtakes, too.
    let free = truth(vec![
        vec![],
        vec![acquired(TWO, 4)],
        vec![released(TWO, 4), waited(ONE, 5)],
    ]);
    assert_eq!(broken(&[queued(0, ONE, 3)], &free), ["order"]);
}
