//! Clients of sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate::{Client, Consistency, Error, Keys};
use rand::Rng;
use rand::rngs::SmallRng;

use super::super::crew::Crew;
use super::{Set, SetAnswer, SetCall, element, key, prefix};
use crate::HarnessError;
use crate::workloads::Ground;

const CLIENTS: u64 = 6;

/// Then the next set takes its place.
const ELEMENTS_MAX: u64 = 80;

/// Reads of the set before, after it has been full.
const EARLIER_SHARE: f64 = 0.2;

/// Each key holds so much, so that snapshots are due now and then.
const VALUE_BYTES: usize = 60;

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let elements = Arc::new(AtomicU64::new(0));
    let mut crew = Crew::default();
    for _ in 0..CLIENTS {
        let number = ground.client_number();
        let client = ground.connect_impatient(number).await?;
        let random = ground.random(number);
        crew.add(play(client, number, ground.clone(), random, Arc::clone(&elements)));
    }
    crew.join().await
}

async fn play(
    client: Client,
    number: u64,
    ground: Ground,
    mut random: SmallRng,
    elements: Arc<AtomicU64>,
) -> Result<(), HarnessError> {
    while ground.turn().await {
        let call = if random.random_bool(0.6) {
            let element = elements.fetch_add(1, Ordering::AcqRel);
            SetCall::Add {
                set: element / ELEMENTS_MAX,
                element,
            }
        } else {
            let newest = elements.load(Ordering::Acquire) / ELEMENTS_MAX;
            let earlier = u64::from(random.random_bool(EARLIER_SHARE));
            SetCall::Read {
                set: newest.saturating_sub(earlier),
            }
        };
        ground.call::<Set>(number, call.clone(), ask(&client, &call)).await;
    }
    client.close().await;
    Ok(())
}

async fn ask(client: &Client, call: &SetCall) -> Result<SetAnswer, Error> {
    match call {
        SetCall::Add { set, element } => {
            let value = format!("{element:.<VALUE_BYTES$}");
            let revision = client.put(key(*set, *element), value).await?.revision;
            Ok(SetAnswer::Added { revision })
        }
        SetCall::Read { set } => {
            let range = client.range(Keys::prefix(prefix(*set))).keys_only();
            let page = range.limit(2 * ELEMENTS_MAX).consistency(Consistency::Strong).await?;
            // What is no element is one that nobody added.
            let elements = page
                .records
                .iter()
                .map(|record| element(&record.key).unwrap_or(u64::MAX));
            Ok(SetAnswer::Read {
                revision: page.revision,
                elements: elements.collect(),
            })
        }
    }
}
