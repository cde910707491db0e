use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;

use super::*;
use crate::journal::Answer;
use crate::watch_check::{Event, KeyEvent, KeyKind, Names, Space, Start, Told, Wanted};
use crate::workloads::fake::{FakeStore, assert_illegal, operation, verdict};

fn put() -> WatchesCall {
    WatchesCall::Put {
        key: "watches/a".to_owned(),
        value: "1".to_owned(),
    }
}

fn written(revision: u64) -> Answer<WatchesAnswer> {
    Answer::Done(WatchesAnswer::Written { revision })
}

fn watch() -> WatchesCall {
    WatchesCall::Watch {
        asked: Asked {
            wanted: vec![Wanted {
                space: Space::Keys("default".to_owned()),
                names: Names::Prefix(Bytes::from_static(b"watches/")),
            }],
            puts: true,
            deletes: true,
            previous: false,
            keys_only: false,
        },
    }
}

fn event(revision: u64, value: &'static str) -> Told {
    let (create_revision, version) = (2, revision - 1);
    Told::Events {
        revision,
        events: vec![Event::Key(KeyEvent {
            domain: "default".to_owned(),
            kind: KeyKind::Put,
            record: v1::Record {
                key: Bytes::from_static(b"watches/a"),
                value: Bytes::from_static(value.as_bytes()),
                create_revision,
                mod_revision: revision,
                version,
                ..v1::Record::default()
            },
            previous: None,
        })],
        more: false,
    }
}

fn told(events: Vec<Told>, due: u64) -> Answer<WatchesAnswer> {
    let mut told = vec![Told::Created {
        revision: 1,
        at: Duration::from_micros(2),
    }];
    told.extend(events);
    Answer::Done(WatchesAnswer::Told {
        incarnations: vec![Incarnation {
            start: Start::From(2),
            asked: Duration::from_micros(1),
            told,
        }],
        due,
    })
}

fn store() -> FakeStore {
    let mut store = FakeStore::default();
    store.write(&[("watches/a", Some("1"))]);
    store.write(&[("watches/a", Some("2"))]);
    store
}

fn right() -> Vec<Operation<WatchesCall, WatchesAnswer>> {
    vec![
        operation(3, 9, put(), written(2)),
        operation(10, 19, put(), written(3)),
        operation(20, 29, put(), Answer::Unknown),
        operation(1, 39, watch(), told(vec![event(2, "1"), event(3, "2")], 3)),
    ]
}

#[test]
fn a_right_history_is_explained() {
    let verdict = verdict::<Watches>(&right(), &store());
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn what_a_watcher_was_told_is_read_again_from_a_file() {
    let Answer::Done(answer) = right().remove(3).answer else {
        panic!()
    };
    let line = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<WatchesAnswer>(&line).unwrap(), answer, "{line}");
    let line = serde_json::to_string(&watch()).unwrap();
    assert_eq!(serde_json::from_str::<WatchesCall>(&line).unwrap(), watch(), "{line}");
}

#[test]
fn each_wrong_answer_is_found() {
    let wrong: [(Answer<WatchesAnswer>, &str); 4] = [
        (told(vec![event(2, "1")], 3), "3"),
        (told(vec![event(3, "2"), event(2, "1")], 3), "revision"),
        (told(vec![event(2, "1"), event(3, "1")], 3), "3"),
        (told(vec![event(2, "1"), event(2, "1"), event(3, "2")], 3), "2"),
    ];
    for (answer, words) in wrong {
        let mut operations = right();
        operations[3].answer = answer;
        assert_illegal(&verdict::<Watches>(&operations, &store()), words);
    }
    let mut lost = right();
    lost[1].answer = written(7);
    assert_illegal(&verdict::<Watches>(&lost, &store()), "revision 7 was acknowledged");
}
