//! Settings that are read all the time and change now and then: reads cost no call, and never miss a change for longer than
//! they say: `cargo run -p quorate --example cached_configuration [HOST:PORT]`.

use std::time::{Duration, Instant};

use quorate::{CacheSettings, Client, Consistency, Result, Source};

const FRESH: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<()> {
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
    let patience = Instant::now() + Duration::from_secs(10);
    let cached = loop {
        let read = reader.get(&key).consistency(level).await?;
        assert_eq!(read.record.expect("it was written").value, "10");
        if read.source == Source::Cache {
            break read.staleness;
        }
        assert!(Instant::now() < patience, "the cache is kept: {:?}", cache.trouble());
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    println!("answered by the cache, at most {cached:?} old");
    assert!(cached <= FRESH);

    // A change is pushed. Whatever happens, no answer is older than was asked for.
    admin.put(&key, "20").await?;
    let changed = Instant::now();
    loop {
        let read = reader.get(&key).consistency(level).await?;
        if read.record.expect("it was written").value == "20" {
            break;
        }
        assert!(
            changed.elapsed() <= FRESH + Duration::from_secs(1),
            "it is told in time"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("the change was seen after {:?}", changed.elapsed());

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
