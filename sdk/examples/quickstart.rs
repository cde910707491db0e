//! Writes, reads and deletes a few keys: `cargo run -p quorate --example quickstart [HOST:PORT ...]`.

use quorate::{Client, Consistency, Keys};

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
    let written = client.put("jobs/1", "ready").await?;
    let swapped = client.compare_and_swap("jobs/1", written.revision, "taken").await?;
    println!("taken: {}", swapped.swapped);
    let read = client.get("jobs/1").consistency(Consistency::Local).await?;
    println!("it is now {:?}", read.record.map(|record| record.value));
    let deleted = client.delete(Keys::prefix("jobs/")).await?;
    println!("{} key gone at revision {}", deleted.deleted, deleted.revision);
    client.close().await;
    Ok(())
}
