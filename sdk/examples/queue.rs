//! A queue that loses nothing, whoever works on it at the same time: `cargo run -p quorate --example queue [HOST:PORT]`.

use quorate::{ErrorKind, Memory, NewItem, QueueConfig, QueueState, Result};

const TASKS: usize = 40;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    // Four workers take from one queue. Each task is done once.
    let memory = memory("producer").await?;
    let queue = memory.queue();
    queue.create_if_missing(QueueConfig::default()).await?;
    let tasks = (0..TASKS).map(|number| NewItem::new(format!("task-{number}")));
    queue.push_all(tasks).await?;
    let workers = (0..4).map(|worker| tokio::spawn(consume(format!("consumer-{worker}"))));
    let mut done = Vec::new();
    for worker in futures::future::join_all(workers).await {
        let tasks = worker.expect("no worker panics")?;
        println!("one worker did {}", tasks.len());
        done.extend(tasks);
    }
    done.sort();
    done.dedup();
    assert_eq!(done.len(), TASKS);

    // The whole queue as lists, changed and written back: refused if anybody was faster.
    memory.sync_queue(&QueueState::new(["a", "b"], ["c"])).await?;
    let mut mine = memory.get_queue().await?;
    assert_eq!((mine.pending.len(), mine.processing.len()), (2, 1));
    queue.push("d").await?;
    mine.pending.retain(|task| task != "a");
    let late = memory.sync_queue(&mine).await.unwrap_err();
    println!("too late: {late}");
    assert_eq!(late.kind(), &ErrorKind::Conflict);
    let mut again = memory.get_queue().await?;
    again.pending.retain(|task| task != "a");
    memory.sync_queue(&again).await?;
    assert_eq!(memory.get_queue().await?.pending, ["b", "d"]);
    memory.shutdown().await
}

/// Takes tasks until there are none; one that was taken and not completed in time goes to another worker.
async fn consume(worker: String) -> Result<Vec<String>> {
    let memory = memory(&worker).await?;
    let queue = memory.queue();
    let mut done = Vec::new();
    while let Some(task) = queue.claim(1).worker(&worker).await?.pop() {
        done.push(String::from_utf8_lossy(task.payload()).into_owned());
        task.ack().await?;
    }
    memory.shutdown().await?;
    Ok(done)
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/queue/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}
