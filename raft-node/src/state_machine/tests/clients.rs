//! Retries apply once.

use proptest::prelude::*;

use crate::state_machine::testing::{self, Store, expire_clients, put, register, stamped};
use crate::state_machine::{
    ANSWER_BYTES_MAX, CLIENTS_MAX, Command, GROUP_COMMANDS_MAX, Operation, Reply, Stamp, Transaction, UNANSWERED_MAX,
};
use crate::storage::Table;
use crate::types::{ClientId, LogTimeMs, Rejection, Revision};

fn rejection(reply: Reply) -> Rejection {
    match reply {
        Reply::Rejected { rejection, .. } => rejection,
        other => panic!("{other:?}"),
    }
}

/// An increment in effect: applied twice, the key's version would tell.
fn once(client: ClientId, sequence: u64, mark: u64) -> Command {
    stamped(client, sequence, mark, put(format!("key{sequence}"), "value"))
}

fn answer_rows(store: &Store) -> usize {
    store
        .dump()
        .iter()
        .filter(|(table, key, _)| *table == Table::Clients && key.len() == 19)
        .count()
}

#[test]
fn client_ids_are_made_of_the_log_index_and_the_place_in_the_group() {
    let mut store = Store::new();
    let replies = store.apply(&[register("a"), register("b")]);
    let ids: Vec<_> = replies
        .into_iter()
        .map(|reply| match reply {
            Reply::ClientRegistered { client, revision } => (client.0, revision),
            other => panic!("{other:?}"),
        })
        .collect();
    let first = GROUP_COMMANDS_MAX;
    assert_eq!(ids, [(first, Revision::EMPTY), (first + 1, Revision::EMPTY)]);
    assert_eq!(store.state.clients_len(), 2);
}

#[test]
fn a_retry_is_answered_alike_and_applied_once_also_after_a_restart() {
    let mut store = Store::new();
    let client = store.register();
    let first = store.apply_one(once(client, 1, 0));
    let in_one_group = store.apply(&[once(client, 2, 0), once(client, 2, 0)]);
    assert_eq!(in_one_group[0], in_one_group[1]);
    assert_eq!(store.apply_one(once(client, 1, 0)), first);
    let mut store = store.reopen();
    assert_eq!(store.apply_one(once(client, 1, 0)), first);
    assert_eq!(store.apply_one(once(client, 2, 0)), in_one_group[0]);
    assert_eq!(store.state.revision(), Revision(3));
}

#[test]
fn a_refusal_is_answered_alike_although_it_would_be_granted_now() {
    let mut store = Store::new();
    let client = store.register();
    let twice = |key: &str| vec![Operation::Put(put("a", "1")), Operation::Put(put(key, "2"))];
    let stamped = |then| {
        let mut transaction = testing::transaction(then);
        transaction.stamp = Some(Stamp {
            client,
            sequence: 1,
            answered_up_to: 0,
        });
        Command::Transaction(transaction)
    };
    let refused = store.apply_one(stamped(twice("a")));
    assert!(matches!(
        &refused,
        Reply::Rejected {
            rejection: Rejection::DuplicateKey { operation: 1, .. },
            ..
        }
    ));
    let mut store = store.reopen();
    assert_eq!(store.apply_one(stamped(twice("b"))), refused);
    assert_eq!(store.state.revision(), Revision::EMPTY);
}

#[test]
fn an_acknowledged_answer_is_forgotten_and_never_applied_again() {
    let mut store = Store::new();
    let client = store.register();
    store.apply_one(once(client, 1, 0));
    store.apply_one(once(client, 2, 1));
    let late = rejection(store.apply_one(once(client, 1, 0)));
    assert_eq!(late, Rejection::AnswerForgotten { client, sequence: 1 });
    let mut store = store.reopen();
    assert_eq!(rejection(store.apply_one(once(client, 1, 0))), late);
    let never_used = rejection(store.apply_one(once(client, 0, 0)));
    assert_eq!(never_used, Rejection::AnswerForgotten { client, sequence: 0 });
    assert_eq!(store.state.revision(), Revision(3));
}

#[test]
fn a_late_message_does_not_lower_the_mark() {
    let mut store = Store::new();
    let client = store.register();
    store.apply(&[once(client, 5, 0), once(client, 6, 5), once(client, 7, 2)]);
    assert!(matches!(
        rejection(store.apply_one(once(client, 5, 0))),
        Rejection::AnswerForgotten { sequence: 5, .. }
    ));
}

#[test]
fn a_row_of_answers_goes_when_its_last_answer_is_acknowledged() {
    let mut store = Store::new();
    let client = store.register();
    store.apply(&[once(client, 1, 0), once(client, 3, 0)]);
    store.apply(&[once(client, 2, 0)]);
    assert_eq!(answer_rows(&store), 2);
    let mut store = store.reopen();
    store.apply_one(once(client, 4, 2));
    assert_eq!(
        answer_rows(&store),
        2,
        "of 1 and 3, which stays for the sake of 3, and of 4"
    );
    store.apply(&[once(client, 5, 4), once(client, 6, 6)]);
    assert_eq!(
        answer_rows(&store),
        0,
        "an answer that is acknowledged within its group is not stored"
    );
}

#[test]
fn an_unknown_client_is_refused_and_not_made() {
    let mut store = Store::new();
    let client = ClientId(77);
    assert_eq!(
        rejection(store.apply_one(once(client, 1, 0))),
        Rejection::ClientExpired { client }
    );
    assert_eq!(
        (store.state.clients_len(), store.state.revision()),
        (0, Revision::EMPTY)
    );
}

#[test]
fn too_many_unanswered_calls_are_refused_until_some_are_acknowledged() {
    let mut store = Store::new();
    let client = store.register();
    let many: Vec<_> = (1..=UNANSWERED_MAX).map(|sequence| once(client, sequence, 0)).collect();
    store.apply(&many);
    let next = UNANSWERED_MAX + 1;
    let refused = rejection(store.apply_one(once(client, next, 0)));
    assert!(matches!(
        refused,
        Rejection::TooManyUnanswered {
            unanswered_max: UNANSWERED_MAX,
            ..
        }
    ));
    assert!(
        matches!(store.apply_one(once(client, 1, 0)), Reply::Transaction(_)),
        "a retry is answered still"
    );
    assert!(
        matches!(store.apply_one(once(client, next, 1)), Reply::Transaction(_)),
        "the refusal was not kept"
    );
}

#[test]
fn answers_of_many_bytes_are_refused_until_some_are_acknowledged() {
    let mut store = Store::new();
    let client = store.register();
    let value = vec![0; 1 << 20];
    let previous = |sequence, mark| {
        let mut put = put("big", &value);
        put.previous = true;
        stamped(client, sequence, mark, put)
    };
    let mut sequence = 0;
    let mut kept = 0;
    while kept < ANSWER_BYTES_MAX {
        sequence += 1;
        assert!(matches!(store.apply_one(previous(sequence, 0)), Reply::Transaction(_)));
        kept += if sequence == 1 { 0 } else { 1 << 20 };
    }
    assert!(matches!(
        rejection(store.apply_one(previous(100, 0))),
        Rejection::TooManyUnanswered { .. }
    ));
    let mut store = store.reopen();
    assert!(matches!(
        rejection(store.apply_one(previous(100, 0))),
        Rejection::TooManyUnanswered { .. }
    ));
    assert!(matches!(store.apply_one(previous(100, 2)), Reply::Transaction(_)));
}

#[test]
fn idle_clients_go_and_the_others_stay() {
    let mut store = Store::new();
    let idle = store.register();
    let busy = store.register();
    store.apply_one(once(idle, 1, 0));
    store.now = 50;
    store.apply_one(once(busy, 1, 0));
    assert_eq!(store.state.idle_clients(LogTimeMs(50)), 1);
    assert_eq!(store.state.published().load().longest_idle_client, Some(LogTimeMs(0)));
    let mut store = store.reopen();
    assert!(matches!(
        store.apply_one(expire_clients(50, 10)),
        Reply::Done { removed: 1, .. }
    ));
    assert_eq!(
        rejection(store.apply_one(once(idle, 1, 0))),
        Rejection::ClientExpired { client: idle }
    );
    assert!(matches!(store.apply_one(once(busy, 1, 0)), Reply::Transaction(_)));
    assert_eq!(answer_rows(&store), 1, "the answers of the client that went are gone");
    assert_eq!(store.state.published().load().longest_idle_client, Some(LogTimeMs(50)));
}

#[test]
fn a_client_that_came_back_before_the_expiry_was_applied_stays() {
    let mut store = Store::new();
    let client = store.register();
    store.now = 100;
    let replies = store.apply(&[
        once(client, 1, 0),
        expire_clients(100, 10),
        expire_clients(u64::MAX, 10),
    ]);
    assert!(
        replies[1..]
            .iter()
            .all(|reply| matches!(reply, Reply::Done { removed: 0, .. })),
        "{replies:?}"
    );
    assert!(matches!(store.apply_one(once(client, 2, 1)), Reply::Transaction(_)));
}

#[test]
fn more_clients_than_the_limit_are_refused() {
    let mut store = Store::new();
    let many: Vec<_> = (0..GROUP_COMMANDS_MAX).map(|_| register("")).collect();
    for _ in 0..CLIENTS_MAX / GROUP_COMMANDS_MAX {
        store.apply(&many);
    }
    let refused = rejection(store.apply_one(register("one more")));
    assert_eq!(
        refused,
        Rejection::TooManyClients {
            clients_max: CLIENTS_MAX
        }
    );
    store.now = 10;
    assert!(matches!(
        store.apply_one(expire_clients(10, 3)),
        Reply::Done { removed: 3, .. }
    ));
    assert!(matches!(
        store.apply_one(register("one more")),
        Reply::ClientRegistered { .. }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// 300 calls without mutual order, each sent up to three times, in groups of any size, with restarts between.
    #[test]
    fn outstanding_calls_in_any_order_apply_once_each(
        order in Just((1..=300_u64).chain(1..=300).chain(1..=300).collect::<Vec<_>>()).prop_shuffle(),
        group_len in 1..40_usize,
    ) {
        let mut store = Store::new();
        let client = store.register();
        let mut answers = std::collections::BTreeMap::new();
        for (number, sequences) in order.chunks(group_len).enumerate() {
            let commands: Vec<_> = sequences.iter().map(|sequence| once(client, *sequence, 0)).collect();
            for (sequence, reply) in sequences.iter().zip(store.apply(&commands)) {
                let first = answers.entry(*sequence).or_insert_with(|| reply.clone());
                prop_assert_eq!(&*first, &reply);
            }
            if number % 7 == 3 {
                store = store.reopen();
            }
        }
        prop_assert_eq!(store.state.revision(), Revision(301));
    }
}

#[test]
fn a_mutation_without_a_stamp_is_applied_each_time() {
    let mut store = Store::new();
    let plain = || Transaction {
        stamp: None,
        ..testing::transaction(vec![Operation::Put(put("a", "1"))])
    };
    assert_eq!(store.transact(plain()).revision, Revision(2));
    assert_eq!(store.transact(plain()).revision, Revision(3));
}
