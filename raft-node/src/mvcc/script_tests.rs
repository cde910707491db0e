//! Golden scripts: a sentence, commands, `---`, and what they print.
//!
//! They run against a whole state machine, one group a command. `UPDATE_SCRIPTS=1` rewrites what is expected; read the
//! difference before committing it.
//!
//! ```text
//! put KEY VALUE [ttl=MS] [lease=ID] [tag=A,B] [domain=NAME] [previous]
//! delete SELECTOR [domain=NAME] [previous]
//! get KEY [revision=R] [domain=NAME]
//! range SELECTOR [revision=R] [limit=N] [bytes=N] [sort=TARGET] [descending] [keys] [count] [tag=T] [after=KEY]
//!                [mod=LEAST..MOST] [create=LEAST..MOST] [domain=NAME]
//! txn [if KEY TARGET OPERATOR NUMBER_OR_VALUE; ...] then COMMAND; ... [else COMMAND; ...]
//! time MS | expire KEYS | compact REVISION | clean REVISIONS | rows | bytes DOMAIN
//! ```
//! A selector is `KEY`, `PREFIX...`, `START..END`, or `~PATTERN`. A value `x*1000` is a thousand times x.

mod print;
mod words;

use std::fmt::Write as _;

use self::words::Words;
use crate::mvcc::{RecordRef, keys};
use crate::state_machine::testing::{self, Store, scripts};
use crate::state_machine::{Cleaner, Command, Operation, Reader, Transaction};
use crate::storage::{Engine, Table};
use crate::types::Revision;

fn run_command(store: &mut Store, line: &str) -> String {
    let mut words = Words::new(line);
    match words.next() {
        "put" | "delete" => {
            let operation = words::operation(&mut Words::new(line));
            let reply = store.apply_one(Command::Transaction(testing::transaction(vec![operation])));
            print::reply(&reply)
        }
        "get" => get(store, &mut words),
        "range" => {
            let range = words.range();
            let view = store.engine.view();
            match Reader::new(&*view).range(&range).unwrap() {
                Ok(reply) => print::range(&range, &reply),
                Err(rejection) => format!("refused: {rejection}\n"),
            }
        }
        "txn" => print::reply(&store.apply_one(Command::Transaction(transaction(line)))),
        "time" => {
            store.now = words.number();
            String::new()
        }
        "expire" => {
            let keys_max = u32::try_from(words.number()).unwrap();
            print::reply(&store.apply_one(testing::expire_keys(keys_max)))
        }
        "compact" => print::reply(&store.apply_one(testing::compact(words.number()))),
        "clean" => {
            let revisions_max = usize::try_from(words.number()).unwrap();
            format!("cleaned {}\n", Cleaner.step(&store.engine, revisions_max).unwrap())
        }
        "rows" => rows(store),
        "bytes" => {
            let name = words.next();
            let domain = store.state.domains().iter().find(|domain| domain.name == name).unwrap();
            format!("{} of {}\n", domain.bytes, domain.settings.bytes_max)
        }
        other => panic!("unknown command {other:?}"),
    }
}

fn get(store: &Store, words: &mut Words<'_>) -> String {
    let key = words.next().to_owned();
    let revision = words
        .option("revision")
        .map(|revision| Revision(revision.parse().unwrap()));
    let domain = words.option("domain").unwrap_or("default");
    let view = store.engine.view();
    match Reader::new(&*view).get(domain, key.as_bytes(), revision).unwrap() {
        Ok(Some(record)) => print::record(key.as_bytes(), &record),
        Ok(None) => format!("{key}: absent\n"),
        Err(rejection) => format!("refused: {rejection}\n"),
    }
}

fn transaction(line: &str) -> Transaction {
    let rest = line.strip_prefix("txn ").unwrap();
    let (condition, branches) = rest.split_once("then").unwrap();
    let (then, otherwise) = branches.split_once(" else ").unwrap_or((branches, ""));
    let parts = |text: &'static str, all: &str| -> Vec<String> {
        let all = all.trim().strip_prefix(text).unwrap_or(all.trim());
        all.split(';')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()
    };
    let operations = |all: &str| -> Vec<Operation> {
        parts("", all)
            .iter()
            .map(|part| words::operation(&mut Words::new(part)))
            .collect()
    };
    Transaction {
        stamp: None,
        compares: parts("if ", condition)
            .iter()
            .map(|part| words::compare(&mut Words::new(part)))
            .collect(),
        then: operations(then),
        otherwise: operations(otherwise),
    }
}

/// Every row of the four tables, which shows how things are stored.
fn rows(store: &Store) -> String {
    let mut out = String::new();
    for (table, key, value) in store.dump() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = match table {
            Table::Latest => {
                let (domain, user_key) = keys::decode_latest(&key).unwrap();
                let mod_revision = RecordRef::parse(&value).unwrap().mod_revision;
                format!("{} {} -> written at {mod_revision}", domain.0, text(user_key))
            }
            Table::History => {
                let (domain, user_key, revision) = keys::decode_history(&key).unwrap();
                let mod_revision = RecordRef::parse(&value).unwrap().mod_revision;
                format!(
                    "{} {} until {revision} -> written at {mod_revision}",
                    domain.0,
                    text(&user_key)
                )
            }
            Table::Changes => print::changes(&key, &value),
            Table::Index => print::index_entry(&key),
            Table::Clients | Table::Coordination | Table::Items | Table::Meta => continue,
        };
        writeln!(out, "{}: {line}", table.name()).unwrap();
    }
    out
}

macro_rules! scripts {
    ($($test:ident: $file:literal,)*) => { $(
        #[test]
        fn $test() {
            scripts::run(concat!("mvcc/testscripts/", $file), run_command);
        }
    )* };
}

scripts! {
    each_write_has_a_revision_of_its_own: "revisions",
    a_key_starts_anew_after_deletion: "delete_and_recreate",
    older_revisions_read_as_they_were: "older_revisions",
    compaction_makes_old_revisions_unreadable: "compaction",
    a_transaction_takes_one_branch_at_one_revision: "transactions",
    a_refused_transaction_changes_nothing: "refused_transactions",
    keys_expire_by_command_and_log_time: "expiry",
    tags_find_keys_through_an_index: "tags",
    ranges_page_sort_and_filter: "ranges",
    domains_are_apart_and_limited: "domains",
}
