//! Eight tasks count to a thousand together without a lock:
//! `cargo run -p quorate --example compare_and_swap_counter [HOST:PORT ...]`.

use quorate::{Client, Record, Result};

const KEY: &str = "examples/counter";
const TASKS: u64 = 8;
const INCREMENTS: u64 = 125;

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
    let client = Client::builder().endpoints(endpoints).name("counter").connect().await?;
    client.delete(KEY).await?;

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let client = client.clone();
        tasks.spawn(async move {
            let mut conflicts = 0;
            for _ in 0..INCREMENTS {
                conflicts += increment(&client).await?;
            }
            Result::Ok(conflicts)
        });
    }
    let mut conflicts = 0;
    for result in tasks.join_all().await {
        conflicts += result?;
    }

    let total = count_in(client.get(KEY).await?.record.as_ref());
    println!("counted to {total}, after {conflicts} conflicts; {:?}", client.stats());
    assert_eq!(
        total,
        TASKS * INCREMENTS,
        "no increment was lost and none was done twice"
    );
    client.close().await;
    Ok(())
}

/// Adds one, however often another task comes first; returns how often that was.
async fn increment(client: &Client) -> Result<u64> {
    let mut current = client.get(KEY).await?.record;
    let mut conflicts = 0;
    loop {
        let expected = current.as_ref().map_or(0, |record| record.mod_revision);
        let next = count_in(current.as_ref()) + 1;
        let reply = client.compare_and_swap(KEY, expected, next.to_string()).await?;
        if reply.swapped {
            return Ok(conflicts);
        }
        conflicts += 1;
        current = reply.current;
    }
}

/// The number in the record; a key that does not exist counts nothing.
fn count_in(record: Option<&Record>) -> u64 {
    record
        .and_then(|record| std::str::from_utf8(&record.value).ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
