//! What an entry costs in memory, and how fast one thread writes, into one shard and into many.
//!
//! ```text
//! cargo run -p quorate-eventual --example shard_speed
//! ```

// A measurement is about time.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_eventual::{
    Action, ActorId, Address, Moment, Place, SHARDS_PER_SET, ShardLimits, ShardNumber, Space, Store, Strategy, Write,
};

const KEYS: usize = 100_000;
const ENTRIES: usize = 1_000_000;
const NOW_MS: u64 = 1_790_000_000_000;
const VALUE: [u8; 60] = [b'v'; 60];
const MEASURED: Duration = Duration::from_secs(2);

fn main() {
    let before = resident_bytes();
    // The log of operations is bounded, and would be counted as if it were not.
    let limits = ShardLimits {
        log_ops_max: 1,
        ..ShardLimits::default()
    };
    let store = Store::new(ActorId(1), limits);
    for number in 0..ENTRIES {
        let place = place(number);
        write(&store, &place, place.shard(false));
    }
    match (before, resident_bytes()) {
        (Some(before), Some(after)) => {
            let key_and_value = place(0).bytes().len() + VALUE.len();
            let each = after.saturating_sub(before) / ENTRIES as u64;
            println!("{ENTRIES} entries: {each} bytes each, of which about {key_and_value} are the key and the value");
        }
        _ => println!("what the process occupies is not known on this system"),
    }
    println!(
        "counted: {} bytes each",
        store.counts().domain(1).bytes() / ENTRIES as u64
    );
    drop(store);
    println!(
        "one thread, {KEYS} keys, last write wins, values of {} bytes",
        VALUE.len()
    );
    for shards in [1, SHARDS_PER_SET] {
        let store = empty_store();
        println!(
            "{shards:>4} shards: {:>9.0} writes/s",
            writes_per_second(&store, shards)
        );
    }
}

fn empty_store() -> Arc<Store> {
    Arc::new(Store::new(ActorId(1), ShardLimits::default()))
}

fn place(number: usize) -> Place {
    Place::of(Address {
        domain: 1,
        space: Space::Register,
        name: format!("worker/{number:08}/heartbeat").as_bytes(),
        element: None,
    })
}

fn write(store: &Store, place: &Place, shard: ShardNumber) {
    let write = Write {
        place,
        action: Action::Put {
            value: &VALUE,
            strategy: Strategy::LastWrite,
            written: None,
        },
        context: None,
        expires_at_ms: 0,
    };
    let moment = Moment {
        now_ms: NOW_MS,
        predecessors: &[],
    };
    if let Err(refused) = store.lock(shard).write(&write, moment) {
        println!("refused: {refused}");
    }
    store.wrote(shard);
}

/// Addresses are encoded and hashed for every write, as those of requests are.
fn writes_per_second(store: &Store, shards: u16) -> f64 {
    let names: Vec<String> = (0..KEYS)
        .map(|number| format!("worker/{number:08}/heartbeat"))
        .collect();
    let one = ShardNumber::all().next();
    let mut written = 0_u64;
    let start = Instant::now();
    // The stride visits every key, and neighbours never one after the other.
    let mut number = 0;
    while start.elapsed() < MEASURED {
        for _ in 0..1_000 {
            number = (number + 61_803) % KEYS;
            let place = Place::of(Address {
                domain: 1,
                space: Space::Register,
                name: names[number].as_bytes(),
                element: None,
            });
            let shard = one.filter(|_| shards == 1).unwrap_or_else(|| place.shard(false));
            write(store, &place, shard);
            written += 1;
        }
    }
    written as f64 / start.elapsed().as_secs_f64()
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1_024)
}
