//! Many writes at once, and reads that cost no call: `cargo run -p quorate --example batch_operations [HOST:PORT]`.
//!
//! There is no code for retries or a circuit breaker: the client has both, and a write that it repeats is done once.

use futures::future::try_join_all;
use quorate::{Keys, Memory, MemoryEvent, Result, Source};

const TASKS: usize = 500;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/batch/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id("worker-1");
    let memory = builder.prefix(prefix).connect().await?;
    let tasks: Vec<String> = (0..TASKS).map(|number| format!("task-{number}")).collect();

    // Writes that are under way together share messages: none waits for the one before.
    let ready = |task: &String| memory.sync_task_state(task, "ready").into_future();
    try_join_all(tasks.iter().map(ready)).await?;
    let stats = memory.client().stats();
    println!("{TASKS} states were written by {} calls", stats.calls);

    // Reports of one task that wait together become one write, and all of them one request.
    let mut events = memory.events();
    for percent in [10, 50, 100] {
        for task in &tasks {
            memory.sync_task_progress(task, percent, "running").await?;
        }
    }
    let written = memory.force_sync().await?;
    println!("{} reports became {written} writes", 3 * TASKS);
    assert!(written <= 3 * TASKS as u64);
    let flushes = memory.get_metrics().syncs;
    let mut told = 0;
    while told < flushes {
        match events.next().await {
            Some(MemoryEvent::BatchFlushed { written, .. }) => {
                println!("a batch of {written}");
                told += 1;
            }
            Some(MemoryEvent::Lagged { missed }) => {
                println!("{missed} events went by unread");
                break;
            }
            Some(_) => {}
            None => break,
        }
    }
    let progress = memory.get_task_progress("task-7").await?.expect("it was reported");
    assert_eq!(progress.percent, 100);

    // What was read once is answered from the cache, as long as that can prove how fresh it is.
    let cache = memory.cache().expect("its own client has one");
    let states = Keys::pattern(memory.key("tasks/*/state"));
    let warmed = cache.warm_up([states]).await?;
    println!("{} states were read ahead", warmed.read);
    let mut from_cache = 0;
    for task in &tasks {
        let state = memory.get_task_state::<String>(task).await?.expect("it was written");
        from_cache += usize::from(state.source == Source::Cache);
    }
    println!("{from_cache} of {TASKS} reads cost no call: {:?}", cache.stats());
    assert!(from_cache > 0);
    let dropped = memory.invalidate_pattern(memory.key("tasks/task-1*/state")).await?;
    let others = memory.clear_cache()?;
    println!("{dropped} were dropped, and then {others} others");
    assert!(dropped > 0 && others > 0);
    memory.shutdown().await
}
