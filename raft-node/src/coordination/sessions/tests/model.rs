//! Any history of grants, puts, deletions and ends leaves what a model of two maps has.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::coordination::sessions::LeaseOperation;
use crate::leases;
use crate::mvcc::Put;
use crate::state_machine::testing::{self, Store, all, check_rules, grant, key, put, range, transaction};
use crate::state_machine::{Command, Operation, Reader, Reply};
use crate::storage::Engine;
use crate::types::LeaseId;

#[derive(Clone, Debug)]
enum Step {
    Transact(Vec<Action>),
    Expire(Vec<u64>),
    Restart,
}

#[derive(Clone, Debug)]
enum Action {
    Grant(u64),
    Revoke(u64),
    Put(u8, Option<u64>),
    Delete(u8),
}

/// What lives, and each key with its lease.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    leases: Vec<u64>,
    keys: BTreeMap<u8, Option<u64>>,
}

impl Model {
    /// None if the transaction is refused. `written` are the keys that it changed so far.
    fn act(&mut self, action: &Action, written: &mut Vec<u8>) -> Option<()> {
        let mut write = |key: u8| (!written.contains(&key)).then(|| written.push(key));
        match action {
            Action::Grant(lease) if self.leases.contains(lease) => return None,
            Action::Grant(lease) => self.leases.push(*lease),
            Action::Revoke(lease) => {
                for key in self.end(*lease)? {
                    write(key)?;
                }
            }
            Action::Put(key, lease) => {
                if lease.is_some_and(|lease| !self.leases.contains(&lease)) {
                    return None;
                }
                write(*key)?;
                self.keys.insert(*key, *lease);
            }
            Action::Delete(key) => {
                if self.keys.contains_key(key) {
                    write(*key)?;
                    self.keys.remove(key);
                }
            }
        }
        Some(())
    }

    /// The keys that go; none if the lease does not live.
    fn end(&mut self, lease: u64) -> Option<Vec<u8>> {
        let place = self.leases.iter().position(|living| *living == lease)?;
        self.leases.remove(place);
        let gone: Vec<u8> = self
            .keys
            .iter()
            .filter(|(_, of)| **of == Some(lease))
            .map(|(key, _)| *key)
            .collect();
        self.keys.retain(|key, _| !gone.contains(key));
        Some(gone)
    }
}

fn action() -> impl Strategy<Value = Action> {
    let lease = 1..5_u64;
    prop_oneof![
        3 => lease.clone().prop_map(Action::Grant),
        1 => lease.clone().prop_map(Action::Revoke),
        6 => (0..6_u8, prop::option::of(lease)).prop_map(|(key, lease)| Action::Put(key, lease)),
        2 => (0..6_u8).prop_map(Action::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(action(), 1..4).prop_map(Step::Transact),
        2 => prop::collection::vec(1..5_u64, 1..4).prop_map(Step::Expire),
        1 => Just(Step::Restart),
    ]
}

fn operation(action: &Action) -> Operation {
    match action {
        Action::Grant(lease) => Operation::Lease(grant(*lease, 1000)),
        Action::Revoke(lease) => Operation::Lease(LeaseOperation::Revoke { lease: LeaseId(*lease) }),
        Action::Put(key, lease) => Operation::Put(Put {
            lease: lease.map(LeaseId),
            ..put([*key], vec![b'v'; usize::from(*key) % 3 + usize::from(lease.is_some())])
        }),
        Action::Delete(name) => Operation::Delete(testing::delete(key([*name]))),
    }
}

fn stored(store: &Store) -> Model {
    let mut model = Model::default();
    leases::scan(&store.engine, LeaseId(0), &mut |lease, _| {
        model.leases.push(lease.0);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    let view = store.engine.view();
    for found in Reader::new(&*view).range(&range(all())).unwrap().unwrap().records {
        model.keys.insert(found.key[0], found.record.lease.map(|lease| lease.0));
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_history_leaves_what_the_model_has(steps in prop::collection::vec(step(), 1..40)) {
        let mut store = Store::new();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Transact(actions) => {
                    let mut after = model.clone();
                    let mut written = Vec::new();
                    let done = actions.iter().try_for_each(|action| after.act(action, &mut written).ok_or(()));
                    let operations = actions.iter().map(operation).collect();
                    let reply = store.apply_one(Command::Transaction(transaction(operations)));
                    prop_assert_eq!(done.is_ok(), matches!(reply, Reply::Transaction(_)), "{:?}: {:?}", actions, reply);
                    if done.is_ok() {
                        model = after;
                    }
                }
                Step::Expire(ended) => {
                    let before = store.state.revision().0;
                    let ends = ended.iter().filter_map(|lease| model.end(*lease)).count() as u64;
                    store.apply_one(testing::expire_leases(ended));
                    prop_assert_eq!(store.state.revision().0, before + ends, "one revision for each lease");
                }
                Step::Restart => store = store.reopen(),
            }
            model.leases.sort_unstable();
            prop_assert_eq!(&stored(&store), &model);
            check_rules(&store);
        }
    }
}
