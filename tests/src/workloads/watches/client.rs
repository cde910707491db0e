//! Who watches, and who writes what is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Error};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use tokio::sync::watch;

use super::super::crew::Crew;
use super::{PREFIX, Watches, WatchesAnswer, WatchesCall};
use crate::HarnessError;
use crate::journal::{Answer, Operation};
use crate::watch_check::{Asked, Names, Space, Wanted, Watcher};
use crate::watchers::{SdkWatcher, Whims};
use crate::workloads::Ground;

const WRITERS: u64 = 3;
const WATCHERS: u64 = 5;

/// Keys, in so many folders.
const KEYS: u64 = 6;
const FOLDERS: u64 = 4;

/// How long a watcher lives, in milliseconds: short enough for several of them in a minute.
const LIFE_MS: std::ops::Range<u64> = 3_000..12_000;

/// After its life a watcher has so long to get what is due; elections and a slow machine together stay far below.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let newest = Arc::new(AtomicU64::new(1));
    let mut crew = Crew::default();
    for _ in 0..WRITERS {
        let number = ground.client_number();
        let client = ground.connect(number).await?;
        crew.add(write(client, number, ground.clone(), Arc::clone(&newest)));
    }
    for _ in 0..WATCHERS {
        let number = ground.client_number();
        crew.add(keep_watching(number, ground.clone(), Arc::clone(&newest)));
    }
    crew.join().await
}

async fn write(client: Client, number: u64, ground: Ground, newest: Arc<AtomicU64>) -> Result<(), HarnessError> {
    let mut random = ground.random(number);
    let mut written = 0;
    while ground.turn().await {
        let key = format!(
            "{PREFIX}{}/{}",
            random.random_range(0..FOLDERS),
            random.random_range(0..KEYS)
        );
        let call = match random.random_bool(0.75) {
            true => {
                written += 1;
                WatchesCall::Put {
                    key,
                    value: format!("{number}.{written}"),
                }
            }
            false => WatchesCall::Delete { key },
        };
        let answer = ground.call::<Watches>(number, call.clone(), ask(&client, &call)).await;
        if let Answer::Done(WatchesAnswer::Written { revision }) = answer {
            newest.fetch_max(revision, Ordering::AcqRel);
        }
    }
    client.close().await;
    Ok(())
}

async fn ask(client: &Client, call: &WatchesCall) -> Result<WatchesAnswer, Error> {
    match call {
        WatchesCall::Put { key, value } => {
            let revision = client.put(key.as_str(), value.as_str()).await?.revision;
            Ok(WatchesAnswer::Written { revision })
        }
        WatchesCall::Delete { key } => {
            let reply = client.delete(key.as_str()).await?;
            Ok(match reply.deleted {
                0 => WatchesAnswer::Absent,
                _ => WatchesAnswer::Written {
                    revision: reply.revision,
                },
            })
        }
        // What it is told comes otherwise.
        WatchesCall::Watch { .. } => Ok(WatchesAnswer::Absent),
    }
}

/// One watcher after the other.
async fn keep_watching(number: u64, ground: Ground, newest: Arc<AtomicU64>) -> Result<(), HarnessError> {
    let mut random = ground.random(number);
    while let Some(client) = ground.connect_again(number).await {
        let (due, told_due) = watch::channel(None);
        let watcher = SdkWatcher {
            name: number.to_string(),
            clients: vec![client.clone()],
            wants,
            whims: *[Whims::None, Whims::Restless, Whims::Restless, Whims::Slow]
                .choose(&mut random)
                .unwrap_or(&Whims::None),
            seed: random.random(),
            clock: ground.clock,
            newest: Arc::clone(&newest),
            due: told_due,
        };
        let life = Duration::from_millis(random.random_range(LIFE_MS));
        let mut watching = tokio::spawn(watcher.run());
        tokio::select! {
            ended = &mut watching => return Err(HarnessError::Broken(format!("watcher {number} ended by itself: {ended:?}"))),
            () = tokio::time::sleep(life) => {}
            () = stopped(&ground) => {}
        }
        due.send_replace(Some(newest.load(Ordering::Acquire)));
        let ended = tokio::time::timeout(PATIENCE, &mut watching).await;
        let ended = ended.map_err(|_| HarnessError::TimedOut {
            condition: format!("watcher {number} to have everything up to revision {:?}", due.borrow()),
            after: PATIENCE,
            last_seen: "it goes on".to_owned(),
        })?;
        let watchers = ended.map_err(|error| HarnessError::Broken(format!("a watcher stopped: {error}")))??;
        for watcher in watchers {
            record(&ground, number, watcher);
        }
        client.close().await;
    }
    Ok(())
}

async fn stopped(ground: &Ground) {
    let mut stop = ground.stop.clone();
    // Gone is over, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Watchers that were given up have nothing due, and are checked like the others.
fn record(ground: &Ground, client: u64, watcher: Watcher) {
    let now = ground.clock.now();
    let invoked = watcher.incarnations.first().map_or(now, |first| first.asked);
    ground.journal.record::<Watches>(&Operation {
        client,
        invoked,
        returned: now,
        call: WatchesCall::Watch { asked: watcher.asked },
        answer: Answer::Done(WatchesAnswer::Told {
            incarnations: watcher.incarnations,
            due: watcher.due,
        }),
    });
}

/// Keys of this workload, or something of others of which there is not too much.
fn wants(random: &mut SmallRng) -> Asked {
    let (puts, deletes) = *[(true, true), (true, true), (true, false), (false, true)]
        .choose(random)
        .unwrap_or(&(true, true));
    let mut wanted = vec![Wanted {
        space: Space::Keys("default".to_owned()),
        names: keys(random),
    }];
    if random.random_bool(0.4) {
        let spaces = [Space::Locks, Space::Queues, Space::Leases, Space::Workers, Space::Tasks];
        wanted.push(Wanted {
            space: spaces.choose(random).cloned().unwrap_or(Space::Leases),
            names: Names::Prefix(Bytes::new()),
        });
    }
    Asked {
        wanted,
        puts,
        deletes,
        previous: random.random_bool(0.5),
        keys_only: random.random_bool(0.2),
    }
}

fn keys(random: &mut SmallRng) -> Names {
    let folder = random.random_range(0..FOLDERS);
    let key = random.random_range(0..KEYS);
    match random.random_range(0..5) {
        0 => Names::One(Bytes::from(format!("{PREFIX}{folder}/{key}"))),
        1 => Names::Prefix(Bytes::from(format!("{PREFIX}{folder}/"))),
        2 => Names::Interval {
            start: Bytes::from(format!("{PREFIX}0/3")),
            end: Bytes::from(format!("{PREFIX}{folder}/~")),
        },
        3 => Names::Pattern(format!("{PREFIX}*/{key}")),
        _ => Names::Prefix(Bytes::from(PREFIX)),
    }
}
