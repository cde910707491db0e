//! The bytes of every command, reply and stored row. A failure here means that a format has changed: give the record a
//! new id or version instead, and add to these.

use std::fmt::Write as _;

use crate::codec::{self, Record as _};
use crate::mvcc::{
    ChangeKind, ChangedKey, Changes, Cleaned, DeleteReply, KeyRecord, Put, PutReply, RangeReply, Record, Selector,
    SortTarget,
};
use crate::state_machine::client_rows::{Answer, Answers, ClientRow, answers_key, client_key};
use crate::state_machine::head::{Head, LogPosition, StoredMembership};
use crate::state_machine::testing::{compact, compare, delete, expire_clients, expire_keys, put, range, register};
use crate::state_machine::{
    Command, CompareOperand, CompareOperator, Operation, OperationReply, Reply, Stamp, Transaction, TransactionReply,
};
use crate::types::{ClientId, DomainId, Event, LeaseEvent, LeaseId, LogTimeMs, Rejection, Revision, Tier};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn record() -> Record {
    Record {
        create_revision: Revision(2),
        mod_revision: Revision(300),
        version: 3,
        lease: Some(LeaseId(7)),
        expires_at: Some(LogTimeMs(1000)),
        tags: vec!["red".to_owned()],
        value: b"value".to_vec(),
    }
}

fn key_record() -> KeyRecord {
    KeyRecord {
        key: b"key".to_vec(),
        record: record(),
    }
}

fn operations() -> Vec<Operation> {
    let mut query = range(Selector::Pattern("a/*".to_owned()));
    query.limit = 10;
    query.bytes_max = 1000;
    query.sort = SortTarget::Value;
    query.tag = Some("red".to_owned());
    query.after = Some(b"a/1".to_vec());
    query.mod_revision = (Some(Revision(1)), None);
    let put = Put {
        lease: Some(LeaseId(7)),
        ttl_ms: Some(1000),
        tags: vec!["red".to_owned()],
        previous: true,
        ..put("key", "value")
    };
    let (start, end) = (b"a".to_vec(), b"b".to_vec());
    vec![
        Operation::Put(put),
        Operation::Delete(delete(Selector::Prefix(b"p".to_vec()))),
        Operation::Delete(delete(Selector::Interval { start, end })),
        Operation::Range(query),
    ]
}

fn transaction() -> Command {
    use CompareOperator::{Equal, Greater, Less, NotEqual};
    let stamp = Stamp {
        client: ClientId(4096),
        sequence: 9,
        answered_up_to: 5,
    };
    Command::Transaction(Transaction {
        stamp: Some(stamp),
        compares: vec![
            compare("a", Equal, CompareOperand::Value(b"v".to_vec())),
            compare("b", NotEqual, CompareOperand::Version(1)),
            compare("c", Greater, CompareOperand::CreateRevision(2)),
            compare("d", Less, CompareOperand::ModRevision(3)),
            compare("e", Equal, CompareOperand::Lease(4)),
        ],
        then: operations(),
        otherwise: vec![Operation::Delete(delete(Selector::Key(b"k".to_vec())))],
    })
}

fn replies() -> Vec<Reply> {
    let results = vec![
        OperationReply::Put(PutReply { previous: None }),
        OperationReply::Delete(DeleteReply {
            deleted: 1,
            previous: vec![key_record()],
        }),
        OperationReply::Range(RangeReply {
            records: vec![key_record()],
            count: 2,
            more: true,
        }),
    ];
    let revision = Revision(300);
    vec![
        Reply::Transaction(TransactionReply {
            revision,
            succeeded: true,
            results,
        }),
        Reply::ClientRegistered {
            client: ClientId(4096),
            revision,
        },
        Reply::Done { revision, removed: 5 },
    ]
}

/// One of each, in the order of the enum.
fn rejections() -> Vec<Rejection> {
    let domain = || "d".to_owned();
    let client = ClientId(4096);
    vec![
        Rejection::UnknownDomain { domain: domain() },
        Rejection::DomainFull {
            domain: domain(),
            bytes: 2,
            bytes_max: 1,
        },
        Rejection::Compacted {
            asked: Revision(1),
            oldest: Revision(2),
        },
        Rejection::FutureRevision {
            asked: Revision(2),
            newest: Revision(1),
        },
        Rejection::ClientExpired { client },
        Rejection::AnswerForgotten { client, sequence: 1 },
        Rejection::TooManyUnanswered {
            client,
            unanswered_max: 1,
        },
        Rejection::TooManyClients { clients_max: 1 },
        Rejection::DuplicateKey {
            operation: 1,
            key: b"k".to_vec(),
        },
        Rejection::TransactionTooLarge {
            operation: 1,
            what: "keys".to_owned(),
            value: 2,
            limit: 1,
        },
        Rejection::TierMismatch {
            domain: domain(),
            tier: Tier::Eventual,
        },
    ]
}

pub(super) fn check(what: &str, bytes: &[u8], golden: &str) {
    assert_eq!(hex(bytes), golden, "{what}");
}

pub(super) fn check_record<R: codec::Record + PartialEq + std::fmt::Debug>(record: &R, golden: &str) {
    let bytes = codec::encode(record).unwrap();
    check(&format!("{:04x}", R::ID), &bytes, golden);
    assert_eq!(&codec::decode::<R>(&bytes).unwrap(), record);
}

fn check_changes(changes: &Changes, golden: &str) {
    let (changes, bytes) = changes.clone().into_row().unwrap();
    check("changes", &bytes, golden);
    assert_eq!(Changes::from_row(&bytes).unwrap(), changes);
}

pub(super) fn check_command(command: &Command, golden: &str) {
    let mut bytes = Vec::new();
    command.encode_into(&mut bytes).unwrap();
    check(&format!("{command:?}"), &bytes, golden);
    let (decoded, rest) = Command::decode(&bytes).unwrap();
    assert_eq!((&decoded, rest), (command, &[][..]));
}

#[test]
fn commands_are_frozen() {
    check_command(
        &transaction(),
        "010101b9000000410ae70501fb00100905050764656661756c740161000001760764656661756c740162010101076465\
            6661756c7401630202020764656661756c7401640303030764656661756c74016500040404000764656661756c74036b\
            65790576616c7565010701fbe803010372656401010764656661756c7401017000010764656661756c74020161016200\
            020764656661756c740303612f2a000afbe80300000400010100000001037265640103612f3101010764656661756c74\
            00016b00",
    );
    check_command(&register("name"), "02010105000000b2706506046e616d65");
    check_command(&expire_clients(1000, 5), "03010104000000b5a0bacffbe80305");
    check_command(&expire_keys(300), "040101030000000c161294fb2c01");
    check_command(&compact(300), "05010103000000a96d445ffb2c01");
}

#[test]
fn stored_rows_are_frozen() {
    check_record(
        &record(),
        "010201160000006ea45d9602fb2c0103010701fbe80301037265640576616c7565",
    );
    let keys = vec![ChangeKind::Put, ChangeKind::Delete, ChangeKind::Expire];
    let keys = keys.into_iter().map(|kind| ChangedKey {
        domain: DomainId(1),
        kind,
        key: b"key".to_vec(),
    });
    let wall_ms = 1_700_000_000_000;
    let mut changes = Changes {
        wall_ms,
        keys: keys.collect(),
        events: Vec::new(),
    };
    check_changes(
        &changes,
        "0202011c000000d06ca8c4fd0068e5cf8b010000030100036b65790101036b65790102036b6579",
    );
    changes.keys.truncate(1);
    changes.events = vec![
        Event::Lease {
            lease: LeaseId(7),
            what: LeaseEvent::Granted {
                name: "w".to_owned(),
                ttl_ms: 1000,
            },
        },
        Event::Lease {
            lease: LeaseId(7),
            what: LeaseEvent::Ended { expired: true },
        },
    ];
    check_changes(
        &changes,
        "0202021d0000000eb8dce4fd0068e5cf8b010000010100036b6579020007000177fbe80300070101",
    );
    let client = ClientRow {
        name: "name".to_owned(),
        mark: 5,
        last_active: LogTimeMs(1000),
    };
    check_record(&client, "040201090000002f5086a5046e616d6505fbe803");
    let answer = Answer {
        sequence: 6,
        reply: vec![1, 2],
    };
    check_record(&Answers { answers: vec![answer] }, "050201050000005300dc540106020102");
    let head = Head {
        revision: Revision(300),
        compacted: Revision(5),
        applied: Some(LogPosition { term: 2, index: 400 }),
        log_time: LogTimeMs(1000),
        hash: u64::MAX - 1,
    };
    check_record(
        &head,
        "06020115000000281c8ca2fb2c01050102fb9001fbe803fdfeffffffffffffff",
    );
    check_record(
        &Cleaned {
            cleaned_below: Revision(4),
        },
        "07020101000000b47dccb604",
    );
    check_record(&StoredMembership { bytes: vec![1, 2] }, "0902010300000053080fcf020102");
    check("client key", &client_key(ClientId(258)), "0000010000000000000102");
    check(
        "answers key",
        &answers_key(ClientId(258), 3),
        "00000200000000000001020000000000000003",
    );
}

#[test]
fn replies_are_frozen() {
    let golden = [
        "0802014300000070579f2500fb2c0101030000010101036b657902fb2c0103010701fbe80301037265640576616c7565\
            0201036b657902fb2c0103010701fbe80301037265640576616c75650201",
        "08020107000000e441b1b401fb0010fb2c01",
        "08020105000000c87f312d02fb2c0105",
    ];
    for (reply, golden) in replies().iter().zip(golden) {
        check_record(reply, golden);
    }
}

#[test]
fn every_rejection_is_frozen() {
    let golden = [
        "0802010700000031a52db103000164fb2c01",
        "08020109000000d588771e030101640201fb2c01",
        "08020107000000ec5c67d203020102fb2c01",
        "08020107000000380e461703030201fb2c01",
        "080201080000008a45d8b20304fb0010fb2c01",
        "08020109000000741a9d490305fb001001fb2c01",
        "080201090000001d9dd9920306fb001001fb2c01",
        "080201060000005199b36a030701fb2c01",
        "080201080000007870fb8c030801016bfb2c01",
        "0802010d00000070fdea6b030901046b6579730201fb2c01",
        "08020108000000062cf09d030a016401fb2c01",
    ];
    let rejections = rejections();
    assert_eq!(rejections.len(), golden.len());
    for (rejection, golden) in rejections.into_iter().zip(golden) {
        let revision = Revision(300);
        check_record(&Reply::Rejected { rejection, revision }, golden);
    }
}

#[test]
fn ids_of_commands_and_of_rows_are_apart() {
    assert_eq!((Transaction::ID, Record::ID, Reply::ID), (0x0101, 0x0201, 0x0208));
}
