//! Golden scripts; how to write them is in `state_machine/testing/scripts.rs`.
//!
//! ```text
//! OPERATION [; OPERATION ...]                                      one transaction
//! workers [active|draining|offline] | worker NAME | tasks [WORKER] | pending | task NAME | plan MOVES
//! changed | expire LEASE | time MS | may-claim LEASE | signals
//! ```
//! Operations: `grant LEASE`, `revoke LEASE`, `put KEY VALUE`, `register WORKER lease:ID capacity:N [labels:A=1,B=2]`,
//! `update WORKER lease:ID [capacity:N] [labels:..]`, `drain WORKER`, `resume WORKER`, `deregister WORKER [lease:ID]`,
//! `assign TASK [to:WORKER] [or-wait] [labels:..] [data:TEXT] [expect:GENERATION]`, `unassign TASK [at:GENERATION]`,
//! `complete TASK WORKER GENERATION`, `cancel TASK [at:GENERATION]`, `fence TASK WORKER GENERATION`,
//! `move TASK FROM GENERATION TO`, `assign-pending COUNT [after:GENERATION/TASK]`, `sync REVISION [only] WORKER=TASK,.. ..`.

use std::fmt::Write as _;

use super::rules;
use super::words::{self, Words, shown};
use crate::coordination::sessions::LeaseReply;
use crate::coordination::workers::{self, Filter, Labels, Synced, TaskRow, Which, WorkerReply, WorkerRow, WorkerState};
use crate::state_machine::testing::{self, Store, scripts};
use crate::state_machine::{Command, ExpireLeases, Operation, OperationReply, Reply};
use crate::types::{LeaseId, Signal};

fn run_command(store: &mut Store, line: &str) -> String {
    let mut words = Words::new(line);
    let view = &store.engine.clone();
    match words.next() {
        "workers" => {
            let states = words.option("in").map_or(Vec::new(), |state| vec![named(state)]);
            let labels = super::labels(words.option("labels").unwrap_or(""));
            let page = workers::list(view, &Filter { states, labels }, None, 100).unwrap();
            page.found.iter().map(|(name, row)| worker(name, row)).collect()
        }
        "tasks" => listed(
            view,
            &words.option("of").map_or(Which::All, |of| Which::Of(of.to_owned())),
        ),
        "pending" => listed(view, &Which::Waiting),
        "plan" => plan(view, usize::try_from(words.number()).unwrap()),
        "changed" => format!("changed at {}\n", workers::changed(view).unwrap()),
        "expire" => {
            let leases = vec![LeaseId(words.number())];
            reply(&store.apply_one(Command::ExpireLeases(ExpireLeases { term: 1, leases })))
        }
        "time" => {
            store.now = words.number();
            String::new()
        }
        "may-claim" => match workers::may_claim(view, LeaseId(words.number())).unwrap() {
            Ok(()) => "yes\n".to_owned(),
            Err(refusal) => format!("no: {refusal}\n"),
        },
        "signals" => store.state.take_signals().iter().filter_map(signal).collect(),
        _ => {
            let parts = line.split(';');
            let operations: Vec<Operation> = parts.map(|part| words::operation(&mut Words::new(part))).collect();
            let answer = store.apply_one(Command::Transaction(testing::transaction(operations)));
            rules::check(store);
            reply(&answer)
        }
    }
}

fn named(state: &str) -> WorkerState {
    match state {
        "active" => WorkerState::Active,
        "draining" => WorkerState::Draining,
        "offline" => WorkerState::Offline,
        other => panic!("unknown state {other:?}"),
    }
}

fn worker(name: &str, row: &WorkerRow) -> String {
    let (state, since, changed) = (row.state, row.since.0, row.changed);
    let (assigned, capacity) = (row.assigned, row.capacity);
    let labels = listed_labels(&row.labels);
    format!(
        "{name}: {state:?} since {since} ms, lease {}, {assigned} of {capacity}{labels}, changed {changed}\n",
        row.lease
    )
}

fn listed_labels(labels: &Labels) -> String {
    labels.iter().fold(String::new(), |mut out, (label, value)| {
        write!(out, " {label}={value}").unwrap();
        out
    })
}

fn listed(view: &dyn crate::storage::View, which: &Which) -> String {
    let page = workers::assignments(view, which, None, 100, true).unwrap();
    page.found
        .iter()
        .map(|(name, row, data)| task(name, row, data))
        .collect()
}

fn task(name: &str, row: &TaskRow, data: &[u8]) -> String {
    let worker = row.worker.as_deref().unwrap_or("nobody");
    let (generation, labels) = (shown(row.generation), listed_labels(&row.labels));
    let data = String::from_utf8_lossy(data);
    let data = if data.is_empty() {
        String::new()
    } else {
        format!(" {data:?}")
    };
    format!(
        "{name}: {worker} at {generation} since {} ms{labels}{data}\n",
        row.since.0
    )
}

fn plan(view: &dyn crate::storage::View, moves_max: usize) -> String {
    let plan = workers::plan(view, moves_max).unwrap();
    let mut out = String::new();
    for one in &plan.moves {
        writeln!(
            out,
            "move {} {} {} {}",
            one.task,
            one.from,
            shown(one.generation),
            one.to
        )
        .unwrap();
    }
    out.push_str(if plan.complete { "complete\n" } else { "cut off\n" });
    out
}

fn signal(signal: &Signal) -> Option<String> {
    match signal {
        Signal::Assignments { worker } => Some(format!("assignments of {worker}\n")),
        _ => None,
    }
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Transaction(reply) => {
            let mut out = format!("revision {}\n", reply.revision);
            for result in &reply.results {
                out.push_str(&operation(result));
            }
            out
        }
        Reply::Done { revision, removed } => format!("revision {revision}, removed {removed}\n"),
        Reply::Rejected { rejection, revision } => format!("revision {revision}, refused: {rejection}\n"),
        Reply::ClientRegistered { .. } => panic!("scripts register nobody"),
        Reply::Domain { .. } => panic!("scripts create no domain"),
    }
}

fn operation(result: &OperationReply) -> String {
    let reply = match result {
        OperationReply::Put(_) | OperationReply::Lease(LeaseReply::Granted { .. }) => return String::new(),
        OperationReply::Lease(LeaseReply::Revoked { attached }) => return format!("{attached} went with the lease\n"),
        OperationReply::Worker(reply) => reply,
        other => panic!("these scripts are about workers: {other:?}"),
    };
    match reply {
        WorkerReply::Registered { registered } => format!("registered at {registered}\n"),
        WorkerReply::Updated => "updated\n".to_owned(),
        WorkerReply::Drained { assigned } => format!("it still has {assigned}\n"),
        WorkerReply::Deregistered { pending } => format!("deregistered, {pending} wait\n"),
        WorkerReply::Assigned { worker, generation } => {
            format!(
                "assigned to {} at {}\n",
                worker.as_deref().unwrap_or("nobody"),
                shown(*generation)
            )
        }
        WorkerReply::Unassigned { generation } => format!("waits at {}\n", shown(*generation)),
        WorkerReply::Ended => "ended\n".to_owned(),
        WorkerReply::Stands => "stands\n".to_owned(),
        WorkerReply::PendingAssigned { placed, next } => {
            let mut out = String::new();
            for one in placed {
                writeln!(
                    out,
                    "{} assigned to {} at {}",
                    one.task,
                    one.worker,
                    shown(one.generation)
                )
                .unwrap();
            }
            match next {
                Some(at) => writeln!(out, "go on after {}/{}", shown(at.generation), at.task).unwrap(),
                None => out.push_str("all were looked at\n"),
            }
            out
        }
        WorkerReply::Synced {
            synced,
            generation,
            changed,
        } => {
            let Synced {
                assigned,
                moved,
                unassigned,
                kept,
            } = synced;
            let at = shown(*generation);
            format!(
                "{assigned} assigned, {moved} moved, {unassigned} unassigned at {at}, {kept} kept; changed at {changed}\n"
            )
        }
    }
}

macro_rules! scripts {
    ($($test:ident: $file:literal,)*) => { $(
        #[test]
        fn $test() {
            scripts::run(concat!("coordination/workers/testscripts/", $file), run_command);
        }
    )* };
}

scripts! {
    a_worker_registers_under_a_lease: "register",
    a_task_is_assigned_within_the_capacity: "assign",
    a_stale_generation_cannot_write: "fence",
    the_least_loaded_worker_gets_the_task: "least_loaded",
    a_worker_that_drains_takes_nothing_new: "drain",
    a_worker_that_dies_leaves_its_tasks_to_others: "death",
    waiting_tasks_are_placed_in_their_order: "pending",
    a_plan_evens_out_and_is_checked_when_applied: "plan",
    assignments_are_made_what_is_wanted_of_them: "sync",
}
