//! Every member is read.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate::{Client, Error, EventualEntry, EventualType, Keys};
use tokio::time::Instant;

use super::{Eventual, EventualAnswer, EventualCall, PREFIX, number_of};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Ground;

/// Nothing is wrong any more: members are even long before.
const EVEN_WITHIN: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(200);

/// Sets of a run of hours.
const ENTRIES_MAX: usize = 1 << 20;

/// Reads all members until they have the same or the time is over; what each has then is written down.
pub(super) async fn finish(ground: Ground) -> Result<(), HarnessError> {
    let mut members = BTreeMap::new();
    for endpoint in ground.endpoints.all() {
        members.insert(endpoint.clone(), ground.connect_to(vec![endpoint]).await?);
    }
    let end = Instant::now() + EVEN_WITHIN;
    let mut read = read_all(&members).await?;
    while !are_equal(&read) && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
        read = read_all(&members).await?;
    }
    let number = ground.client_number();
    for (endpoint, all) in read {
        let invoked = ground.clock.now();
        ground.record::<Eventual>(number, invoked, EventualCall::All { endpoint }, Answer::Done(all));
    }
    for client in members.into_values() {
        client.close().await;
    }
    Ok(())
}

fn are_equal(read: &BTreeMap<String, EventualAnswer>) -> bool {
    let mut answers = read.values();
    let first = answers.next();
    answers.all(|answer| Some(answer) == first)
}

async fn read_all(members: &BTreeMap<String, Client>) -> Result<BTreeMap<String, EventualAnswer>, HarnessError> {
    let mut read = BTreeMap::new();
    for (endpoint, client) in members {
        let all = all_of(client).await;
        let all = all.map_err(HarnessError::call(format!("read the eventual tier of {endpoint}")))?;
        read.insert(endpoint.clone(), all);
    }
    Ok(read)
}

async fn all_of(client: &Client) -> Result<EventualAnswer, Error> {
    // What is no number is one that nobody wrote.
    let number = |bytes: &[u8]| number_of(bytes).unwrap_or(u64::MAX);
    let sets = entries(client, "set/", EventualType::Set).await?;
    let sets = sets.into_iter().map(|entry| {
        let mut elements: Vec<u64> = entry.members.iter().map(|element| number(element)).collect();
        elements.sort_unstable();
        (number(&entry.key), elements)
    });
    let counters = entries(client, "counter/", EventualType::Counter).await?;
    Ok(EventualAnswer::All {
        sets: sets.collect(),
        counters: counters
            .into_iter()
            .map(|entry| (number(&entry.key), entry.counter))
            .collect(),
    })
}

async fn entries(client: &Client, folder: &str, of: EventualType) -> Result<Vec<EventualEntry>, Error> {
    let scan = client.eventual().scan(Keys::prefix(format!("{PREFIX}{folder}")));
    scan.of(of).all(ENTRIES_MAX).await
}
