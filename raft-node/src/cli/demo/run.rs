//! The demonstration from start to report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quorate::{Client, ItemState, Keys, NewItem, QueueConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fault::{all_well, follow, kill_the_leader};
use super::input::{self, InputFile};
use super::live;
use super::lost::LostWorker;
use super::report::Report;
use super::worker::{self, FILES_PER_CLAIM, Floor, QUEUE, REPORT_KEY, Task, TaskResult, Total};
use super::{Cluster, Counts, Leadership, WriteGap};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Format;
use crate::cli::progress;
use crate::cli::verbs::server::stop_signal;

/// Files pushed in one call.
const FILES_PER_PUSH: usize = 128;

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

    push_files(&client, &files).await?;
    // Before the others begin: it gets the first files, and never more than half of them.
    let lost = LostWorker::start(&endpoints, held_by_the_lost(files.len())).await?;
    let held_by_lost = lost.held();
    let (killed, leader_killed) = watch::channel(false);
    let total = files.len();
    let template = "{spinner} {pos}/{len} files [{wide_bar}] {per_sec}\n  {wide_msg}";
    let floor = Arc::new(Floor {
        gate: gate(total, workers),
        files,
        done: watch::channel(0).0,
        begun: AtomicUsize::new(0),
        came_back: AtomicUsize::new(0),
        leader_killed,
        bar: progress::bar(Some(total as u64), template),
        traffic: Arc::default(),
        reported: AtomicU64::new(0),
    });
    let start = Instant::now();
    let gap = Arc::new(WriteGap::default());
    followers.spawn(Arc::clone(&gap).watch(connect(&endpoints, "pulse").await?));
    // Nobody writes its progress at the node at which it is read.
    let (reader, writers) = endpoints
        .split_last()
        .ok_or_else(|| Failure::local("there is no node"))?;
    let reader = connect_near(&endpoints, "progress", reader).await?;
    followers.spawn(live::show(
        reader.clone(),
        floor.bar.clone(),
        Arc::clone(&floor.traffic),
    ));
    let mut clients = Vec::new();
    let mut tasks = JoinSet::new();
    for place in 0..usize::from(workers) {
        let name = format!("worker-{}", place + 1);
        let client = connect_near(&endpoints, &name, &writers[place % writers.len()]).await?;
        clients.push(client.clone());
        tasks.spawn(worker::work(client, floor.clone(), name));
    }
    let work = async {
        while let Some(joined) = tasks.join_next().await {
            joined.map_err(|error| Failure::local(format!("a worker failed: {error}")))??;
        }
        Ok(start.elapsed())
    };
    let faults = async {
        lost.kill().await;
        let what = format!("killed a worker with SIGKILL while it held {held_by_lost} files");
        progress::say(&floor.bar, &what);
        kill_the_leader(cluster, floor.clone(), &leadership, &killed).await
    };
    let (elapsed, ()) = tokio::try_join!(work, faults)?;
    floor.bar.finish_and_clear();

    all_well(cluster, &client).await?;
    drop(followers);
    live::verify(&reader, floor.reported.load(Ordering::Relaxed)).await?;
    let counts = verify(&client, &floor.files).await?;
    let came_back = floor.came_back.load(Ordering::Relaxed);
    if came_back < held_by_lost {
        return Err(Failure::local(format!(
            "the lost worker held {held_by_lost} files, but only {came_back} were claimed again"
        )));
    }
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
        came_back,
        reports: floor.traffic.written.load(Ordering::Relaxed),
        reports_failed: floor.traffic.failed.load(Ordering::Relaxed),
        report_reads: floor.traffic.reads.load(Ordering::Relaxed),
        operations,
        elapsed,
        leader_changes: leadership.changes(),
        write_gap: gap.longest(),
        retries,
        unknown_outcomes,
    })
}

/// Files that the lost worker claims: the others can do the half at which the leader is killed without them.
fn held_by_the_lost(total: usize) -> usize {
    (total / 2).clamp(1, FILES_PER_CLAIM as usize)
}

/// The file from which on work waits for the kill of the leader: beyond the half at which it happens, so that writes are in
/// flight then, but never beyond the last file.
fn gate(total: usize, workers: u16) -> usize {
    (total / 2 + usize::from(workers)).min(total - 1)
}

async fn connect(endpoints: &[String], name: &str) -> Result<Client, Failure> {
    let builder = Client::builder().endpoints(endpoints.to_vec()).name(name);
    Ok(builder.call_timeout(CALL_TIMEOUT).connect().await?)
}

/// A client whose calls of the eventual tier go to one node, while that can be reached.
async fn connect_near(endpoints: &[String], name: &str, node: &str) -> Result<Client, Failure> {
    let builder = Client::builder().endpoints(endpoints.to_vec()).name(name).nearest(node);
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

/// Makes the queue and pushes every file.
async fn push_files(client: &Client, files: &[InputFile]) -> Result<(), Failure> {
    let queue = client.queue(QUEUE);
    queue.create(QueueConfig::default()).await?;
    let mut numbers = 0..;
    for chunk in files.chunks(FILES_PER_PUSH) {
        let items = chunk.iter().zip(&mut numbers).map(|(file, number)| {
            let path = file.path.display().to_string();
            Ok(NewItem::new(worker::json(&Task { number, path })?))
        });
        queue.push_all(items.collect::<Result<Vec<_>, Failure>>()?).await?;
    }
    Ok(())
}

/// Checks what is in the store against the plain count: every result, each written once, the report, and that nothing is
/// left in the queue. Returns the sum.
async fn verify(client: &Client, files: &[InputFile]) -> Result<Counts, Failure> {
    let counts = verify_results(client, files).await?;
    let report = client.get(REPORT_KEY).await?.record;
    let report = report.ok_or_else(|| Failure::local("nobody wrote the report"))?;
    let total: Total = serde_json::from_slice(&report.value)
        .map_err(|error| Failure::local(format!("the report does not parse: {error}")))?;
    if report.version != 1 || (total.files, total.counts) != (files.len(), counts) {
        let what = format!("the report was written {} times and says {total:?}", report.version);
        return Err(Failure::local(format!("{what}; the results add up to {counts:?}")));
    }
    for state in [
        ItemState::Ready,
        ItemState::Delayed,
        ItemState::Claimed,
        ItemState::Dead,
    ] {
        let left = client.queue(QUEUE).peek(state, 1).await?.items;
        if let Some(item) = left.first() {
            return Err(Failure::local(format!("the queue still holds {item:?}")));
        }
    }
    Ok(counts)
}

/// Compares every result in the store with the plain count; returns the sum.
async fn verify_results(client: &Client, files: &[InputFile]) -> Result<Counts, Failure> {
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
            if record.version != 1 {
                return Err(differs(files, next, &format!("was written {} times", record.version)));
            }
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
