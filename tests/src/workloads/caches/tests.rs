use super::*;
use crate::journal::Answer;
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn at(key: &str) -> CachedKey {
    CachedKey {
        domain: PLAIN.to_owned(),
        key: key.to_owned(),
    }
}

fn put(key: &str) -> CachesCall {
    CachesCall::Put {
        coherence: Coherence::Eventual,
        at: vec![at(key)],
        value: "v".to_owned(),
    }
}

fn read(asked: Asked) -> CachesCall {
    CachesCall::Read {
        coherence: Coherence::Eventual,
        at: at("caches/1"),
        asked,
    }
}

const BOUND: Asked = Asked::Bounded(Duration::from_micros(10));

fn written(revision: u64) -> Answer<CachesAnswer> {
    Answer::Done(CachesAnswer::Written { revision })
}

fn seen(source: Source, revision: u64, record: Option<(u64, &'static str)>) -> Answer<CachesAnswer> {
    Answer::Done(CachesAnswer::Seen {
        source,
        revision,
        record: record.map(|(revision, value)| (revision, Text(value.into()))),
        staleness: Some(Duration::from_micros(10)),
    })
}

/// Who has not written what it reads.
fn by_another(operation: Operation<CachesCall, CachesAnswer>) -> Operation<CachesCall, CachesAnswer> {
    Operation { client: 2, ..operation }
}

fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[("caches/1", Some("a"))]);
    store.write(&[("caches/1", Some("b"))]);
    store
}

fn right() -> Vec<Operation<CachesCall, CachesAnswer>> {
    vec![
        operation(0, 9, put("caches/1"), written(2)),
        operation(10, 19, read(Asked::Strong), seen(Source::Leader, 2, Some((2, "a")))),
        operation(20, 29, put("caches/1"), written(3)),
        by_another(operation(35, 36, read(BOUND), seen(Source::Cache, 2, Some((2, "a"))))),
        by_another(operation(40, 41, read(BOUND), seen(Source::Cache, 3, Some((3, "b"))))),
        operation(
            42,
            43,
            read(Asked::CacheOnly(None)),
            Answer::Done(CachesAnswer::NotCached),
        ),
        operation(44, 45, read(Asked::Strong), Answer::NotDone),
        operation(46, 47, read(BOUND), seen(Source::Replica, 3, Some((3, "b")))),
    ]
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict::<Caches>(&right(), &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn each_wrong_answer_is_found() {
    type Change = fn(&mut Vec<Operation<CachesCall, CachesAnswer>>);
    let wrong: [(Change, &str); 4] = [
        (|all| all[4].answer = seen(Source::Cache, 3, Some((2, "a"))), "Real"),
        (|all| all[4].answer = seen(Source::Cache, 2, Some((2, "a"))), "Bounded"),
        (|all| all[1].answer = seen(Source::Cache, 2, Some((2, "a"))), "Source"),
        (
            |all| {
                all.push(operation(
                    50,
                    59,
                    read(Asked::Strong),
                    seen(Source::Leader, 2, Some((2, "a"))),
                ))
            },
            "Strong",
        ),
    ];
    for (change, words) in wrong {
        let mut operations = right();
        change(&mut operations);
        assert_illegal(&verdict::<Caches>(&operations, &store()), words);
    }
}

#[test]
fn caches_that_answered_nothing_give_no_verdict() {
    let verdict = verdict::<Caches>(&right()[..3], &store());
    assert_eq!(verdict.name(), "unknown");
}
