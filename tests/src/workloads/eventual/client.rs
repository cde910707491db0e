//! Clients that write, and clients that go from member to member.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate::{Client, Error, ErrorKind, Strategy};
use rand::Rng;

use super::super::crew::Crew;
use super::{Eventual, EventualAnswer, EventualCall, PREFIX, counter_key, set_key};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Ground;

const WRITERS: u64 = 4;
const HOPPERS: u64 = 3;

/// Then the next set takes its place.
const ELEMENTS_MAX: u64 = 100;

const COUNTERS: u64 = 4;

/// Members between which a client goes.
const STATIONS: u64 = 3;

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let elements = Arc::new(AtomicU64::new(0));
    let mut crew = Crew::default();
    for _ in 0..WRITERS {
        let number = ground.client_number();
        let client = ground.connect(number).await?;
        crew.add(write(client, number, ground.clone(), Arc::clone(&elements)));
    }
    for _ in 0..HOPPERS {
        crew.add(hop_for_ever(ground.clone()));
    }
    crew.join().await
}

async fn write(client: Client, number: u64, ground: Ground, elements: Arc<AtomicU64>) -> Result<(), HarnessError> {
    let mut random = ground.random(number);
    while ground.turn().await {
        let acks = random.random_range(1..=2);
        let call = match random.random_bool(0.6) {
            true => {
                let element = elements.fetch_add(1, Ordering::AcqRel);
                EventualCall::Insert {
                    set: element / ELEMENTS_MAX,
                    element,
                }
            }
            false => EventualCall::Add {
                counter: random.random_range(0..COUNTERS),
                number: random.random_range(1..100),
            },
        };
        let calling = ask(&client, &call, acks);
        ground.call::<Eventual>(number, call.clone(), calling).await;
    }
    client.close().await;
    Ok(())
}

async fn ask(client: &Client, call: &EventualCall, acks: u32) -> Result<EventualAnswer, Error> {
    let eventual = client.eventual();
    let change = match call {
        EventualCall::Insert { set, element } => eventual.set(set_key(*set)).add([element.to_string()]),
        EventualCall::Add { counter, number } => eventual.counter(counter_key(*counter)).add(*number),
        // Others than writers ask for the rest.
        EventualCall::Raise { .. } | EventualCall::Read | EventualCall::All { .. } => {
            return Ok(EventualAnswer::Acked { members: 0 });
        }
    };
    let members = change.acks(acks).await?.acked;
    Ok(EventualAnswer::Acked { members })
}

/// One session after the other: one is over when something that it had seen was lost with a process.
async fn hop_for_ever(ground: Ground) -> Result<(), HarnessError> {
    while let Some(stations) = connect_to_each(&ground).await {
        hop(&stations, ground.client_number(), &ground).await;
        for client in stations {
            client.close().await;
        }
    }
    Ok(())
}

/// A client for each station; none once the run is over.
async fn connect_to_each(ground: &Ground) -> Option<Vec<Client>> {
    let mut stations = Vec::new();
    for station in 0..STATIONS {
        stations.push(ground.connect_again(station).await?);
    }
    Some(stations)
}

async fn hop(stations: &[Client], number: u64, ground: &Ground) {
    let mut random = ground.random(number);
    let key = format!("{PREFIX}number/{number}");
    let (mut at, mut raised) = (0, 0);
    while ground.turn().await {
        if random.random_bool(0.4) {
            raised += 1;
            let calling = raise(&stations[at], &key, raised);
            let call = EventualCall::Raise { number: raised };
            ground.call::<Eventual>(number, call, calling).await;
        }
        let next = random.random_range(0..stations.len());
        stations[next].observe(&stations[at].causal_token());
        at = next;
        let invoked = ground.clock.now();
        let read = read(&stations[at], &key).await;
        let lost = matches!(&read, Err(error) if *error.kind() == ErrorKind::ContextLost);
        ground.record::<Eventual>(number, invoked, EventualCall::Read, Answer::of(read));
        if lost {
            return;
        }
    }
}

async fn raise(client: &Client, key: &str, number: u64) -> Result<EventualAnswer, Error> {
    // The greatest stands: a put that was given up, and is done by a member that wakes later, takes nothing back.
    let put = client.eventual().put(key, number.to_string()).strategy(Strategy::Max);
    let members = put.await?.acked;
    Ok(EventualAnswer::Acked { members })
}

async fn read(client: &Client, key: &str) -> Result<EventualAnswer, Error> {
    let entry = client.eventual().get(key).await?.entry;
    let number = entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
    Ok(EventualAnswer::Number {
        number: number.unwrap_or(0),
    })
}
