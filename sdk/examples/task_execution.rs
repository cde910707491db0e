//! A task is executed by whoever holds its lock, and its state is written under that lock:
//! `cargo run -p quorate --example task_execution [HOST:PORT]`.

use std::time::Duration;

use quorate::{ErrorKind, Memory, Result};
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
    let done = tokio::try_join!(execute(&first, "report"), execute(&second, "report"))?;
    println!("executed by worker-1: {}, by worker-2: {}", done.0, done.1);
    assert!(done.0 || done.1);
    let state = first.get_task_state::<Value>("report").await?.expect("it was written");
    assert_eq!(state["status"], "completed");
    let progress = second.get_task_progress("report").await?.expect("it was reported");
    println!(
        "{} percent, {}, by {}",
        progress.percent, progress.status, progress.worker
    );
    assert_eq!(progress.percent, 100);

    // One that lost the lock cannot write any more, however late it notices.
    let lost = first.acquire_task_lock("slow", TTL).await?.expect("it is free");
    let stalled = lost.token();
    first
        .client()
        .force_release(lock_of(&first, "slow"), stalled, "it stalled")
        .await?;
    let next = second.acquire_task_lock("slow", TTL).await?.expect("it is free again");
    assert!(next.token() > stalled);
    second.sync_task_state("slow", "taken over").fence(&next).await?;
    let late = first.sync_task_state("slow", "late").fence(&lost).await.unwrap_err();
    println!("the first one, late: {late}");
    assert_eq!(late.kind(), &ErrorKind::Fenced);
    let locks = first.get_metrics().locks;
    println!(
        "worker-1 took {} locks and met {} taken",
        locks.acquired, locks.contended
    );

    second.shutdown().await?;
    // Of the lock that was taken away it is told.
    assert_eq!(first.shutdown().await.unwrap_err().kind(), &ErrorKind::Fenced);
    Ok(())
}

/// Whether it was this one that executed the task.
async fn execute(memory: &Memory, task: &str) -> Result<bool> {
    let Some(lock) = memory.acquire_task_lock(task, TTL).await? else {
        return Ok(false);
    };
    memory
        .sync_task_state(task, &json!({"status": "processing", "worker": memory.worker_id()}))
        .fence(&lock)
        .await?;
    let ended = match work(memory, task).await {
        Ok(()) => json!({"status": "completed"}),
        Err(error) => json!({"status": "failed", "error": error.to_string()}),
    };
    memory.sync_task_state(task, &ended).fence(&lock).await?;
    lock.release().await?;
    Ok(true)
}

async fn work(memory: &Memory, task: &str) -> Result<()> {
    for percent in (0..=100).step_by(10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        memory.sync_task_progress(task, percent, "processing").await?;
    }
    memory.force_sync().await.map(|_| ())
}

fn lock_of(memory: &Memory, task: &str) -> String {
    memory.key(format!("tasks/{task}/lock"))
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/tasks/{}/", std::process::id());
    Memory::builder()
        .endpoints([member])
        .worker_id(worker)
        .prefix(prefix)
        .connect()
        .await
}
