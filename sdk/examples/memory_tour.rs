//! What a memory is for, group by group: `cargo run -p quorate --example memory_tour [HOST:PORT]`.
//!
//! It ends when it has shown everything, or when SIGTERM tells it to; in order, either way.

use std::time::Duration;

use futures::future::try_join_all;
use quorate::{Memory, MemoryChange, MemoryEvents, QueueState, Result};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

const TASK: &str = "task-123";
const AGENT: &str = "coder";
const TTL: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let memory = connect().await?;
    let events = tokio::spawn(log(memory.events()));
    let mut terminated = signal(SignalKind::terminate()).expect("signals can be listened to");
    let toured = tokio::select! {
        toured = tour(&memory) => toured,
        _ = terminated.recv() => Ok(()),
    };
    // What the batch holds is sent, locks are given back, and the worker is forgotten.
    toured.and(memory.shutdown().await)?;
    events.await.expect("it ends with the memory");
    Ok(())
}

async fn connect() -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let worker = format!("worker-{}", std::process::id());
    let prefix = format!("examples/tour/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}

async fn tour(memory: &Memory) -> Result<()> {
    tasks(memory).await?;
    workers(memory).await?;
    agents(memory).await?;
    queue_and_metrics(memory).await?;
    changes(memory).await?;
    many_at_once(memory).await?;
    keys(memory).await?;
    println!("{:#?}", memory.get_metrics());
    Ok(())
}

/// Whoever has the lock of a task writes its state.
async fn tasks(memory: &Memory) -> Result<()> {
    let state = json!({"status": "processing", "worker": memory.worker_id()});
    if let Some(lock) = memory.acquire_task_lock(TASK, TTL).await? {
        let write = memory.sync_task_state(TASK, &state).fence(&lock);
        lock.hold_while(write).await??;
    }
    memory.sync_task_progress(TASK, 75, "processing").await?;

    // A call that was refused says why, and whether it may have been applied. What can be tried again was tried again.
    if let Err(error) = memory.sync_task_state(TASK, "new").expected_revision(0).await {
        println!("{error}; {:?}", error.outcome());
    }
    let read = memory.get_task_state::<Value>(TASK).await?.expect("it was written");
    assert_eq!(read.value, state);
    Ok(())
}

/// What a worker says of itself registers it; how much it takes may change.
async fn workers(memory: &Memory) -> Result<()> {
    let worker = memory.worker_id();
    let status = json!({"state": "active", "capacity": 5});
    memory.sync_worker_status(worker, &status).await?;
    memory.sync_worker_capacity(worker, 3).await?;
    let active = memory.get_active_workers().await?;
    let this = active.iter().find(|active| active.worker == worker);
    assert_eq!(this.expect("it has just come").capacity, 3);
    Ok(())
}

/// Each agent of a task has its own value, whatever that is.
async fn agents(memory: &Memory) -> Result<()> {
    let notes = json!({"phase": "implementation", "files": ["src/app.rs"]});
    memory.sync_agent_coordination(TASK, AGENT, &notes).await?;
    let read = memory.get_agent_coordination::<Value>(TASK, AGENT).await?;
    let all = memory.get_task_agents::<Value>(TASK).await?;
    assert_eq!(all[AGENT], read.expect("it was written").value);
    Ok(())
}

/// A queue as lists, and numbers that everybody sees.
async fn queue_and_metrics(memory: &Memory) -> Result<()> {
    let lists = QueueState::new(["task-1", "task-2"], ["task-3"]);
    memory.sync_queue(&lists).await?;
    let queue = memory.get_queue().await?;
    assert_eq!((queue.pending.len(), queue.processing.len()), (2, 1));
    memory.sync_metrics(&json!({"total": 100, "average_ms": 45.2})).await?;
    assert_eq!(memory.get_shared_metrics().await?.fields["total"], 100);
    Ok(())
}

/// Callbacks for what matches a pattern.
async fn changes(memory: &Memory) -> Result<()> {
    let changed = |change: &MemoryChange| println!("{}: {:?}", change.key, change.kind);
    let gone = |key: &str| println!("{key} is not in the cache any more");
    let states = memory.key("tasks/task-*/state");
    let states = memory.subscribe(states).on_change(changed).on_invalidate(gone).await?;
    let statuses = memory.key("workers/*/status");
    let statuses = memory.subscribe(statuses).on_change(changed).await?;
    memory.sync_task_state(TASK, "reviewed").await?;
    assert!(memory.unsubscribe(states) && memory.unsubscribe(statuses));
    Ok(())
}

/// Writes that are under way together share messages, and progress goes with whatever comes next.
async fn many_at_once(memory: &Memory) -> Result<()> {
    let state = memory.sync_task_state(TASK, "completed");
    let notes = memory.sync_agent_coordination(TASK, AGENT, "done");
    tokio::try_join!(state, notes, memory.sync_task_progress(TASK, 100, "completed"))?;
    memory.force_sync().await?;

    let before = memory.get_metrics().writes;
    let note = |text| memory.write(memory.key("notes/1"), text).into_future();
    try_join_all(["one", "two", "three"].map(note)).await?;
    assert_eq!(memory.get_metrics().writes - before, 3);
    Ok(())
}

/// Any key, with any value. A read that the cache can answer costs no call, and never misses what this memory has written.
async fn keys(memory: &Memory) -> Result<()> {
    let key = memory.key("notes/1");
    println!("{:?}", memory.read::<String>(&key).await?);
    memory.write(&key, "four").await?;
    let read = memory.read::<String>(&key).await?.expect("it was written");
    println!("{:?} from {:?}", read.value, read.source);
    assert_eq!(read.value, "four");
    let dropped = memory.invalidate_pattern(memory.key("notes/*")).await? + memory.clear_cache()?;
    println!("{dropped} entries of the cache were dropped");
    for found in memory.search_keys(memory.key("notes/*")).await? {
        assert!(memory.delete(&found.key).await?, "{} was there", found.key);
    }
    Ok(())
}

/// What the memory does, until it is shut down.
async fn log(mut events: MemoryEvents) {
    while let Some(event) = events.next().await {
        println!("{}: {event:?}", event.name());
    }
}
