//! Settings that are read all the time and change now and then: reads cost no call, and never miss a change for longer than
//! they say: `cargo run -p quorate --example cached_configuration [HOST:PORT]`.

use std::time::Duration;

use quorate::{CacheSettings, Client, Consistency, Result, Source};

/// How old an answer may be.
const FRESH: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let admin = Client::builder().endpoints([&member]).name("admin").connect().await?;
    let reader = Client::builder()
        .endpoints([&member])
        .name("reader")
        .cache(CacheSettings::new())
        .connect()
        .await?;
    let cache = reader.cache().expect("it was built with one");
    let key = format!("examples/settings/{}/limit", std::process::id());
    admin.put(&key, "10").await?;

    // The first read asks a member. As soon as that tells of changes, the cache answers.
    let level = Consistency::BoundedStale(FRESH);
    let until_cached = async {
        loop {
            let read = reader.get(&key).consistency(level).await?;
            if read.source == Source::Cache {
                return Result::Ok(read);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let read = tokio::time::timeout(PATIENCE, until_cached)
        .await
        .expect("the cache is kept")?;
    println!("answered by the cache, at most {:?} old", read.staleness);
    assert!(read.staleness <= FRESH);
    assert_eq!(read.record.expect("it was written").value, "10");

    // A change is pushed. Whatever happens to that, no answer is older than was asked for.
    admin.put(&key, "20").await?;
    let until_seen = async {
        loop {
            let record = reader
                .get(&key)
                .consistency(level)
                .await?
                .record
                .expect("it was written");
            if record.value == "20" {
                return Result::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // Some time besides, for a machine that has much to do.
    tokio::time::timeout(FRESH + PATIENCE, until_seen)
        .await
        .expect("it is told in time")?;
    println!("the change was seen");

    // In a hot loop there is nothing to await.
    let mut answered = 0;
    for _ in 0..100_000 {
        answered += u32::from(cache.get("", &key, FRESH).is_some());
    }
    println!("{answered} of 100000 look-ups were answered; {:?}", cache.stats());
    assert!(cache.stats().hits > 0);
    admin.delete(&key).await?;
    reader.close().await;
    admin.close().await;
    Ok(())
}
