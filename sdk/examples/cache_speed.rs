//! What a look-up in the cache costs, with 1,000 keys that a member keeps true:
//! `cargo run -p quorate --example cache_speed [HOST:PORT ...]`.
//!
//! Every answer is at most 200 ms old, and it is proved: the cache asks for a new proof several times a second meanwhile.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::time::{Duration, Instant};

use quorate::{Cache, CacheSettings, Client, Keys};

const KEYS: usize = 1_000;
const BOUND: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut endpoints: Vec<String> = std::env::args().skip(1).collect();
    if endpoints.is_empty() {
        endpoints.push("127.0.0.1:7401".to_owned());
    }
    // Some more room than keys: which of them stay is not what is measured.
    let settings = CacheSettings::new().entries_max(2 * KEYS as u64);
    let client = Client::builder().endpoints(endpoints).cache(settings).connect().await?;
    let cache = client.cache().ok_or("the client was built with a cache")?;
    let writes = (0..KEYS).map(|index| client.put(format!("speed/{index:04}"), vec![b'v'; 256]).into_future());
    futures::future::try_join_all(writes).await?;
    wait_for_stream(&cache).await?;
    let warmed = cache.warm_up([Keys::prefix("speed/")]).await?;
    assert!(warmed.is_settled, "{:?}", cache.trouble());
    let measured = cache.clone();
    let (hits, asked) = tokio::task::spawn_blocking(move || measure(&measured)).await?;
    println!("{:?}", cache.stats());
    assert!(hits * 10 > asked * 9, "{hits} of {asked} look-ups were answered");
    client.delete(Keys::prefix("speed/")).await?;
    client.close().await;
    Ok(())
}

async fn wait_for_stream(cache: &Cache) -> Result<(), String> {
    let began = Instant::now();
    while cache.stats().proof_age.is_none() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err(format!("no member keeps the cache true: {:?}", cache.trouble()));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Look-ups that were answered, and all.
fn measure(cache: &Cache) -> (u64, u64) {
    let keys: Vec<String> = (0..KEYS).map(|index| format!("speed/{index:04}")).collect();
    let (mut hits, mut asked) = (0, 0);
    for round in 1..=5 {
        let (began, cpu_before, mut answered) = (Instant::now(), cpu_nanos(), 0);
        let mut looked = 0;
        while began.elapsed() < Duration::from_millis(400) {
            for key in &keys {
                answered += u64::from(cache.get("", key, BOUND).is_some());
            }
            looked += KEYS as u64;
        }
        let wall = began.elapsed().as_nanos() as f64 / looked as f64;
        let cpu = cpu_nanos()
            .zip(cpu_before)
            .map(|(after, before)| (after - before) as f64 / looked as f64);
        let cpu = cpu.map_or("unknown".to_owned(), |cpu| {
            format!("{cpu:.0} ns, {:.1} M/s a core", 1_000.0 / cpu)
        });
        println!("round {round}: {wall:.0} ns a look-up by the clock; of CPU {cpu}; {answered} of {looked} answered");
        hits += answered;
        asked += looked;
    }
    (hits, asked)
}

/// What this thread has run, where the system tells: on a busy machine the clock says more of the others than of us.
fn cpu_nanos() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok()
}
