//! The same log makes the same state, however it is cut in calls and wherever a member restarts.

use std::sync::Arc;

use proptest::prelude::*;

use crate::mvcc::{Put, Selector};
use crate::state_machine::testing::{self, Store, entry, group, put, register, stamped};
use crate::state_machine::{
    AppliedEntry, Command, EntryPayload, GROUP_COMMANDS_MAX, GroupReply, Operation, Reply, RunTimers, State,
};
use crate::storage::{Engine, RocksEngine, RocksOptions, Table};
use crate::types::ClientId;

/// The client that the first entry registers.
const CLIENT: ClientId = ClientId(GROUP_COMMANDS_MAX);

fn some_put() -> impl Strategy<Value = Put> {
    (
        0..12_u8,
        any::<u16>(),
        prop::option::weighted(0.3, 0..20_u64),
        any::<bool>(),
    )
        .prop_map(|(key, value, ttl_ms, tagged)| Put {
            ttl_ms,
            tags: if tagged { vec!["tag".to_owned()] } else { Vec::new() },
            ..put([b'k', key], value.to_be_bytes())
        })
}

fn some_command() -> impl Strategy<Value = Command> {
    let two = (some_put(), some_put(), 0..12_u8).prop_map(|(first, second, key)| {
        let delete = testing::delete(Selector::Prefix(vec![b'k', key]));
        let operations = vec![Operation::Put(first), Operation::Put(second), Operation::Delete(delete)];
        Command::Transaction(testing::transaction(operations))
    });
    prop_oneof![
        4 => (some_put(), 1..40_u64, 0..30_u64).prop_map(|(put, sequence, mark)| stamped(CLIENT, sequence, mark, put)),
        2 => some_put().prop_map(testing::put_command),
        3 => two,
        6 => prop::collection::vec(super::coordination::some_operation(), 1..4)
            .prop_map(|operations| Command::Transaction(testing::transaction(operations))),
        1 => prop::collection::vec(1..4_u64, 1..3).prop_map(testing::expire_leases),
        1 => (1..4_u32).prop_map(|timers_max| Command::RunTimers(RunTimers { timers_max })),
        2 => super::domains_model::some_command(),
        1 => some_put().prop_map(|put| testing::put_command(Put { domain: "orders".to_owned(), ..put })),
        1 => Just(register("another")),
        1 => (1..4_u32).prop_map(testing::expire_keys),
        1 => (0..40_u64).prop_map(|idle_since| testing::expire_clients(idle_since, 2)),
        1 => (0..60_u64).prop_map(testing::compact),
    ]
}

fn some_log() -> impl Strategy<Value = Vec<AppliedEntry>> {
    let commands = prop::collection::vec(some_command(), 1..6);
    prop::collection::vec(prop_oneof![8 => commands, 1 => Just(Vec::new())], 1..40).prop_map(|groups| {
        let mut log = vec![entry(1, EntryPayload::Group(group(0, &[register("client")])))];
        for (commands, index) in groups.iter().zip(2..) {
            let payload = match (commands.is_empty(), index % 2) {
                (true, 0) => EntryPayload::Blank,
                (true, _) => EntryPayload::Membership(vec![1, 2, 3]),
                (false, _) => EntryPayload::Group(group(index, commands)),
            };
            log.push(entry(index, payload));
        }
        log
    })
}

fn apply_in_slices(log: &[AppliedEntry], slice: usize, restarts: bool) -> (Store, Vec<GroupReply>) {
    let mut store = Store::new();
    let mut replies = Vec::new();
    for entries in log.chunks(slice) {
        replies.extend(store.state.apply(entries).unwrap());
        if restarts {
            store = store.reopen();
        }
    }
    (store, replies)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_size_of_slices_and_restarts_leave_no_trace(log in some_log(), slice in 1..12_usize, other in 1..12_usize) {
        let (one, answers) = apply_in_slices(&log, slice, false);
        let (two, same_answers) = apply_in_slices(&log, other, true);
        prop_assert_eq!(answers, same_answers);
        prop_assert_eq!(one.state.hash(), two.state.hash());
        prop_assert_eq!(one.dump(), two.dump());
        testing::check_rules(&two);
    }

    #[test]
    fn a_crash_leaves_a_prefix_from_which_the_log_leads_to_the_same_state(log in some_log(), kept in 0..40_usize) {
        let (whole, _) = apply_in_slices(&log, 1, false);
        let (crashed, _) = apply_in_slices(&log, 1, false);
        crashed.engine.crash_keeping(kept);
        let mut again = crashed.reopen();
        let from = usize::try_from(again.state.applied().map_or(0, |position| position.index)).unwrap();
        prop_assert_eq!(from, kept.min(log.len()));
        again.state.apply(&log[from..]).unwrap();
        prop_assert_eq!(again.state.hash(), whole.state.hash());
        prop_assert_eq!(again.dump(), whole.dump());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn the_engine_on_disk_ends_with_the_same_rows(log in some_log()) {
        let directory = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(directory.path(), RocksOptions::default()).unwrap();
        let engine: Arc<dyn Engine> = Arc::new(engine);
        for entries in log.chunks(7) {
            State::open(Arc::clone(&engine)).unwrap().apply(entries).unwrap();
        }
        let (in_memory, _) = apply_in_slices(&log, 7, false);
        prop_assert_eq!(testing::dump(&*engine), in_memory.dump());
    }
}

#[test]
fn a_refused_transaction_leaves_no_trace_in_the_hash() {
    let mut store = Store::new();
    store.apply_one(testing::put_command(put("a", "1")));
    let before = (store.state.hash(), store.state.revision());
    let then = vec![
        Operation::Put(Put {
            ttl_ms: Some(5),
            tags: vec!["t".to_owned()],
            ..put("b", "1")
        }),
        Operation::Delete(testing::delete(testing::key("a"))),
        Operation::Put(put("b", "2")),
    ];
    let reply = store.apply_one(Command::Transaction(testing::transaction(then)));
    assert!(matches!(reply, Reply::Rejected { .. }));
    assert_eq!((store.state.hash(), store.state.revision()), before);
    let data = |store: &Store| {
        store
            .dump()
            .into_iter()
            .filter(|row| row.0 != Table::Meta)
            .collect::<Vec<_>>()
    };
    let mut other = Store::new();
    other.apply_one(testing::put_command(put("a", "1")));
    assert_eq!(data(&store), data(&other));
}

#[test]
fn log_time_never_runs_backwards() {
    let mut store = Store::new();
    store.now = 100;
    store.apply_one(testing::put_command(put("a", "1")));
    store.now = 40;
    store.apply_one(testing::put_command(Put {
        ttl_ms: Some(1),
        ..put("b", "1")
    }));
    assert_eq!(store.state.log_time().0, 100);
    assert_eq!(store.state.next_key_expiry().unwrap().unwrap().0, 101);
    assert!(!store.state.has_expired_keys(store.state.log_time()).unwrap());
}
