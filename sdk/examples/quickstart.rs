//! Writes, reads, lists and deletes a few keys: `cargo run -p quorate --example quickstart [HOST:PORT ...]`.

use std::time::Duration;

use quorate::{Client, Consistency, Keys};

#[tokio::main]
async fn main() -> quorate::Result<()> {
    let mut endpoints: Vec<String> = std::env::args().skip(1).collect();
    if endpoints.is_empty() {
        endpoints.push("127.0.0.1:7401".to_owned());
    }
    let client = Client::builder()
        .endpoints(endpoints)
        .name("quickstart")
        .connect()
        .await?;

    let written = client
        .put("quickstart/greeting", "hello")
        .ttl(Duration::from_secs(600))
        .await?;
    println!("written at revision {}", written.revision);

    let read = client.get("quickstart/greeting").await?;
    println!(
        "read {:?} from member {}",
        read.record.map(|record| record.value),
        read.member
    );

    let local = client
        .get("quickstart/greeting")
        .consistency(Consistency::Local)
        .await?;
    println!(
        "a local read, at revision {}: {:?}",
        local.revision,
        local.record.map(|record| record.value)
    );

    client
        .put_json("quickstart/settings", &[("retries", 3), ("workers", 8)])
        .await?;
    for record in client.range(Keys::prefix("quickstart/")).all(1_000).await? {
        println!("{} = {}", record.key.escape_ascii(), record.value.escape_ascii());
    }

    let deleted = client.delete(Keys::prefix("quickstart/")).await?;
    println!("deleted {} keys at revision {}", deleted.deleted, deleted.revision);

    client.close().await;
    Ok(())
}
