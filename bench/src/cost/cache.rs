//! Look-ups in the SDK's cache, beside a member that keeps it true.

use std::time::{Duration, Instant};

use quorate::{Cache, CacheSettings, Client, Coherence, Keys};

use super::{CostReport, Piece, Workload, value};
use crate::work::key;

const KEYS: u64 = 100;
const VALUE_BYTES: usize = 256;
const EACH: u32 = 1_000;
/// Longer than it takes under a tool that makes everything fifty times slower.
const TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// Fills the cache and asks it.
pub(super) async fn run(endpoints: Vec<String>) -> Result<CostReport, String> {
    let settings = CacheSettings::new().entries_max(2 * KEYS);
    let builder = Client::builder().endpoints(endpoints).cache(settings);
    let client = builder.connect().await.map_err(|error| error.to_string())?;
    let cache = client.cache().ok_or("the client was made without a cache")?;
    for number in 0..KEYS {
        let put = client.put(key(number), value(VALUE_BYTES, number));
        put.await.map_err(|error| error.to_string())?;
    }
    kept(&client, &cache).await?;
    let warmed = cache.warm_up([Keys::prefix("bench/")]).timeout(TIMEOUT).await;
    let warmed = warmed.map_err(|error| error.to_string())?;
    if cache.stats().entries < KEYS {
        return Err(format!(
            "{} of {KEYS} keys are cached: {warmed:?}",
            cache.stats().entries
        ));
    }
    let asked = tokio::task::spawn_blocking(move || Workload::CacheGet.count(&mut piece(cache))).await;
    client.close().await;
    asked.map_err(|error| format!("the look-ups stopped: {error}"))?
}

async fn kept(client: &Client, cache: &Cache) -> Result<(), String> {
    client.get(key(0)).await.map_err(|error| error.to_string())?;
    let deadline = Instant::now() + TIMEOUT;
    while !cache.is_kept(Coherence::Eventual) {
        if Instant::now() >= deadline {
            return Err(format!("no member keeps the cache true: {:?}", cache.trouble()));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn piece(cache: Cache) -> Piece {
    let keys: Vec<_> = (0..KEYS).map(key).collect();
    let mut next = 0;
    let step = move || {
        for _ in 0..EACH {
            next = (next + 1) % keys.len();
            // Any bound: looking it up costs the same, and a proof that is late does not make it a miss.
            if cache.get("", &keys[next], TIMEOUT).is_none() {
                return Err(format!("a cached key was not answered: {:?}", cache.stats()));
            }
        }
        Ok(())
    };
    Piece {
        operations: EACH,
        warm: 2,
        steps: 16,
        step: Box::new(step),
    }
}
