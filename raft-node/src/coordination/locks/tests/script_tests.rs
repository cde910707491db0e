//! Golden scripts, one group a command. Leases and requests are written `LEASE/REQUEST`.
//!
//! ```text
//! lease LEASE | revoke LEASE
//! acquire LEASE/REQUEST NAME,... [shared] [permits=COUNT/PERMITS] [value=V] [try]
//! release HOLD | fence HOLD | value HOLD V           a HOLD is NAME LEASE[/REQUEST] TOKEN
//! abandon LEASE/REQUEST
//! force NAME [token=T] because REASON
//! put KEY VALUE
//! txn COMMAND; ...                                   any of those above, at one revision
//! expire LEASE... | lock NAME | ask LEASE/REQUEST | list [PREFIX] [after=NAME] [limit=N] | get KEY | rows
//! ```

use std::fmt::Write as _;

use super::check::{check, rows_count};
use super::{acquisition, expire_leases, grant_lease, lock, permits, revoke_lease};
use crate::coordination::locks::{
    Acquire, Acquisition, Grant, Hold, Holder, Lock, LockOperation, LockReply, Share, list,
};
use crate::coordination::sessions::LeaseReply;
use crate::state_machine::testing::{Store, put, scripts, transaction};
use crate::state_machine::{Command, Operation, OperationReply, Reader, Reply};
use crate::storage::Engine;
use crate::types::{LeaseId, Revision};

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is not a number"))
}

fn id(word: &str) -> (LeaseId, u64) {
    let (lease, request) = word.split_once('/').unwrap();
    (LeaseId(number(lease)), number(request))
}

fn option<'s>(words: &[&'s str], name: &str) -> Option<&'s str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn hold(words: &[&str]) -> Hold {
    let (lease, request) = match words[1].split_once('/') {
        Some((lease, request)) => (lease, Some(number(request))),
        None => (words[1], None),
    };
    Hold {
        lock: words[0].to_owned(),
        lease: LeaseId(number(lease)),
        token: Revision(number(words[2])),
        request,
    }
}

fn asked(words: &[&str]) -> Acquire {
    let (lease, request) = id(words[0]);
    let share = match option(words, "permits").and_then(|text| text.split_once('/')) {
        Some((count, all)) => permits(count.parse().unwrap(), all.parse().unwrap()),
        None if words.contains(&"shared") => Share::Shared,
        None => Share::Exclusive,
    };
    Acquire {
        lease,
        request,
        names: words[1].split(',').map(str::to_owned).collect(),
        share,
        value: option(words, "value").unwrap_or_default().as_bytes().to_vec(),
        wait: !words.contains(&"try"),
    }
}

fn operation(line: &str) -> Operation {
    let words: Vec<&str> = line.split_whitespace().collect();
    let rest = &words[1..];
    Operation::Lock(match words[0] {
        "lease" => return grant_lease(number(rest[0])),
        "revoke" => return revoke_lease(number(rest[0])),
        "put" => return Operation::Put(put(rest[0], rest[1])),
        "acquire" => LockOperation::Acquire(asked(rest)),
        "release" => LockOperation::Release(hold(rest)),
        "fence" => LockOperation::Fence(hold(rest)),
        "value" => LockOperation::SetValue {
            hold: hold(rest),
            value: rest.get(3).copied().unwrap_or_default().as_bytes().to_vec(),
        },
        "abandon" => {
            let (lease, request) = id(rest[0]);
            LockOperation::Abandon { lease, request }
        }
        "force" => LockOperation::ForceRelease {
            lock: rest[0].to_owned(),
            token: option(rest, "token").map(|token| Revision(number(token))),
            reason: line.split_once(" because ").unwrap().1.to_owned(),
        },
        other => panic!("unknown command {other:?}"),
    })
}

fn run_command(store: &mut Store, line: &str) -> String {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    let answer = match verb {
        "txn" => {
            let operations = rest.split(';').map(|part| operation(part.trim())).collect();
            printed(&store.apply_one(Command::Transaction(transaction(operations))))
        }
        "expire" => {
            let leases: Vec<u64> = words.iter().map(|word| number(word)).collect();
            printed(&store.apply_one(expire_leases(&leases)))
        }
        "lock" => match lock(store, words[0]) {
            Some(found) => described(&found),
            None => format!("{}: nobody\n", words[0]),
        },
        "ask" => {
            let (lease, request) = id(words[0]);
            match acquisition(store, lease.0, request) {
                Acquisition::Absent => "absent\n".to_owned(),
                Acquisition::Queued { lock, ahead_max } => format!("waits for {lock}, {ahead_max} ahead\n"),
                Acquisition::Granted { holds } => format!("holds {}\n", granted(&holds)),
            }
        }
        "list" => listed(store, &words),
        "get" => {
            let view = store.engine.view();
            let found = Reader::new(&*view)
                .get("default", rest.as_bytes(), None)
                .unwrap()
                .unwrap();
            found.map_or("absent\n".to_owned(), |found| {
                format!("{}\n", String::from_utf8(found.value).unwrap())
            })
        }
        "rows" => format!("{} rows\n", rows_count(&*store.engine.view())),
        _ => printed(&store.apply_one(Command::Transaction(transaction(vec![operation(line)])))),
    };
    check(&*store.engine.view());
    answer
}

fn printed(reply: &Reply) -> String {
    match reply {
        Reply::Transaction(reply) => {
            let results = reply.results.iter().map(|result| match result {
                OperationReply::Lock(reply) => answered(reply),
                OperationReply::Lease(LeaseReply::Granted { lease, .. }) => format!("lease {lease}"),
                OperationReply::Lease(LeaseReply::Revoked { attached }) => format!("ended with {attached} attached"),
                OperationReply::Put(_) => "put".to_owned(),
                other => panic!("{other:?}"),
            });
            format!(
                "revision {}: {}\n",
                reply.revision,
                results.collect::<Vec<_>>().join("; ")
            )
        }
        Reply::Rejected { rejection, revision } => format!("revision {revision}, refused: {rejection}\n"),
        Reply::Done { revision, .. } => format!("revision {revision}\n"),
        other => panic!("{other:?}"),
    }
}

fn answered(reply: &LockReply) -> String {
    match reply {
        LockReply::Granted { holds } => format!("granted {}", granted(holds)),
        LockReply::Queued { lock, ahead_max } => format!("waits for {lock}, {ahead_max} ahead"),
        LockReply::Busy { lock, holder, token } => format!("busy: lease {holder} holds {lock} with token {token}"),
        LockReply::Released => "released".to_owned(),
        LockReply::Abandoned { holds, waited } => {
            let waited = if *waited { " and waited" } else { "" };
            format!("abandoned, had {holds}{waited}")
        }
        LockReply::ForceReleased { holds, more } => {
            let more = if *more { ", more" } else { "" };
            format!("took {holds} away{more}")
        }
        LockReply::Held => "held".to_owned(),
        LockReply::ValueSet => "value set".to_owned(),
    }
}

fn granted(holds: &[Grant]) -> String {
    let holds = holds
        .iter()
        .map(|hold| format!("{} with token {}", hold.lock, hold.token));
    holds.collect::<Vec<_>>().join(", ")
}

fn described(lock: &Lock) -> String {
    let row = &lock.row;
    let mut out = format!(
        "{}: {}, {} waiting, changed at {}",
        lock.name, row.kind, row.waiting, row.changed
    );
    writeln!(
        out,
        ", {} acquisitions, {} contended, {} expirations",
        row.acquisitions, row.contended, row.expirations
    )
    .unwrap();
    for holder in &lock.holders {
        writeln!(out, "  {}", holding(holder)).unwrap();
    }
    if let Some(forced) = &row.forced {
        writeln!(out, "  token {} was taken away because {}", forced.token, forced.reason).unwrap();
    }
    out
}

fn holding(holder: &Holder) -> String {
    let share = match holder.share {
        Share::Exclusive => "alone".to_owned(),
        Share::Shared => "shared".to_owned(),
        Share::Permits { count, .. } => format!("{count} permits"),
    };
    let value = match holder.value.as_slice() {
        [] => String::new(),
        value => format!(", says {}", String::from_utf8_lossy(value)),
    };
    format!(
        "lease {} request {} token {}: {share}{value}",
        holder.lease, holder.request, holder.token
    )
}

fn listed(store: &Store, words: &[&str]) -> String {
    let prefix = words
        .first()
        .filter(|word| !word.contains('='))
        .copied()
        .unwrap_or_default();
    let limit = option(words, "limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let (found, more) = list(&*store.engine.view(), prefix, option(words, "after"), limit).unwrap();
    let names: Vec<String> = found.into_iter().map(|lock| lock.name).collect();
    if names.is_empty() {
        return "no lock\n".to_owned();
    }
    format!("{}{}\n", names.join(" "), if more { ", more" } else { "" })
}

macro_rules! scripts {
    ($($test:ident: $file:literal,)*) => { $(
        #[test]
        fn $test() {
            scripts::run(concat!("coordination/locks/testscripts/", $file), run_command);
        }
    )* };
}

scripts! {
    a_mutex_is_held_by_one_and_passed_on_in_order: "mutex",
    shared_holders_exclude_exclusive_ones_and_starve_nobody: "shared",
    a_semaphore_is_taken_in_permits: "semaphore",
    several_names_are_taken_in_their_order: "several_names",
    an_election_is_a_mutex_with_a_value: "election",
    a_fence_lets_a_transaction_pass_while_the_hold_lives: "fencing",
    whatever_a_lease_holds_or_waits_for_ends_with_it: "leases",
    a_lock_is_taken_away_from_its_holder_for_a_reason: "force_release",
    repeating_a_request_answers_what_became_of_it: "repeating",
    locks_are_listed_by_name: "listing",
}
