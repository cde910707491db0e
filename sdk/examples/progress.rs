//! Workers report progress and count together, in the eventual tier:
//! `cargo run -p quorate --example progress [HOST:PORT ...]`.

use std::time::Duration;

use quorate::{Client, Keys, Result, Strategy};

const WORKERS: u64 = 4;
const STEPS: u64 = 50;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let mut endpoints: Vec<String> = std::env::args().skip(1).collect();
    if endpoints.is_empty() {
        endpoints.push("127.0.0.1:7401".to_owned());
    }
    let client = Client::builder()
        .endpoints(endpoints)
        .name("progress")
        .connect()
        .await?;
    let eventual = client.eventual();
    eventual.counter("examples/steps").delete().await?;

    // One writer for all: of the reports of a worker that wait together only the last is sent.
    let batch = eventual.batch().strategy(Strategy::LastWrite).open()?;
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        let (batch, eventual) = (batch.clone(), eventual.clone());
        workers.spawn(async move {
            for step in 1..=STEPS {
                tokio::time::sleep(Duration::from_millis(2)).await;
                let percent = (step * 100 / STEPS).to_string();
                let key = format!("examples/progress/{worker}");
                let report = eventual.put(key, percent).ttl(Duration::from_secs(60));
                batch.push(report).await?;
                batch.add("examples/steps", 1).await?;
            }
            Result::Ok(())
        });
    }
    for ended in workers.join_all().await {
        ended?;
    }
    let flushed = batch.close().await;
    println!(
        "{} writes were sent for {} reports",
        flushed.written,
        2 * WORKERS * STEPS
    );
    for failure in &flushed.failed {
        println!("{}: {}", failure.key.escape_ascii(), failure.error);
    }

    // Another client, perhaps at another member, reads nothing older than what this one has written.
    let token = client.causal_token().to_string();
    let reader = Client::builder().endpoints(client_endpoints()).connect().await?;
    reader.observe(&token.parse()?);
    for entry in reader
        .eventual()
        .scan(Keys::prefix("examples/progress/"))
        .all(1_000)
        .await?
    {
        println!("{}: {} %", entry.key.escape_ascii(), entry.value.escape_ascii());
    }
    println!("{} steps", reader.eventual().counter("examples/steps").get().await?);
    reader.close().await;
    client.close().await;
    Ok(())
}

/// The members that the reader goes to: those of the command line, the last one first.
fn client_endpoints() -> Vec<String> {
    let mut endpoints: Vec<String> = std::env::args().skip(1).collect();
    endpoints.reverse();
    if endpoints.is_empty() {
        endpoints.push("127.0.0.1:7401".to_owned());
    }
    endpoints
}
