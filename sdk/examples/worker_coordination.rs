//! Workers register, are assigned tasks, and leave: `cargo run -p quorate --example worker_coordination [HOST:PORT]`.

use std::collections::BTreeMap;

use quorate::{ErrorKind, Memory, Result};
use serde_json::json;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<()> {
    let run = std::process::id();
    let names = [format!("worker-1-{run}"), format!("worker-2-{run}")];
    let coordinator = memory("coordinator").await?;

    // A worker says what it is. That registers it, and from then on its heartbeats are made in the background.
    let mut workers = Vec::new();
    for name in &names {
        let worker = memory(name).await?;
        worker
            .sync_worker_status(name, &json!({"state": "active", "tasks": [], "capacity": 2}))
            .await?;
        workers.push(worker);
    }
    let active = coordinator.get_active_workers().await?;
    let ours = active.iter().filter(|worker| names.contains(&worker.worker));
    assert_eq!(ours.clone().count(), 2);
    println!("active: {:?}", ours.map(|worker| &worker.worker).collect::<Vec<_>>());

    // A worker follows what it is assigned.
    let (assigned, mut assignments) = mpsc::unbounded_channel();
    let follow = workers[0]
        .subscribe(workers[0].key("coordination/assignments"))
        .on_change(move |change| {
            let _ = assigned.send(change.read::<BTreeMap<String, Vec<String>>>());
        });
    let follow = follow.await?;
    let (one, two) = ([format!("a-{run}"), format!("b-{run}")], [format!("c-{run}")]);
    let wanted = [(&names[0], one.to_vec()), (&names[1], two.to_vec())];
    coordinator.sync_assignments(wanted).only_workers().await?;
    let told = assignments
        .recv()
        .await
        .expect("the subscription lives")?
        .unwrap_or_default();
    println!("{} is to do {:?}", names[0], told[&names[0]]);
    assert_eq!(told[&names[0]], one);
    workers[0].unsubscribe(follow);

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
