//! `quorate worker`.

use clap::{Subcommand, ValueEnum};
use quorate::{Client, WorkerRecord, WorkerState};
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::labels::{self, Label};
use crate::cli::output;

/// What to do with workers.
#[derive(Debug, Subcommand)]
pub enum WorkerVerb {
    /// Show the workers
    List {
        /// Those in this state; may be repeated
        #[arg(long = "state", value_name = "STATE", value_enum)]
        states: Vec<StateArgument>,
        /// Those that carry this label; may be repeated
        #[arg(long = "label", value_name = "LABEL=VALUE", value_parser = labels::label)]
        labels: Vec<Label>,
    },
    /// Show a worker with its tasks
    Show {
        /// Which
        worker: String,
    },
    /// Let a worker finish what it has and take nothing new
    Drain {
        /// Which
        worker: String,
    },
    /// Let a worker that drains take tasks again
    Resume {
        /// Which
        worker: String,
    },
    /// Forget a worker that is offline
    Forget {
        /// Which
        worker: String,
    },
}

/// What a worker does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StateArgument {
    /// It takes tasks
    Active,
    /// It takes nothing new
    Draining,
    /// Its session has ended
    Offline,
}

/// Does it.
pub async fn run(verb: WorkerVerb, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    match verb {
        WorkerVerb::List { states, labels } => list(&client, &states, labels, global).await?,
        WorkerVerb::Show { worker } => show(&client, worker, global).await?,
        WorkerVerb::Drain { worker } => {
            let assigned = client.drain_worker(&worker).await?;
            let json = json!({ "worker": worker, "state": "draining", "assigned": assigned });
            let text = || format!("worker {worker} takes nothing new; tasks that it has: {assigned}");
            global.output.show(&json, text)?;
        }
        WorkerVerb::Resume { worker } => {
            let assigned = client.resume_worker(&worker).await?;
            let json = json!({ "worker": worker, "state": "active", "assigned": assigned });
            let text = || format!("worker {worker} takes tasks again; tasks that it has: {assigned}");
            global.output.show(&json, text)?;
        }
        WorkerVerb::Forget { worker } => {
            client.forget_worker(&worker).await?;
            let json = json!({ "worker": worker });
            global.output.show(&json, || format!("worker {worker} is forgotten"))?;
        }
    }
    Ok(Exit::Success)
}

async fn list(client: &Client, states: &[StateArgument], labels: Vec<Label>, global: &Global) -> Result<(), Failure> {
    let mut list = client.workers();
    for state in states {
        list = list.state(match state {
            StateArgument::Active => WorkerState::Active,
            StateArgument::Draining => WorkerState::Draining,
            StateArgument::Offline => WorkerState::Offline,
        });
    }
    for (label, value) in labels {
        list = list.label(label, value);
    }
    let workers = list.await?;
    let json = json!({ "workers": workers.iter().map(shown).collect::<Vec<_>>() });
    global.output.show(&json, || table(&workers))
}

async fn show(client: &Client, worker: String, global: &Global) -> Result<(), Failure> {
    let Some(found) = client.worker(&worker).await? else {
        let message = format!("worker {worker:?} is not registered");
        return Err(Failure::new(Exit::Refused, "unknown_worker", message));
    };
    let tasks = client.assignments().of(worker).await?;
    let mut json = shown(&found);
    json["tasks"] = tasks.iter().map(super::assign::shown).collect();
    global.output.show(&json, || {
        let workers = table(std::slice::from_ref(&found));
        if tasks.is_empty() {
            return workers;
        }
        format!("{workers}\n\n{}", super::assign::table(&tasks))
    })
}

fn shown(worker: &WorkerRecord) -> Value {
    json!({
        "worker": worker.worker,
        "state": state(worker.state),
        "lease": worker.lease,
        "labels": worker.labels,
        "capacity": worker.capacity,
        "assigned": worker.assigned,
        "registered_revision": worker.registered_revision,
        "changed_revision": worker.changed_revision,
        "since": output::time(worker.since),
    })
}

fn table(workers: &[WorkerRecord]) -> String {
    let rows = workers.iter().map(|worker| {
        vec![
            worker.worker.clone(),
            state(worker.state).to_owned(),
            format!("{} of {}", worker.assigned, worker.capacity),
            labels::text(&worker.labels),
            worker.lease.to_string(),
            output::time(worker.since),
        ]
    });
    output::table(&["worker", "state", "tasks", "labels", "lease", "since"], rows)
}

fn state(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Active => "active",
        WorkerState::Draining => "draining",
        WorkerState::Offline => "offline",
        _ => "unknown",
    }
}
