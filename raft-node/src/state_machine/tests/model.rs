//! Random histories, applied to the store and to a model of full copies.

use proptest::prelude::*;

use super::model_store::{Model, everything};
use crate::mvcc::{Delete, Put, Range, Selector, SortTarget};
use crate::state_machine::testing::{self, Store};
use crate::state_machine::{
    Cleaner, Command, Compare, CompareOperand, CompareOperator, Operation, Reader, Reply, Transaction,
};
use crate::storage::Engine;
use crate::types::{LeaseId, Revision};

#[derive(Clone, Debug)]
enum Step {
    Transact(Transaction),
    Expire(u32),
    Wait(u64),
    /// A revision as a share of those there are, in percent; over 100 is in the future.
    Compact(u64),
    Clean(usize),
    Restart,
    Read(Range, Option<u64>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    const KEYS: [&str; 10] = ["a", "a\0", "a\0b", "ab", "a/b", "a/b/c", "a/c", "b", "b/c", "\u{7f}"];
    prop::sample::select(KEYS.as_slice()).prop_map(|key| key.as_bytes().to_vec())
}

fn tag() -> impl Strategy<Value = String> {
    prop::sample::select(["t", "t\0", "u"].as_slice()).prop_map(str::to_owned)
}

fn selector() -> impl Strategy<Value = Selector> {
    let pattern = prop::sample::select(["a/*", "a/**", "*", "**", "a*", "b", "**/c"].as_slice());
    prop_oneof![
        4 => key().prop_map(Selector::Key),
        2 => key().prop_map(Selector::Prefix),
        1 => Just(everything()),
        1 => (key(), key()).prop_map(|(start, end)| Selector::Interval { start, end }),
        1 => key().prop_map(|start| Selector::Interval { start, end: Vec::new() }),
        2 => pattern.prop_map(|pattern| Selector::Pattern(pattern.to_owned())),
    ]
}

prop_compose! {
    fn put()(
        key in key(),
        value in prop::collection::vec(any::<u8>(), 0..20),
        lease in prop::option::of(1..4_u64),
        ttl_ms in prop::option::weighted(0.3, 0..30_u64),
        tags in prop::collection::btree_set(tag(), 0..3),
        previous in any::<bool>(),
    ) -> Put {
        let domain = "default".to_owned();
        Put { domain, key, value, lease: lease.map(LeaseId), ttl_ms, tags: tags.into_iter().collect(), previous }
    }
}

fn bounds() -> impl Strategy<Value = (Option<Revision>, Option<Revision>)> {
    let bound = || prop::option::weighted(0.2, (0..40_u64).prop_map(Revision));
    (bound(), bound())
}

prop_compose! {
    fn range()(
        keys in selector(),
        limit in prop_oneof![1..4_u64, Just(u64::MAX)],
        bytes_max in prop_oneof![0..60_u64, Just(u64::MAX)],
        keys_only in any::<bool>(),
        count_only in prop::bool::weighted(0.2),
        sort in prop::sample::select([
            SortTarget::Key, SortTarget::Key, SortTarget::Version, SortTarget::CreateRevision,
            SortTarget::ModRevision, SortTarget::Value,
        ].as_slice()),
        descending in any::<bool>(),
        mod_revision in bounds(),
        create_revision in bounds(),
        tag in prop::option::weighted(0.3, tag()),
        after in prop::option::weighted(0.3, key()),
    ) -> Range {
        Range {
            domain: "default".to_owned(), keys, revision: None, limit, bytes_max, keys_only, count_only, sort,
            descending, mod_revision, create_revision, tag, after,
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => put().prop_map(Operation::Put),
        2 => (selector(), any::<bool>()).prop_map(|(keys, previous)| {
            Operation::Delete(Delete { domain: "default".to_owned(), keys, previous })
        }),
        1 => range().prop_map(Operation::Range),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    use CompareOperator::{Equal, Greater, Less, NotEqual};
    let operand = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2).prop_map(CompareOperand::Value),
        (0..4_u64).prop_map(CompareOperand::Version),
        (0..20_u64).prop_map(CompareOperand::CreateRevision),
        (0..20_u64).prop_map(CompareOperand::ModRevision),
        (0..3_u64).prop_map(CompareOperand::Lease),
    ];
    let operator = prop::sample::select([Equal, NotEqual, Greater, Less].as_slice());
    (key(), operator, operand).prop_map(|(key, operator, operand)| testing::compare(key, operator, operand))
}

prop_compose! {
    fn transaction()(
        compares in prop::collection::vec(compare(), 0..3),
        then in prop::collection::vec(operation(), 0..5),
        otherwise in prop::collection::vec(operation(), 0..3),
    ) -> Transaction {
        Transaction { stamp: None, compares, then, otherwise }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => transaction().prop_map(Step::Transact),
        2 => (1..4_u32).prop_map(Step::Expire),
        2 => (1..20_u64).prop_map(Step::Wait),
        1 => (0..120_u64).prop_map(Step::Compact),
        1 => (0..10_usize).prop_map(Step::Clean),
        1 => Just(Step::Restart),
        6 => (range(), prop::option::of(0..120_u64)).prop_map(|(range, at)| Step::Read(range, at)),
    ]
}

fn share(model: &Model, percent: u64) -> Revision {
    Revision(model.revision().0 * percent / 100)
}

fn read(store: &Store, model: &Model, range: &Range) {
    let view = store.engine.view();
    let reader = Reader::new(&*view);
    assert_eq!(reader.range(range).unwrap(), model.range(range), "{range:?}");
    assert_eq!(reader.header().unwrap().revision, model.revision());
}

fn apply(store: &mut Store, model: &mut Model, command: Command) {
    let expected = match &command {
        Command::Transaction(command) => model.transact(command),
        Command::ExpireKeys(command) => model.expire(command.keys_max),
        Command::Compact(command) => model.compact(command.revision.0),
        other => panic!("{other:?}"),
    };
    store.now = model.now;
    assert_eq!(store.apply_one(command), expected);
}

fn run(steps: Vec<Step>) {
    let mut store = Store::new();
    let mut model = Model::new();
    // Those that puts attach keys to; the grants make a revision that touches no key.
    let grants = (1..4)
        .map(|lease| Operation::Lease(testing::grant(lease, 1000)))
        .collect();
    store.transact(testing::transaction(grants));
    model.make_revision();
    for step in steps {
        match step {
            Step::Transact(command) => apply(&mut store, &mut model, Command::Transaction(command)),
            Step::Expire(keys_max) => apply(&mut store, &mut model, testing::expire_keys(keys_max)),
            Step::Compact(percent) => {
                let revision = share(&model, percent).0;
                apply(&mut store, &mut model, testing::compact(revision));
            }
            Step::Wait(ms) => model.now += ms,
            Step::Clean(revisions) => {
                Cleaner.step(&store.engine, revisions).unwrap();
            }
            Step::Restart => store = store.reopen(),
            Step::Read(mut range, at) => {
                range.revision = at.map(|percent| share(&model, percent));
                read(&store, &model, &range);
            }
        }
    }
    check_all(&store, &model);
    while Cleaner.step(&store.engine, 3).unwrap() > 0 {}
    check_all(&store, &model);
}

/// Every key at every revision, readable or not, and the rules that tie the tables together.
fn check_all(store: &Store, model: &Model) {
    let view = store.engine.view();
    let reader = Reader::new(&*view);
    let touched: std::collections::BTreeSet<_> = model.copies.iter().flat_map(|copy| copy.keys()).collect();
    for revision in 0..=model.revision().0 + 1 {
        let mut range = testing::range(everything());
        range.revision = Some(Revision(revision));
        read(store, model, &range);
        if (model.compacted..=model.revision().0).contains(&revision) {
            for key in &touched {
                let found = reader.get("default", key, Some(Revision(revision))).unwrap().unwrap();
                assert_eq!(
                    found.as_ref(),
                    model.copies[usize::try_from(revision).unwrap()].get(*key)
                );
            }
        }
    }
    testing::check_rules(store);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_history_reads_as_a_model_of_full_copies(steps in prop::collection::vec(step(), 1..150)) {
        run(steps);
    }
}

#[test]
fn the_model_refuses_a_second_write_of_a_key() {
    let mut model = Model::new();
    let twice = vec![
        Operation::Put(testing::put("a", "1")),
        Operation::Put(testing::put("a", "2")),
    ];
    assert!(matches!(
        model.transact(&testing::transaction(twice)),
        Reply::Rejected { .. }
    ));
    assert_eq!(model.revision(), Revision::EMPTY);
}
