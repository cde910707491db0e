//! Workers register, are assigned tasks, and leave: `cargo run -p quorate --example worker_coordination [HOST:PORT]`.

use std::collections::BTreeMap;

use quorate::{ErrorKind, Memory, MemoryChange, Result};
use serde_json::json;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let run = std::process::id();
    let names = [format!("worker-1-{run}"), format!("worker-2-{run}")];
    let coordinator = memory("coordinator").await?;

    let (assigned, mut assignments) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for name in &names {
        workers.push(join(name, assigned.clone()).await?);
    }
    let active = coordinator.get_active_workers().await?;
    let ours = active.iter().filter(|worker| names.contains(&worker.worker));
    assert_eq!(ours.clone().count(), 2);
    println!("active: {:?}", ours.map(|worker| &worker.worker).collect::<Vec<_>>());

    // Who is to do what is set in one step, and whoever follows that is told.
    let (one, two) = ([format!("a-{run}"), format!("b-{run}")], [format!("c-{run}")]);
    let wanted = [(&names[0], one.to_vec()), (&names[1], two.to_vec())];
    coordinator.sync_assignments(wanted).only_workers().await?;
    for _ in &names {
        let (worker, tasks) = assignments.recv().await.expect("the subscriptions live");
        println!("{worker} is to do {tasks:?}");
        assert_eq!(tasks, if worker == names[0] { one.to_vec() } else { two.to_vec() });
    }

    // Capacity is checked where the tasks are kept, not where they are handed out.
    let too_many = (0..3).map(|number| format!("{number}-{run}"));
    let refused = coordinator
        .sync_assignments([(&names[0], too_many)])
        .only_workers()
        .await;
    println!("three for one that can do two: {}", refused.clone().unwrap_err());
    assert!(matches!(
        refused.unwrap_err().kind(),
        ErrorKind::NoCapacity { limit: 2, .. }
    ));
    coordinator.sync_worker_capacity(&names[0], 3).await?;

    // A worker that leaves is gone for everybody; its tasks wait for another one.
    workers.remove(0).shutdown().await?;
    let active = coordinator.get_active_workers().await?;
    assert!(active.iter().any(|worker| worker.worker == names[1]));
    assert!(active.iter().all(|worker| worker.worker != names[0]));
    let left = coordinator.get_assignments().await?;
    assert_eq!(left.pending().filter(|task| one.contains(&task.task)).count(), 2);
    println!("{} has left, its tasks wait", names[0]);

    for task in one.iter().chain(&two) {
        coordinator.client().cancel_task(task, None).await?;
    }
    workers.remove(0).shutdown().await?;
    coordinator.shutdown().await
}

/// What a worker does when it comes: it says what it is, which registers it and starts its heartbeats, and follows what it
/// is assigned.
async fn join(name: &str, assigned: mpsc::UnboundedSender<(String, Vec<String>)>) -> Result<Memory> {
    let worker = memory(name).await?;
    let status = json!({"state": "active", "tasks": [], "capacity": 2});
    worker.sync_worker_status(name, &status).await?;
    let own = name.to_owned();
    let on_change = move |change: &MemoryChange| {
        let all = change.read::<BTreeMap<String, Vec<String>>>().ok().flatten();
        if let Some(tasks) = all.and_then(|mut all| all.remove(&own)) {
            let _ = assigned.send((own.clone(), tasks));
        }
    };
    worker
        .subscribe(worker.key("coordination/assignments"))
        .on_change(on_change)
        .await?;
    Ok(worker)
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/workers/{}/", std::process::id());
    Memory::builder()
        .endpoints([member])
        .worker_id(worker)
        .prefix(prefix)
        .connect()
        .await
}
