//! A task is executed by whoever holds its lock, and its state is written under that lock:
//! `cargo run -p quorate --example task_execution [HOST:PORT]`.

use std::time::Duration;

use quorate::{Consistency, ErrorKind, Memory, Result};
use serde_json::{Value, json};

const TTL: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let (first, second) = (memory("worker-1").await?, memory("worker-2").await?);

    // Both want the task, one gets it.
    let done = tokio::try_join!(execute(&first, "report", 100), execute(&second, "report", 100))?;
    println!("executed by worker-1: {}, by worker-2: {}", done.0, done.1);
    assert!(done.0 || done.1);
    assert_eq!(status_of(&first, "report").await?, "completed");
    // What is known to whoever did it, and what waits in its batch, is to be seen by the other.
    tokio::try_join!(first.force_sync(), second.force_sync())?;
    second.client().observe(&first.client().causal_token());
    let progress = second.get_task_progress("report").await?.expect("it was reported");
    println!("{} percent, by {}", progress.percent, progress.worker);
    assert_eq!(progress.percent, 100);

    // A task that fails says why, and the next one who wants it has its lock.
    let failed = execute(&first, "too-much", 110).await.unwrap_err();
    println!("failed: {failed}");
    assert_eq!(status_of(&second, "too-much").await?, "failed");
    assert!(execute(&second, "too-much", 100).await?);
    assert_eq!(status_of(&first, "too-much").await?, "completed");

    // One that lost the lock cannot write any more, however late it notices.
    let lost = first.acquire_task_lock("slow", TTL).await?.expect("it is free");
    let stalled = lost.token();
    let name = first.key("tasks/slow/lock");
    first.client().force_release(name, stalled, "it stalled").await?;
    let next = second.acquire_task_lock("slow", TTL).await?.expect("it is free again");
    assert!(next.token() > stalled);
    second.sync_task_state("slow", "taken over").fence(&next).await?;
    let late = first.sync_task_state("slow", "late").fence(&lost).await.unwrap_err();
    println!("the first one, late: {late}");
    assert_eq!(late.kind(), &ErrorKind::Fenced);
    let locks = first.get_metrics().locks;
    println!(
        "worker-1 took {} locks, and met {} that others had",
        locks.acquired, locks.contended
    );

    second.shutdown().await?;
    // Of the lock that was taken away it is told.
    assert_eq!(first.shutdown().await.unwrap_err().kind(), &ErrorKind::Fenced);
    Ok(())
}

/// Whether it was this one that executed the task. What came of it is in the state, and the lock is given back, whatever it
/// was.
async fn execute(memory: &Memory, task: &str, last_percent: u8) -> Result<bool> {
    let Some(lock) = memory.acquire_task_lock(task, TTL).await? else {
        return Ok(false);
    };
    let executed = async {
        let started = json!({"status": "processing", "worker": memory.worker_id()});
        memory.sync_task_state(task, &started).fence(&lock).await?;
        let worked = work(memory, task, last_percent).await;
        let ended = match &worked {
            Ok(()) => json!({"status": "completed"}),
            Err(error) => json!({"status": "failed", "error": error.to_string()}),
        };
        memory.sync_task_state(task, &ended).fence(&lock).await?;
        worked
    };
    lock.hold_while(executed).await??;
    Ok(true)
}

async fn work(memory: &Memory, task: &str, last_percent: u8) -> Result<()> {
    for percent in (0..=last_percent).step_by(10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        memory.sync_task_progress(task, percent, "processing").await?;
    }
    Ok(())
}

/// What everybody would read, wherever.
async fn status_of(memory: &Memory, task: &str) -> Result<String> {
    let state = memory
        .get_task_state::<Value>(task)
        .consistency(Consistency::Strong)
        .await?;
    let state = state.expect("it was written");
    Ok(state["status"].as_str().unwrap_or_default().to_owned())
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/tasks/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}
