//! Clients of counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate::{Client, Compare, Consistency, Error, Op, Record};
use rand::Rng;
use rand::rngs::SmallRng;

use super::super::crew::Crew;
use super::{Count, Counter, CounterAnswer, CounterCall, key, value};
use crate::HarnessError;
use crate::workloads::Ground;

const CLIENTS: u64 = 5;

/// Few, so that clients meet.
pub(super) const COUNTERS: u64 = 3;

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let amounts = Arc::new(AtomicU64::new(1));
    let mut crew = Crew::default();
    for _ in 0..CLIENTS {
        let number = ground.client_number();
        let client = ground.connect_impatient(number).await?;
        let random = ground.random(number);
        crew.add(play(client, number, ground.clone(), random, Arc::clone(&amounts)));
    }
    crew.join().await
}

pub(super) async fn finish(ground: Ground) -> Result<(), HarnessError> {
    let number = ground.client_number();
    let client = ground.connect(number).await?;
    for counter in 0..COUNTERS {
        let call = CounterCall::Read { counter };
        let answer = ground.call::<Counter>(number, call.clone(), ask(&client, &call)).await;
        if answer.done().is_none() {
            return Err(HarnessError::Broken(format!(
                "counter {counter} could not be read at the end"
            )));
        }
    }
    client.close().await;
    Ok(())
}

async fn play(
    client: Client,
    number: u64,
    ground: Ground,
    mut random: SmallRng,
    amounts: Arc<AtomicU64>,
) -> Result<(), HarnessError> {
    let mut known = [Count::default(); COUNTERS as usize];
    while ground.turn().await {
        let counter = random.random_range(0..COUNTERS);
        let call = match random.random_range(0..100) {
            0..20 => CounterCall::Read { counter },
            drawn => CounterCall::Increment {
                counter,
                by: amounts.fetch_add(1, Ordering::AcqRel),
                from: known[counter as usize],
                by_value: drawn < 60,
            },
        };
        let answer = ground.call::<Counter>(number, call.clone(), ask(&client, &call)).await;
        if let Some(answer) = answer.done() {
            known[counter as usize] = answer.count;
        }
    }
    client.close().await;
    Ok(())
}

async fn ask(client: &Client, call: &CounterCall) -> Result<CounterAnswer, Error> {
    match call {
        CounterCall::Read { counter } => {
            let reply = client.get(key(*counter)).consistency(Consistency::Strong).await?;
            Ok(CounterAnswer {
                revision: reply.revision,
                added: false,
                count: count(reply.record.as_ref()),
            })
        }
        CounterCall::Increment {
            counter,
            by,
            from,
            by_value,
        } => {
            let key = key(*counter);
            // A key that does not exist has no value to compare.
            let compare = match *by_value && from.mod_revision > 0 {
                true => Compare::value(key.clone()).equals(from.value.to_string()),
                false => Compare::mod_revision(key.clone()).equals(from.mod_revision),
            };
            let sum = from.value + by;
            let txn = client.txn().when(compare).then(Op::put(key.clone(), sum.to_string()));
            let reply = txn.otherwise(Op::get(key)).await?;
            let (revision, added) = (reply.revision, reply.succeeded);
            let count = match added {
                true => Count {
                    value: sum,
                    mod_revision: revision,
                },
                false => count(reply.results.first().and_then(|result| result.record())),
            };
            Ok(CounterAnswer { revision, added, count })
        }
    }
}

fn count(record: Option<&Record>) -> Count {
    record.map_or_else(Count::default, |record| Count {
        value: value(&record.value),
        mod_revision: record.mod_revision,
    })
}
