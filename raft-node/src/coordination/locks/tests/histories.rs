//! Random histories, applied to the store and to the model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::check::{check, queue, rows_count};
use super::model::{Id, Model};
use super::replay::Replay;
use super::{expire_leases, grant_lease, lock, permits, revoke_lease};
use crate::coordination::locks::{Acquire, Hold, LockOperation, LockReply, Share};
use crate::coordination::sessions::{LeaseOperation, LeaseReply};
use crate::state_machine::testing::events::Told;
use crate::state_machine::testing::{Store, check_rules, transaction};
use crate::state_machine::{Command, Operation, OperationReply, Reply};
use crate::storage::Engine;
use crate::types::{HoldEnd, LeaseId, Rejection, Revision, Signal};

const MUTEXES: [&str; 4] = ["a", "a\0", "b", "c"];
const SEMAPHORES: [&str; 2] = ["s", "t"];
const VALUES: &[&[u8]] = &[b"", b"x", b"y"];
const LEASES: std::ops::Range<u64> = 1..5;

#[derive(Clone, Debug)]
enum Step {
    Transact(Vec<Act>),
    Expire(Vec<u64>),
    Restart,
}

/// An operation; those that name a hold pick one of those that live.
#[derive(Clone, Debug)]
enum Act {
    Grant(u64),
    Revoke(u64),
    Acquire(Acquire),
    Abandon(Id),
    Release(Pick),
    Fence(Pick),
    SetValue(Pick, Vec<u8>),
    Force(String, Option<Pick>),
}

/// The hold with this number, counted over all locks; changed a little, so that there is no such hold, if `wrong`.
#[derive(Clone, Debug)]
struct Pick {
    number: usize,
    wrong: Option<u8>,
    with_request: bool,
}

fn share(names: &'static [&'static str]) -> impl Strategy<Value = (Vec<String>, Share)> {
    let mutex = prop_oneof![Just(Share::Exclusive), Just(Share::Shared)];
    let semaphore = (1..4_u32).prop_map(|count| permits(count, 3));
    // Now and then somebody takes a name for another kind of lock.
    let usual = names == MUTEXES.as_slice();
    let share = (prop::bool::weighted(0.95), mutex, semaphore)
        .prop_map(move |(keep, mutex, semaphore)| if keep == usual { mutex } else { semaphore });
    let chosen = prop::collection::btree_set(prop::sample::select(names), 1..=names.len());
    (chosen, share).prop_map(|(names, share)| (names.into_iter().map(str::to_owned).collect(), share))
}

prop_compose! {
    fn asked()(
        lease in LEASES,
        request in 1..4_u64,
        (names, share) in prop_oneof![3 => share(&MUTEXES), 1 => share(&SEMAPHORES)],
        value in prop::sample::select(VALUES),
        wait in prop::bool::weighted(0.8),
    ) -> Acquire {
        Acquire { lease: LeaseId(lease), request, names, share, value: value.to_vec(), wait }
    }
}

prop_compose! {
    fn pick()(
        number in any::<usize>(),
        wrong in prop::option::weighted(0.15, 0..4_u8),
        with_request in any::<bool>(),
    ) -> Pick {
        Pick { number, wrong, with_request }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let name = prop::sample::select([MUTEXES.as_slice(), &SEMAPHORES].concat()).prop_map(str::to_owned);
    prop_oneof![
        2 => LEASES.prop_map(Act::Grant),
        1 => LEASES.prop_map(Act::Revoke),
        12 => asked().prop_map(Act::Acquire),
        3 => (LEASES, 1..4_u64).prop_map(Act::Abandon),
        6 => pick().prop_map(Act::Release),
        1 => pick().prop_map(Act::Fence),
        1 => (pick(), prop::sample::select(VALUES))
            .prop_map(|(pick, value)| Act::SetValue(pick, value.to_vec())),
        1 => (name, prop::option::of(pick())).prop_map(|(name, pick)| Act::Force(name, pick)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => act().prop_map(|act| Step::Transact(vec![act])),
        4 => prop::collection::vec(act(), 2..5).prop_map(Step::Transact),
        1 => prop::collection::vec(LEASES, 1..3).prop_map(Step::Expire),
        1 => Just(Step::Restart),
    ]
}

fn picked(model: &Model, pick: &Pick) -> Hold {
    let holds: Vec<(String, Id, u64)> = model
        .locks
        .keys()
        .flat_map(|name| {
            model
                .holders(name)
                .into_iter()
                .map(|(id, token)| (name.clone(), id, token))
        })
        .collect();
    let (mut lock, mut id, mut token) = match holds.len() {
        0 => ("a".to_owned(), (1, 1), 2),
        count => holds[pick.number % count].clone(),
    };
    match pick.wrong {
        Some(0) => lock.push('x'),
        Some(1) => id.0 += 1,
        Some(2) => id.1 += 1,
        Some(_) => token -= 1,
        None => {}
    }
    Hold {
        lock,
        lease: LeaseId(id.0),
        token: Revision(token),
        request: pick.with_request.then_some(id.1),
    }
}

fn operation(model: &Model, act: &Act) -> Operation {
    Operation::Lock(match act {
        Act::Grant(lease) => return grant_lease(*lease),
        Act::Revoke(lease) => return revoke_lease(*lease),
        Act::Acquire(asked) => LockOperation::Acquire(asked.clone()),
        Act::Abandon((lease, request)) => LockOperation::Abandon {
            lease: LeaseId(*lease),
            request: *request,
        },
        Act::Release(pick) => LockOperation::Release(picked(model, pick)),
        Act::Fence(pick) => LockOperation::Fence(picked(model, pick)),
        Act::SetValue(pick, value) => LockOperation::SetValue {
            hold: picked(model, pick),
            value: value.clone(),
        },
        Act::Force(name, pick) => LockOperation::ForceRelease {
            lock: name.clone(),
            token: pick.as_ref().map(|pick| picked(model, pick).token),
            reason: "because".to_owned(),
        },
    })
}

fn operate(model: &mut Model, number: u32, operation: &Operation) -> Result<OperationReply, Rejection> {
    match operation {
        Operation::Lock(operation) => model.operate(number, operation).map(OperationReply::Lock),
        Operation::Lease(LeaseOperation::Grant { lease, ttl_ms, .. }) => {
            let lease = lease.unwrap();
            model.grant_lease(number, lease.0)?;
            Ok(OperationReply::Lease(LeaseReply::Granted { lease, ttl_ms: *ttl_ms }))
        }
        Operation::Lease(LeaseOperation::Revoke { lease }) => {
            let attached = model.end_lease(number, lease.0)?;
            Ok(OperationReply::Lease(LeaseReply::Revoked { attached }))
        }
        other => panic!("{other:?}"),
    }
}

/// What the model answers, in place of it.
fn transact(model: &mut Model, revision: &mut u64, operations: &[Operation]) -> Result<Vec<OperationReply>, Rejection> {
    let mut after = model.clone();
    after.revision = *revision + 1;
    after.changed = false;
    let mut replies = Vec::new();
    for (number, operation) in (0..).zip(operations) {
        replies.push(operate(&mut after, number, operation)?);
    }
    *revision += u64::from(after.changed);
    *model = after;
    Ok(replies)
}

/// The same, but a place in the queue may be said too late.
fn assert_same(actual: OperationReply, expected: OperationReply) {
    match (actual, expected) {
        (
            OperationReply::Lock(LockReply::Queued { lock, ahead_max }),
            OperationReply::Lock(LockReply::Queued {
                lock: expected,
                ahead_max: ahead,
            }),
        ) => {
            assert_eq!(lock, expected);
            assert!(
                ahead_max >= ahead,
                "{ahead} are ahead, at most {ahead_max} were announced"
            );
        }
        (actual, expected) => assert_eq!(actual, expected),
    }
}

fn compare(store: &Store, model: &Model) {
    let view = store.engine.view();
    check(&*view);
    check_rules(store);
    for name in [MUTEXES.as_slice(), &SEMAPHORES].concat() {
        let Some(expected) = model.locks.get(name) else {
            assert_eq!(lock(store, name), None, "{name}");
            continue;
        };
        let found = lock(store, name).unwrap();
        let holders = found
            .holders
            .iter()
            .map(|one| ((one.lease.0, one.request), one.token.0));
        assert_eq!(holders.collect::<Vec<_>>(), model.holders(name), "{name}");
        for holder in &found.holders {
            let asked = &model.asked[&(holder.lease.0, holder.request)];
            assert_eq!((holder.share, &holder.value), (asked.share, &asked.value), "{name}");
        }
        let waiting = queue(&*view, name).into_iter().map(|(_, id)| (id.lease.0, id.request));
        assert_eq!(waiting.collect::<Vec<_>>(), expected.queue, "{name}");
        let row = found.row;
        assert_eq!(
            [row.acquisitions, row.contended, row.expirations],
            expected.counters,
            "{name}"
        );
        assert_eq!(row.changed.0, expected.changed, "{name}");
        assert_eq!(
            row.forced.map(|forced| (forced.reason, forced.token.0)),
            expected.forced,
            "{name}"
        );
    }
}

/// Whoever has seen every event knows the holders, and why they changed. `acts`: of a transaction.
fn check_events(replay: &Replay, before: &Model, after: &Model, acts: &[Act]) {
    assert_eq!(replay.leases, after.leases);
    for name in [MUTEXES.as_slice(), &SEMAPHORES].concat() {
        assert_eq!(replay.holders(name), after.holders(name), "{name}");
        for ((_, id), share) in replay.holds.get(name).into_iter().flatten() {
            assert_eq!(*share, after.asked[id].share, "{name}");
        }
        if let Some(lock) = after.locks.get(name) {
            assert_eq!(replay.changed[name], lock.changed, "{name}");
        }
    }
    let [act] = acts else { return };
    for ((name, id), waited) in &replay.acquired {
        let queued = before.locks.get(name).is_some_and(|lock| lock.queue.contains(id));
        assert!(*waited || !queued, "{id:?} waited for {name:?}");
        // It frees nothing, so whoever is granted something by it has not waited.
        assert!(
            !waited || !matches!(act, Act::Acquire(_)),
            "{id:?} has not waited for {name:?}"
        );
    }
    let ends = replay.ends.iter().filter(|why| **why != HoldEnd::Refused);
    let expected = match act {
        Act::Revoke(_) => HoldEnd::LeaseEnded,
        Act::Force(..) => HoldEnd::Forced {
            reason: "because".to_owned(),
        },
        _ => HoldEnd::Released,
    };
    ends.for_each(|why| assert_eq!(*why, expected, "{act:?}"));
}

/// Whoever could have waited for what changed has been told.
fn check_signals(before: &Model, after: &Model, signals: &[Signal]) {
    let queued = |model: &Model| -> Vec<Id> { model.locks.values().flat_map(|lock| lock.queue.clone()).collect() };
    let waits = queued(after);
    for (lease, request) in queued(before).into_iter().filter(|id| !waits.contains(id)) {
        let lease = LeaseId(lease);
        assert!(
            signals.contains(&Signal::Acquisition { lease, request }),
            "{lease}/{request}"
        );
    }
    let changed = |model: &Model| -> BTreeMap<String, u64> {
        model
            .locks
            .iter()
            .map(|(name, lock)| (name.clone(), lock.changed))
            .collect()
    };
    let (before, after) = (changed(before), changed(after));
    for lock in before.keys().chain(after.keys()) {
        let same = before.get(lock).unwrap_or(&0) == after.get(lock).unwrap_or(&0);
        assert!(
            same || signals.contains(&Signal::Holders { lock: lock.clone() }),
            "{lock:?}"
        );
    }
}

fn run(steps: Vec<Step>) {
    let (mut store, mut model, mut revision) = (Store::new(), Model::default(), 1);
    let (mut told, mut replay) = (Told::new(&store), Replay::default());
    for lease in LEASES {
        transact(&mut model, &mut revision, &[grant_lease(lease)]).unwrap();
        store.transact(transaction(vec![grant_lease(lease)]));
    }
    for step in steps {
        let before = model.clone();
        store.state.take_signals();
        let mut done = Vec::new();
        match step {
            Step::Transact(acts) => {
                done.clone_from(&acts);
                let operations: Vec<_> = acts.iter().map(|act| operation(&model, act)).collect();
                let expected = transact(&mut model, &mut revision, &operations);
                match store.apply_one(Command::Transaction(transaction(operations))) {
                    Reply::Transaction(reply) => {
                        assert_eq!(reply.revision.0, revision);
                        let expected = expected.unwrap();
                        assert_eq!(reply.results.len(), expected.len());
                        reply.results.into_iter().zip(expected).for_each(|(actual, expected)| {
                            assert_same(actual, expected);
                        });
                    }
                    Reply::Rejected { rejection, .. } => assert_eq!(Err(rejection), expected),
                    other => panic!("{other:?}"),
                }
            }
            Step::Expire(leases) => {
                for lease in &leases {
                    let _ = transact(&mut model, &mut revision, &[revoke_lease(*lease)]);
                }
                store.apply_one(expire_leases(&leases));
            }
            Step::Restart => store = store.reopen(),
        }
        check_signals(&before, &model, &store.state.take_signals());
        compare(&store, &model);
        replay.forget();
        told.read(&store)
            .into_iter()
            .for_each(|(at, event)| replay.see(at, event));
        check_events(&replay, &before, &model, &done);
    }
    let all: Vec<u64> = LEASES.collect();
    store.apply_one(expire_leases(&all));
    assert_eq!(rows_count(&*store.engine.view()), 0, "something was left behind");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_history_of_locks_is_that_of_the_model(steps in prop::collection::vec(step(), 1..100)) {
        run(steps);
    }
}
