//! A board that follows tasks, workers and metrics of a fleet as they change:
//! `cargo run -p quorate --example monitoring [HOST:PORT]`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate::{Memory, MemoryChange, Result, SubscriptionId};
use serde_json::{Value, json};

/// What is shown, by key.
type Board = Arc<Mutex<std::collections::BTreeMap<String, Value>>>;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let (dashboard, worker) = (memory("dashboard").await?, memory("worker-1").await?);
    let board = Board::default();
    let subscriptions = follow(&dashboard, &board).await?;
    let reports = tokio::spawn(report(dashboard.clone()));

    let name = format!("worker-{}", std::process::id());
    let registered = memory(&name).await?;
    registered.sync_worker_status(&name, &json!({"state": "busy"})).await?;
    for (task, status) in [("a", "running"), ("b", "running"), ("a", "completed")] {
        worker.sync_task_state(task, &json!({"status": status})).await?;
    }
    let load = json!({"depth": 1, "average_ms": 45.2});
    worker.sync_metrics(&load).add("completed", 1).await?;
    worker.force_sync().await?;

    // The board is told, in its own time.
    let shown = |key: &str| {
        let board = board.lock().expect("no callback panics");
        board.get(&dashboard.key(key)).cloned()
    };
    let complete = || {
        let status = |task: &str| shown(&format!("tasks/{task}/state")).map(|state| state["status"].clone());
        status("a") == Some(json!("completed"))
            && status("b") == Some(json!("running"))
            && shown(&format!("workers/{name}/status")).is_some()
            && shown("coordination/metrics").is_some_and(|metrics| metrics["depth"] == 1)
    };
    let told = async {
        while !complete() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(10), told).await;
    told.expect("everything is told");
    for (key, value) in board.lock().expect("no callback panics").iter() {
        println!("{key}: {value}");
    }

    // What the fleet counts together, and what this memory has done.
    let shared = dashboard.get_shared_metrics().await?;
    assert_eq!(shared.counters["completed"], 1);
    dashboard.get_task_state::<Value>("a").await?;
    let metrics = dashboard.get_metrics();
    assert_eq!((metrics.subscriptions, metrics.reads), (3, 2));
    reports.abort();
    for subscription in subscriptions {
        assert!(dashboard.unsubscribe(subscription));
    }
    for memory in [registered, worker, dashboard] {
        memory.shutdown().await?;
    }
    Ok(())
}

async fn follow(memory: &Memory, board: &Board) -> Result<Vec<SubscriptionId>> {
    let mut subscriptions = Vec::new();
    for pattern in ["tasks/*/state", "workers/*/status", "coordination/*"] {
        let board = Arc::clone(board);
        let show = move |change: &MemoryChange| {
            let mut board = board.lock().expect("no callback panics");
            match change.read().ok().flatten() {
                Some(value) => board.insert(change.key.clone(), value),
                None => board.remove(&change.key),
            };
        };
        subscriptions.push(memory.subscribe(memory.key(pattern)).on_change(show).await?);
    }
    Ok(subscriptions)
}

/// What this memory does, once a second.
async fn report(memory: Memory) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let metrics = memory.get_metrics();
        println!("{metrics:?}");
        let hit_rate = metrics.cache.hit_rate().unwrap_or_default();
        println!("{:.0} % of the reads cost no call", 100.0 * hit_rate);
        println!("{} conflicts in {} writes", metrics.conflicts, metrics.writes);
        let locks = metrics.locks;
        println!("{} locks taken, {} refused", locks.acquired, locks.contended);
    }
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/monitoring/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}
