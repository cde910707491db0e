//! Counts the changes of `jobs/*`, each once, however often it is stopped and started:
//! `cargo run -p quorate --example watch_resume [HOST:PORT ...]`.
//!
//! The count and the revision up to which it counts are written in one transaction, so neither can be ahead of the other.
//! Where history was compacted away meanwhile, the count starts over.

use quorate::{Client, ErrorKind, Keys, Op, WatchItem};

/// `<revision> <count>`.
const PROGRESS: &str = "progress/jobs";

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> quorate::Result<()> {
    let mut endpoints: Vec<String> = std::env::args().skip(1).collect();
    if endpoints.is_empty() {
        endpoints.push("127.0.0.1:7401".to_owned());
    }
    let client = Client::builder().endpoints(endpoints).connect().await?;
    loop {
        let (revision, count) = progress(&client).await?;
        println!("{count} changes up to revision {revision}");
        match follow(&client, revision, count).await {
            Err(error) if matches!(error.kind(), ErrorKind::Compacted { .. }) => start_over(&client).await?,
            ended => return ended,
        }
    }
}

/// Where it stands.
async fn progress(client: &Client) -> quorate::Result<(u64, u64)> {
    let Some(record) = client.get(PROGRESS).await?.record else {
        return Ok((0, 0));
    };
    let text = String::from_utf8_lossy(&record.value);
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0));
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

async fn follow(client: &Client, after: u64, mut count: u64) -> quorate::Result<()> {
    let mut jobs = client.watch("jobs/*").from(after + 1).await?;
    while let Some(item) = jobs.next().await {
        if let WatchItem::Events(batch) = item? {
            count += batch.events.len() as u64;
            let progress = Op::put(PROGRESS, format!("{} {count}", batch.revision));
            client.txn().then(progress).await?;
            println!("revision {}: {count} changes", batch.revision);
        }
    }
    Ok(())
}

/// What it missed is gone: from what is there now, it goes on.
async fn start_over(client: &Client) -> quorate::Result<()> {
    let jobs = client.range(Keys::pattern("jobs/*")).limit(1).await?;
    println!(
        "history was compacted; {} jobs at revision {}",
        jobs.count, jobs.revision
    );
    client.put(PROGRESS, format!("{} 0", jobs.revision)).await?;
    Ok(())
}
