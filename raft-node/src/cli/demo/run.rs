//! The demonstration from start to report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use quorate::{Client, Keys, Op};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fault::{all_well, follow, kill_the_leader};
use super::input::{self, InputFile};
use super::report::Report;
use super::worker::{self, Floor, Task, TaskResult};
use super::{Cluster, Counts, Leadership, WriteGap};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Format;
use crate::cli::progress;
use crate::cli::verbs::server::stop_signal;

/// Tasks created in one transaction; a transaction takes 128 operations.
const TASKS_PER_TXN: usize = 100;

/// A call waits this long for a new leader.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The files.
    pub input: PathBuf,
    /// How many workers.
    pub workers: u16,
    /// Keep data and logs.
    pub keep: bool,
}

/// Runs it; a signal ends it early, and the nodes with it.
pub async fn run(plan: Plan, output: Format) -> Result<Exit, Failure> {
    let files = input::collect(&plan.input)?;
    let stop = stop_signal()?;
    let mut cluster = Cluster::start(plan.keep)?;
    let report = tokio::select! {
        report = scenario(&mut cluster, files, plan.workers) => report,
        () = stop => Err(Failure::local("interrupted")),
    };
    if plan.keep {
        eprintln!("data and logs are in {}", cluster.directory().display());
    }
    drop(cluster);
    let report = report?;
    output.show(&report.to_json(), || report.to_text())?;
    Ok(Exit::Success)
}

async fn scenario(cluster: &mut Cluster, files: Vec<InputFile>, workers: u16) -> Result<Report, Failure> {
    let endpoints = cluster.endpoints();
    let client = connect_first(cluster, &endpoints).await?;
    all_well(cluster, &client).await?;
    eprintln!("three nodes run at {}", endpoints.join(", "));

    let leadership = Arc::new(Leadership::default());
    let mut followers = JoinSet::new();
    for endpoint in &endpoints {
        followers.spawn(follow(client.clone(), endpoint.clone(), leadership.clone()));
    }

    let created = create_tasks(&client, &files).await?;
    let (killed, leader_killed) = watch::channel(false);
    let total = files.len();
    let template = "{spinner} {pos}/{len} files [{wide_bar}] {per_sec}";
    let floor = Arc::new(Floor {
        gate: gate(total, workers),
        files,
        created,
        done: watch::channel(0).0,
        claimed: AtomicUsize::new(0),
        leader_killed,
        gap: WriteGap::default(),
        bar: progress::bar(Some(total as u64), template),
    });
    let start = Instant::now();
    let mut clients = Vec::new();
    let mut tasks = JoinSet::new();
    for place in 0..usize::from(workers) {
        let client = connect(&endpoints, &format!("worker-{}", place + 1)).await?;
        clients.push(client.clone());
        tasks.spawn(worker::work(client, floor.clone(), place, usize::from(workers)));
    }
    let work = async {
        while let Some(joined) = tasks.join_next().await {
            joined.map_err(|error| Failure::local(format!("a worker failed: {error}")))??;
        }
        Ok(start.elapsed())
    };
    let fault = kill_the_leader(cluster, floor.clone(), &leadership, &killed);
    let (elapsed, ()) = tokio::try_join!(work, fault)?;
    floor.bar.finish_and_clear();

    all_well(cluster, &client).await?;
    drop(followers);
    let counts = verify(&client, &floor.files).await?;
    let stats = clients.iter().map(Client::stats);
    let (operations, retries, unknown_outcomes) = stats.fold((0, 0, 0), |sum, stats| {
        (
            sum.0 + stats.calls,
            sum.1 + stats.retries,
            sum.2 + stats.unknown_outcomes,
        )
    });
    Ok(Report {
        files: total,
        counts,
        workers,
        operations,
        elapsed,
        leader_changes: leadership.changes(),
        write_gap: floor.gap.longest(),
        retries,
        unknown_outcomes,
    })
}

/// The claim from which on work waits for the kill: beyond the half at which it happens, so that writes are in flight
/// then, but never beyond the last file.
fn gate(total: usize, workers: u16) -> usize {
    (total / 2 + usize::from(workers)).min(total - 1)
}

async fn connect(endpoints: &[String], name: &str) -> Result<Client, Failure> {
    let builder = Client::builder().endpoints(endpoints.to_vec()).name(name);
    Ok(builder.call_timeout(CALL_TIMEOUT).connect().await?)
}

/// The nodes are just starting: tries until one answers.
async fn connect_first(cluster: &mut Cluster, endpoints: &[String]) -> Result<Client, Failure> {
    const START_MAX: Duration = Duration::from_secs(20);
    let deadline = Instant::now() + START_MAX;
    loop {
        if let Some(failure) = cluster.ended() {
            return Err(failure);
        }
        match connect(endpoints, "demo").await {
            Ok(client) => return Ok(client),
            Err(failure) if Instant::now() > deadline => return Err(failure),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Creates every task; returns the revision of each.
async fn create_tasks(client: &Client, files: &[InputFile]) -> Result<Vec<u64>, Failure> {
    let mut created = Vec::with_capacity(files.len());
    for chunk in files.chunks(TASKS_PER_TXN) {
        let mut txn = client.txn();
        for (place, file) in chunk.iter().enumerate() {
            let task = Task {
                path: file.path.display().to_string(),
                worker: None,
                done: false,
            };
            txn = txn.then(Op::put(worker::task_key(created.len() + place), worker::json(&task)?));
        }
        let revision = txn.await?.revision;
        created.extend(chunk.iter().map(|_| revision));
    }
    Ok(created)
}

/// Compares every result in the store with the plain count; returns the sum.
async fn verify(client: &Client, files: &[InputFile]) -> Result<Counts, Failure> {
    let (mut sum, mut next) = (Counts::default(), 0);
    while next < files.len() {
        let keys = Keys::interval(worker::result_key(next), "demo/results0");
        let page = client.range(keys).limit(1000).await?;
        if page.records.is_empty() {
            break;
        }
        for record in &page.records {
            if worker::number_of(&record.key) != Some(next) {
                return Err(differs(files, next, "has no result"));
            }
            let result: TaskResult = serde_json::from_slice(&record.value)
                .map_err(|error| differs(files, next, &format!("has a result that does not parse: {error}")))?;
            if result.counts != files[next].expected {
                let (found, expected) = (result.counts, files[next].expected);
                let what = format!("was counted as {found:?}, but is {expected:?}, or was changed meanwhile");
                return Err(differs(files, next, &what));
            }
            sum += result.counts;
            next += 1;
            if next == files.len() {
                break;
            }
        }
    }
    if next < files.len() {
        return Err(differs(files, next, "has no result"));
    }
    Ok(sum)
}

fn differs(files: &[InputFile], number: usize, what: &str) -> Failure {
    Failure::local(format!("task {number}, {}, {what}", files[number].path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_can_always_be_done_before_the_gate_and_something_always_waits_behind_it() {
        for total in 1..100 {
            for workers in [1, 8, 200] {
                let gate = gate(total, workers);
                assert!(gate >= total / 2, "{total} files, {workers} workers");
                assert!(gate < total, "{total} files, {workers} workers");
            }
        }
    }
}
