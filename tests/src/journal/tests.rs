use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use serde::{Deserialize, Serialize};

use super::*;
use crate::HarnessError;
use crate::verdict::Verdict;
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth};
use crate::workloads::{Facts, Ground, Workload};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shout {
    words: Text,
}

struct Echo;

impl Workload for Echo {
    const NAME: &'static str = "echo";
    const KINDS: &'static [&'static str] = &["shout"];
    type Call = Shout;
    type Answer = u64;

    async fn run(_ground: Ground) -> Result<(), HarnessError> {
        Ok(())
    }

    fn kind(_call: &Shout) -> &'static str {
        "shout"
    }

    fn check(_operations: &[Operation<Shout, u64>], _truth: &Truth, _facts: &Facts<'_>) -> Verdict {
        Verdict::Ok(String::new())
    }
}

fn operations() -> Vec<Operation<Shout, u64>> {
    let answers = [Answer::Done(7), Answer::NotDone, Answer::Unknown];
    let operation = |(number, answer): (u64, Answer<u64>)| Operation {
        client: number,
        invoked: Duration::from_micros(10 * number),
        returned: Duration::from_micros(10 * number + 5),
        call: Shout {
            words: Text(Bytes::from_static(
                [b"plain".as_slice(), b"\xff\x00", b"hex:00"][number as usize],
            )),
        },
        answer,
    };
    (0..).zip(answers).map(operation).collect()
}

fn put(key: &'static str, value: &'static str, revision: u64, previous: Option<v1::Record>) -> Event {
    let (create_revision, version) = previous
        .as_ref()
        .map_or((revision, 1), |before| (before.create_revision, before.version + 1));
    Event::Key(KeyEvent {
        domain: "default".to_owned(),
        kind: KeyKind::Put,
        record: v1::Record {
            key: Bytes::from(key),
            value: Bytes::from(value),
            create_revision,
            mod_revision: revision,
            version,
            lease: 9,
            tags: vec!["tag".to_owned()],
            ..v1::Record::default()
        },
        previous,
    })
}

fn record(event: &Event) -> Option<v1::Record> {
    match event {
        Event::Key(event) => Some(event.record.clone()),
        Event::Other(_) => None,
    }
}

fn truth() -> Truth {
    let first = put("k", "1", 2, None);
    let second = put("k", "2", 3, record(&first));
    let lock = Event::Other(OtherEvent {
        space: Space::Locks,
        name: Bytes::from("l"),
        what: Some(v1::watch_event::Event::Lock(v1::LockEvent {
            lock: "l".to_owned(),
            ..v1::LockEvent::default()
        })),
    });
    let gone = Event::Key(KeyEvent {
        domain: "default".to_owned(),
        kind: KeyKind::Expire,
        record: v1::Record {
            key: Bytes::from("k"),
            mod_revision: 4,
            ..v1::Record::default()
        },
        previous: record(&second),
    });
    let mut truth = Truth::default();
    for (revision, events) in [(2, vec![first]), (3, vec![second, lock]), (4, vec![gone])] {
        truth.push(revision, events).unwrap();
    }
    truth
}

fn written(path: &std::path::Path) -> (Header, Fault) {
    let header = Header {
        journal: Header::FORMAT,
        seed: 42,
        workloads: vec!["echo".to_owned()],
        ..Header::default()
    };
    let fault = Fault {
        fault: "kill".to_owned(),
        victims: vec![2],
        leader_hit: true,
        began_us: 3,
        ended_us: 9,
        evidence: "its process has ended".to_owned(),
    };
    let journal = Journal::create(path, &header).unwrap();
    for operation in operations() {
        journal.record::<Echo>(&operation);
    }
    journal.fault(&fault);
    assert_eq!(journal.counts()["echo"].kinds["shout"], 1);
    assert_eq!((journal.operations(), journal.answered_by_majority()), (3, 1));
    let end = End {
        revision: 4,
        ..End::default()
    };
    journal.finish(&truth(), end).unwrap();
    (header, fault)
}

#[test]
fn what_was_written_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let (header, fault) = written(&path);
    let read = JournalFile::open(&path).unwrap();
    assert_eq!((&read.header, &read.faults), (&header, &vec![fault]));
    assert_eq!(read.operations::<Shout, u64>("echo").unwrap(), operations());
    assert_eq!(read.operations::<Shout, u64>("ech").unwrap(), []);
    let truth = truth();
    assert_eq!((read.truth.last(), read.end.operations), (4, 3));
    for revision in 2..=4 {
        assert_eq!(read.truth.events(revision), truth.events(revision));
    }
}

#[test]
fn a_journal_that_lacks_something_is_refused_and_the_line_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    written(&path);
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |missing: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != missing);
        let text: String = kept.map(|(_, line)| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        JournalFile::open(&path).map(drop).unwrap_err().to_string()
    };
    let no_end = without(lines.len() - 1);
    assert!(no_end.contains("there is no end"), "{no_end}");
    let no_operation = without(2);
    assert!(no_operation.contains("2 operations"), "{no_operation}");
    let no_revision = without(6);
    assert!(no_revision.contains("revision 4 after 2"), "{no_revision}");
    let no_header = without(0);
    assert!(no_header.contains("line 1:"), "{no_header}");
}
