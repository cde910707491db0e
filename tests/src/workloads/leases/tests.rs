//! Each property with a history that breaks it, beside one that it accepts.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::lease_event::What;
use quorate_proto::v1::watch_event::Event as Wire;

use super::history::History;
use super::record::{Call, Done, LeaseOperation};
use super::violations;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth};

const TTL_MS: u64 = 1000;

/// What happened: revisions in order, from 2 on.
fn truth(revisions: Vec<Vec<Event>>) -> Truth {
    let mut truth = Truth::default();
    for events in revisions {
        truth.push(truth.last() + 1, events).unwrap();
    }
    truth
}

fn lease_event(lease: u64, what: What) -> Event {
    Event::Other(OtherEvent {
        space: Space::Leases,
        name: Bytes::from(lease.to_string()),
        what: Some(Wire::Lease(v1::LeaseEvent {
            lease,
            what: Some(what),
        })),
    })
}

fn granted(lease: u64) -> Event {
    let granted = v1::LeaseGrantedEvent {
        ttl_ms: TTL_MS,
        ..v1::LeaseGrantedEvent::default()
    };
    lease_event(lease, What::Granted(granted))
}

fn ended(lease: u64, expired: bool) -> Event {
    lease_event(lease, What::Ended(v1::LeaseEndedEvent { expired }))
}

fn put(key: &str, lease: u64, revision: u64) -> Event {
    let record = v1::Record {
        key: Bytes::copy_from_slice(key.as_bytes()),
        create_revision: revision,
        mod_revision: revision,
        version: 1,
        lease,
        ..v1::Record::default()
    };
    Event::Key(KeyEvent {
        domain: "default".to_owned(),
        kind: KeyKind::Put,
        record,
        previous: None,
    })
}

fn gone(key: &str, lease: u64, written: u64, revision: u64) -> Event {
    let Event::Key(before) = put(key, lease, written) else {
        unreachable!()
    };
    Event::Key(KeyEvent {
        kind: KeyKind::Delete,
        record: v1::Record {
            key: before.record.key.clone(),
            mod_revision: revision,
            ..v1::Record::default()
        },
        previous: Some(before.record),
        domain: before.domain,
    })
}

fn nothing() -> Vec<Event> {
    Vec::new()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn done(invoked: u64, returned: u64, call: Call, done: Done) -> LeaseOperation {
    Operation {
        client: 1,
        invoked: ms(invoked),
        returned: ms(returned),
        call,
        answer: Answer::Done(done),
    }
}

fn grant(invoked: u64, returned: u64, lease: u64, revision: u64) -> LeaseOperation {
    let granted = Done::Granted {
        lease,
        ttl_ms: TTL_MS,
        revision,
    };
    done(invoked, returned, Call::Grant { ttl_ms: TTL_MS }, granted)
}

fn renew(invoked: u64, returned: u64, lease: u64) -> LeaseOperation {
    let renewed = Done::Renewed { ttl_ms: TTL_MS };
    done(invoked, returned, Call::KeepAlive { lease }, renewed)
}

/// Somebody writes, so that it is known when this revision was made.
fn mark(invoked: u64, returned: u64, revision: u64) -> LeaseOperation {
    grant(invoked, returned, 1000 + revision, revision)
}

/// The lease that a mark is the grant of.
fn marked(revision: u64) -> Vec<Event> {
    vec![granted(1000 + revision)]
}

/// The properties that do not hold.
fn broken(operations: &[LeaseOperation], truth: &Truth, faults: &[(Duration, Duration)]) -> Vec<&'static str> {
    violations(&History::new(operations, truth, faults)).properties()
}

#[test]
fn a_life_as_it_should_be_is_accepted() {
    let truth = truth(vec![
        vec![granted(7)],
        vec![put("a", 7, 3)],
        vec![ended(7, true), gone("a", 7, 3, 4)],
        marked(5),
    ]);
    let key = "a".to_owned();
    let operations = [
        grant(0, 10, 7, 2),
        done(20, 30, Call::Attach { lease: 7, key }, Done::Attached { revision: 3 }),
        renew(500, 510, 7),
        done(1000, 1010, Call::Look { lease: 7 }, Done::Lives),
        mark(1600, 1610, 5),
        done(1700, 1710, Call::Look { lease: 7 }, Done::Dead),
        done(1720, 1730, Call::KeepAlive { lease: 7 }, Done::Dead),
    ];
    assert_eq!(broken(&operations, &truth, &[]), Vec::<&str>::new());
}

#[test]
fn a_lease_that_comes_back_is_found() {
    let operations = [grant(0, 10, 7, 2)];
    let twice = truth(vec![vec![granted(7)], vec![ended(7, false)], vec![granted(7)]]);
    assert!(broken(&operations, &twice, &[]).contains(&"once"));
    let ended_twice = truth(vec![vec![granted(7)], vec![ended(7, false)], vec![ended(7, false)]]);
    assert!(broken(&operations, &ended_twice, &[]).contains(&"once"));
}

#[test]
fn a_lease_that_expires_before_its_time_is_found() {
    let truth = truth(vec![vec![granted(7)], vec![ended(7, true)], marked(4)]);
    // 950 ms after it was granted it may be gone; the renewal at 500 makes that 1450.
    let in_time = [grant(0, 10, 7, 2), mark(1300, 1310, 4)];
    assert_eq!(broken(&in_time, &truth, &[]), Vec::<&str>::new());
    let early = [grant(0, 10, 7, 2), renew(500, 510, 7), mark(1300, 1310, 4)];
    assert_eq!(broken(&early, &truth, &[]), ["early"]);
    // It may have been gone long before somebody looked.
    let seen_late = [grant(0, 10, 7, 2), renew(500, 510, 7), mark(1300, 1460, 4)];
    assert_eq!(broken(&seen_late, &truth, &[]), Vec::<&str>::new());
}

#[test]
fn a_lease_that_stays_too_long_is_found_unless_faults_explain_it() {
    let expired = truth(vec![vec![granted(7)], marked(3), vec![ended(7, true)]]);
    let operations = [grant(0, 10, 7, 2), mark(11_500, 11_510, 3)];
    assert_eq!(broken(&operations, &expired, &[]), ["late"]);
    let fault = [(ms(800), ms(900))];
    assert_eq!(broken(&operations, &expired, &fault), Vec::<&str>::new());
    let in_time = [grant(0, 10, 7, 2), mark(10_900, 10_910, 3)];
    assert_eq!(broken(&in_time, &expired, &[]), Vec::<&str>::new());
    let never = truth(vec![vec![granted(7)], marked(3)]);
    assert_eq!(broken(&operations, &never, &[]), ["late"]);
}

#[test]
fn a_key_that_outlives_its_lease_is_found() {
    let operations = [grant(0, 10, 7, 2)];
    let left = vec![
        vec![granted(7)],
        vec![put("a", 7, 3), put("b", 7, 3)],
        vec![ended(7, false), gone("a", 7, 3, 4)],
    ];
    assert_eq!(broken(&operations, &truth(left), &[]), ["whole"]);
    let later = vec![
        vec![granted(7)],
        vec![put("a", 7, 3)],
        vec![ended(7, false)],
        vec![gone("a", 7, 3, 5)],
    ];
    assert_eq!(broken(&operations, &truth(later), &[]), ["whole"]);
    let written_after = vec![vec![granted(7)], vec![ended(7, false)], vec![put("a", 7, 4)]];
    assert_eq!(broken(&operations, &truth(written_after), &[]), ["whole"]);
}

#[test]
fn what_was_acknowledged_and_did_not_happen_is_found() {
    let only_granted = || truth(vec![vec![granted(7)], nothing()]);
    let revoke = done(20, 30, Call::Revoke { lease: 7 }, Done::Revoked { revision: 3 });
    let key = "a".to_owned();
    let attach = done(20, 30, Call::Attach { lease: 7, key }, Done::Attached { revision: 3 });
    for wrong in [revoke, attach, grant(20, 30, 8, 3)] {
        let operations = [grant(0, 10, 7, 2), wrong];
        assert_eq!(broken(&operations, &only_granted(), &[]), ["answered"]);
    }
}

#[test]
fn a_lease_that_is_renewed_or_shown_after_its_end_is_found() {
    let revoked = truth(vec![vec![granted(7)], vec![ended(7, false)]]);
    let revoke = || done(20, 30, Call::Revoke { lease: 7 }, Done::Revoked { revision: 3 });
    let look = |invoked| done(invoked, 50, Call::Look { lease: 7 }, Done::Lives);
    for wrong in [renew(40, 50, 7), look(40)] {
        assert_eq!(
            broken(&[grant(0, 10, 7, 2), revoke(), wrong], &revoked, &[]),
            ["answered"]
        );
    }
    // It may have been there when the question arrived.
    assert_eq!(
        broken(&[grant(0, 10, 7, 2), revoke(), look(25)], &revoked, &[]),
        Vec::<&str>::new()
    );
}

#[test]
fn a_lease_that_is_denied_while_it_lives_is_found() {
    let lives = || truth(vec![vec![granted(7)], marked(3), vec![ended(7, true)]]);
    for call in [
        Call::Look { lease: 7 },
        Call::Revoke { lease: 7 },
        Call::KeepAlive { lease: 7 },
    ] {
        let operations = [grant(0, 10, 7, 2), done(20, 30, call, Done::Dead), mark(40, 50, 3)];
        assert_eq!(broken(&operations, &lives(), &[]), ["answered"]);
    }
    // Its time was over, and whoever wanted to end it came to nothing: that is no promise broken.
    let given_up = [
        grant(0, 10, 7, 2),
        done(1020, 1030, Call::KeepAlive { lease: 7 }, Done::Dead),
        mark(1040, 1050, 3),
    ];
    assert_eq!(broken(&given_up, &lives(), &[]), Vec::<&str>::new());
}
