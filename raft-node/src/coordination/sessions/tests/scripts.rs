//! Golden scripts: what a lease is, told by its commands.
//!
//! ```text
//! grant ID TTL | revoke ID | expire ID...            (ID 0: the store chooses)
//! stale-expire ID                                    an expiry proposed by the leader of another term
//! put KEY VALUE [lease=ID] | delete KEY | keys       the keys that there are, each with its lease
//! leases                                             what lives, and what is attached
//! txn COMMAND; COMMAND; ...
//! ```

use std::fmt::Write as _;
use std::ops::ControlFlow;

use crate::coordination::sessions::{LeaseOperation, LeaseReply};
use crate::leases;
use crate::mvcc::Put;
use crate::state_machine::testing::{self, Store, all, key, range, scripts};
use crate::state_machine::{Command, ExpireLeases, Operation, OperationReply, Reader, Reply};
use crate::storage::Engine;
use crate::types::LeaseId;

fn command(store: &mut Store, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ids = || words[1..].iter().map(|word| word.parse().unwrap());
    match words[0] {
        "expire" => reply(&store.apply_one(testing::expire_leases(ids()))),
        "stale-expire" => {
            let leases = ids().map(LeaseId).collect();
            reply(&store.apply_one(Command::ExpireLeases(ExpireLeases { term: 9, leases })))
        }
        "keys" => keys(store),
        "leases" => living(store),
        "txn" => {
            let line = line.strip_prefix("txn ").unwrap();
            let operations = line.split("; ").map(operation).collect();
            reply(&store.apply_one(Command::Transaction(testing::transaction(operations))))
        }
        _ => reply(&store.apply_one(Command::Transaction(testing::transaction(vec![operation(line)])))),
    }
}

fn operation(line: &str) -> Operation {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |place: usize| words[place].parse::<u64>().unwrap();
    match words[0] {
        "grant" => Operation::Lease(LeaseOperation::Grant {
            lease: (number(1) != 0).then(|| LeaseId(number(1))),
            ttl_ms: number(2),
            name: String::new(),
        }),
        "revoke" => Operation::Lease(LeaseOperation::Revoke {
            lease: LeaseId(number(1)),
        }),
        "put" => {
            let lease = words.get(3).map(|word| word.strip_prefix("lease=").unwrap());
            Operation::Put(Put {
                lease: lease.map(|lease| LeaseId(lease.parse().unwrap())),
                ..testing::put(words[1], words[2])
            })
        }
        "delete" => Operation::Delete(testing::delete(key(words[1]))),
        other => panic!("unknown command {other:?}"),
    }
}

fn reply(reply: &Reply) -> String {
    let mut out = String::new();
    match reply {
        Reply::Transaction(transaction) => {
            write!(out, "revision {}", transaction.revision).unwrap();
            for result in &transaction.results {
                match result {
                    OperationReply::Lease(LeaseReply::Granted { lease, ttl_ms }) => {
                        write!(out, ", lease {lease} for {ttl_ms} ms").unwrap();
                    }
                    OperationReply::Lease(LeaseReply::Revoked { attached }) => {
                        write!(out, ", {attached} went with it").unwrap();
                    }
                    _ => {}
                }
            }
        }
        Reply::Done { revision, removed } => write!(out, "revision {revision}, {removed} went").unwrap(),
        Reply::Rejected { rejection, revision } => write!(out, "revision {revision}, refused: {rejection}").unwrap(),
        Reply::ClientRegistered { .. } | Reply::Domain { .. } => {}
    }
    out + "\n"
}

fn keys(store: &Store) -> String {
    let view = store.engine.view();
    let found = Reader::new(&*view).range(&range(all())).unwrap().unwrap();
    let lines = found.records.iter().map(|found| {
        let lease = found
            .record
            .lease
            .map_or(String::new(), |lease| format!(" (lease {lease})"));
        format!("{}{lease}\n", String::from_utf8_lossy(&found.key))
    });
    lines.collect::<String>() + "---\n"
}

fn living(store: &Store) -> String {
    let mut out = String::new();
    leases::scan(&store.engine, LeaseId(0), &mut |lease, row| {
        writeln!(out, "{lease}: {} ms, {} attached", row.ttl_ms, row.attached).unwrap();
        ControlFlow::Continue(())
    })
    .unwrap();
    out + "---\n"
}

#[test]
fn what_is_attached_to_a_lease_goes_with_it_at_one_revision() {
    scripts::run("coordination/sessions/testscripts/attached_keys", command);
}

#[test]
fn only_the_leader_of_the_entrys_own_term_ends_leases() {
    scripts::run("coordination/sessions/testscripts/expiry", command);
}
