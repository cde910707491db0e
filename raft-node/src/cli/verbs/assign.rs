//! `quorate assign`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorate::{Assignment, Client, PlannedMove, WorkerOp};
use serde_json::{Value, json};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::labels::{self, Label};
use crate::cli::output;

/// No task has more data; the cluster says so of what is a little larger.
const DATA_BYTES_MAX: u64 = 1 << 20;

/// Assign a task, or see to those that are assigned.
#[derive(Args, Debug)]
#[command(
    subcommand_negates_reqs = true,
    override_usage = "quorate assign [OPTIONS] <TASK>\n       quorate assign <COMMAND>"
)]
pub struct AssignArguments {
    #[command(subcommand)]
    verb: Option<AssignVerb>,
    /// The task; one that is called as a command is stands behind `--`
    #[arg(required = true)]
    task: Option<String>,
    /// The worker that is to have it; without this, the least loaded one
    #[arg(long, value_name = "WORKER", conflicts_with = "or_wait")]
    to: Option<String>,
    /// A label that a worker must carry to have it; may be repeated
    #[arg(long = "label", value_name = "LABEL=VALUE", value_parser = labels::label)]
    labels: Vec<Label>,
    /// What the worker is to know of it
    #[arg(long)]
    data: Option<OsString>,
    /// Read that from this file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    data_file: Option<PathBuf>,
    /// If nobody can take it, it waits
    #[arg(long)]
    or_wait: bool,
    /// It takes the place of what the task is at this generation; 0: there must be no such task
    #[arg(long, value_name = "GENERATION")]
    replacing: Option<u64>,
}

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum AssignVerb {
    /// Show the tasks
    List {
        /// Those of this worker
        #[arg(long, conflicts_with = "pending")]
        worker: Option<String>,
        /// Those that wait, the longest first
        #[arg(long)]
        pending: bool,
    },
    /// Show a task with its data
    Show {
        /// Which
        task: String,
    },
    /// End a task that is assigned: it is done
    Complete {
        /// Which
        task: String,
        /// Only if this is the generation of the assignment
        #[arg(long)]
        generation: Option<u64>,
    },
    /// Take a task from its worker; it waits
    Unassign {
        /// Which
        task: String,
        /// Only if this is its generation
        #[arg(long)]
        generation: Option<u64>,
    },
    /// End a task though it is not done
    Cancel {
        /// Which
        task: String,
        /// Only if this is its generation
        #[arg(long)]
        generation: Option<u64>,
    },
    /// Give the tasks that wait to workers that have room
    Pending,
    /// Show which moves would load the workers evenly and empty those that drain
    Plan {
        /// At most this many moves, of at most 1000
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
        moves: u32,
    },
    /// Make those moves
    Rebalance {
        /// At most this many, of at most 1000
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
        moves: u32,
    },
}

/// Does it.
pub async fn run(arguments: AssignArguments, global: &Global) -> Result<Exit, Failure> {
    match (&arguments.verb, &arguments.task) {
        (Some(_), Some(task)) => {
            let message = format!("{task:?} is followed by a command: put a task of that name behind `--`");
            Err(Failure::usage(message))
        }
        (Some(_), None) | (None, Some(_)) => {
            let client = global.connect().await?;
            match arguments.verb {
                Some(verb) => see_to(&client, verb, global).await?,
                None => assign(&client, arguments, global).await?,
            }
            Ok(Exit::Success)
        }
        (None, None) => Err(Failure::usage("a task is missing")),
    }
}

async fn assign(client: &Client, arguments: AssignArguments, global: &Global) -> Result<(), Failure> {
    let mut assign = client.assign(arguments.task.unwrap_or_default());
    for (label, value) in arguments.labels {
        assign = assign.label(label, value);
    }
    if let Some(worker) = arguments.to {
        assign = assign.to(worker);
    }
    if arguments.or_wait {
        assign = assign.or_wait();
    }
    if let Some(data) = arguments.data {
        assign = assign.data(bytes::argument(data, false)?);
    }
    if let Some(path) = arguments.data_file {
        assign = assign.data(bytes::file_or_stdin(&path, DATA_BYTES_MAX)?);
    }
    if let Some(generation) = arguments.replacing {
        assign = assign.replacing(generation);
    }
    let assigned = assign.await?;
    let json = json!({
        "task": assigned.task,
        "worker": assigned.worker,
        "generation": assigned.generation,
        "revision": assigned.revision,
    });
    global.output.show(&json, || match &assigned.worker {
        Some(worker) => format!(
            "worker {worker} has task {}; generation {}",
            assigned.task, assigned.generation
        ),
        None => format!("task {} waits; generation {}", assigned.task, assigned.generation),
    })
}

async fn see_to(client: &Client, verb: AssignVerb, global: &Global) -> Result<(), Failure> {
    match verb {
        AssignVerb::List { worker, pending } => {
            let list = client.assignments();
            let tasks = match worker {
                Some(worker) => list.of(worker).await?,
                None if pending => list.pending().await?,
                None => list.await?,
            };
            let json = json!({ "tasks": tasks.iter().map(shown).collect::<Vec<_>>() });
            global.output.show(&json, || table(&tasks))
        }
        AssignVerb::Show { task } => {
            let found = found(client, &task).await?;
            let mut json = serde_json::Map::new();
            bytes::put_json(&mut json, "data", &found.data, false);
            if let Value::Object(rest) = shown(&found) {
                json.extend(rest);
            }
            let text = || {
                let data = bytes::shown(&found.data, false);
                format!("{}\ndata: {data}", table(std::slice::from_ref(&found)))
            };
            global.output.show(&Value::Object(json), text)
        }
        AssignVerb::Complete { task, generation } => complete(client, task, generation, global).await,
        AssignVerb::Unassign { task, generation } => {
            let generation = client.unassign(&task, generation).await?;
            let json = json!({ "task": task, "generation": generation });
            let text = || format!("task {task} waits; generation {generation}");
            global.output.show(&json, text)
        }
        AssignVerb::Cancel { task, generation } => {
            client.cancel_task(&task, generation).await?;
            let json = json!({ "task": task });
            global.output.show(&json, || format!("task {task} is cancelled"))
        }
        AssignVerb::Pending => assign_pending(client, global).await,
        AssignVerb::Plan { moves } => {
            let plan = client.rebalance().moves_max(moves).await?;
            let moves: Vec<Value> = plan.moves.iter().map(move_shown).collect();
            let json = json!({ "moves": moves, "complete": plan.complete });
            global.output.show(&json, || moves_table(&plan.moves))
        }
        AssignVerb::Rebalance { moves } => rebalance(client, moves, global).await,
    }
}

/// Whoever has it is believed to have done it.
async fn complete(client: &Client, task: String, generation: Option<u64>, global: &Global) -> Result<(), Failure> {
    let found = found(client, &task).await?;
    let Some(worker) = found.worker else {
        let message = format!("task {task:?} waits and nobody has it: cancel it instead");
        return Err(Failure::new(Exit::Refused, "fenced", message));
    };
    let generation = generation.unwrap_or(found.generation);
    client.txn().then(WorkerOp::complete(&task, worker, generation)).await?;
    let json = json!({ "task": task, "generation": generation });
    global.output.show(&json, || format!("task {task} is done"))
}

async fn assign_pending(client: &Client, global: &Global) -> Result<(), Failure> {
    let placed = client.assign_pending().await?;
    let tasks = placed
        .iter()
        .map(|placed| json!({ "task": placed.task, "worker": placed.worker, "generation": placed.generation }));
    let json = json!({ "placed": tasks.collect::<Vec<_>>() });
    global.output.show(&json, || {
        let rows = placed.iter().map(|placed| {
            let generation = placed.generation.to_string();
            vec![placed.task.clone(), placed.worker.clone(), generation]
        });
        output::table(&["task", "worker", "generation"], rows)
    })
}

async fn rebalance(client: &Client, moves_max: u32, global: &Global) -> Result<(), Failure> {
    let plan = client.rebalance().moves_max(moves_max).await?;
    let applied = plan.apply().await?;
    let refused = applied.refused.iter().map(|(planned, error)| {
        let mut json = move_shown(planned);
        json["reason"] = error.message().into();
        json
    });
    let refused: Vec<Value> = refused.collect();
    let json = json!({ "moved": applied.moved, "refused": refused, "complete": plan.complete });
    global.output.show(&json, || {
        let mut text = format!("tasks moved: {}", applied.moved);
        for (planned, error) in &applied.refused {
            text.push_str(&format!("\n{} was not: {}", planned.task, error.message()));
        }
        if !plan.complete {
            text.push_str("\nthere is more to move: do it again");
        }
        text
    })
}

async fn found(client: &Client, task: &str) -> Result<Assignment, Failure> {
    client.task(task).await?.ok_or_else(|| {
        let message = format!("there is no task {task:?}");
        Failure::new(Exit::Refused, "unknown_task", message)
    })
}

/// A task as JSON, without its data.
pub fn shown(task: &Assignment) -> Value {
    json!({
        "task": task.task,
        "worker": task.worker,
        "generation": task.generation,
        "labels": task.labels,
        "data_bytes": task.data_bytes,
        "created_revision": task.created_revision,
        "since": output::time(task.since),
    })
}

/// Tasks as a table.
pub fn table(tasks: &[Assignment]) -> String {
    let rows = tasks.iter().map(|task| {
        vec![
            task.task.clone(),
            task.worker.clone().unwrap_or_else(|| "(waits)".to_owned()),
            task.generation.to_string(),
            labels::text(&task.labels),
            format!("{} B", task.data_bytes),
            output::time(task.since),
        ]
    });
    output::table(&["task", "worker", "generation", "labels", "data", "since"], rows)
}

fn move_shown(planned: &PlannedMove) -> Value {
    json!({ "task": planned.task, "from": planned.from, "generation": planned.generation, "to": planned.to })
}

fn moves_table(moves: &[PlannedMove]) -> String {
    let rows = moves
        .iter()
        .map(|planned| vec![planned.task.clone(), planned.from.clone(), planned.to.clone()]);
    output::table(&["task", "from", "to"], rows)
}
