//! Clients behind a relay that loses replies.

use std::time::Duration;

use futures::future::join_all;
use quorate::{Client, Error, Op};
use rand::Rng;
use rand::rngs::SmallRng;

use super::{Retries, RetryAnswer, RetryCall, key, other_key};
use crate::HarnessError;
use crate::cluster::status_of;
use crate::journal::Answer;
use crate::relay::Relay;
use crate::workloads::Ground;

/// That lose their replies at once.
const CLIENTS: usize = 4;

/// Until the relay has swallowed something.
const SWALLOW_DEADLINE: Duration = Duration::from_secs(1);

/// Between two looks at the relay, or for a leader.
const POLL: Duration = Duration::from_millis(10);

/// Losses that one relay and its clients see; then new ones come.
const LOSSES_MAX: u32 = 20;

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let mut random = ground.random(ground.client_number());
    let numbers: Vec<u64> = (0..CLIENTS).map(|_| ground.client_number()).collect();
    let relay_number = ground.client_number();
    let mut actors: Vec<Actor> = numbers.into_iter().map(Actor::new).collect();
    while ground.turn().await {
        let Some(leader) = leader(&ground).await else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        let relay = Relay::start(&leader).await?;
        // Another leader may be there by now: then nobody connects, and the search begins anew.
        let Ok(client) = ground.connect_to(vec![relay.address()]).await else {
            continue;
        };
        for _ in 0..LOSSES_MAX {
            let lost = lose(&ground, relay_number, &relay, &client, &mut actors, &mut random).await;
            // Nothing swallowed: the client has found another leader, which it reaches without the relay.
            if lost == 0 || !ground.turn().await {
                break;
            }
        }
        client.close().await;
    }
    Ok(())
}

/// Loses the replies of one call of each. Returns how much was lost.
async fn lose(
    ground: &Ground,
    relay_number: u64,
    relay: &Relay,
    client: &Client,
    actors: &mut [Actor],
    random: &mut SmallRng,
) -> u64 {
    let invoked = ground.clock.now();
    let (swallowed, retries) = (relay.swallowed_bytes(), client.stats().retries);
    relay.lose_replies();
    let calls = actors.iter_mut().map(|actor| {
        let drawn = random.random_range(0..3);
        actor.call(ground, client, drawn)
    });
    let restoring = async {
        let end = tokio::time::Instant::now() + SWALLOW_DEADLINE;
        while relay.swallowed_bytes() == swallowed && tokio::time::Instant::now() < end {
            tokio::time::sleep(POLL).await;
        }
        // What was sent beside it arrives too.
        tokio::time::sleep(POLL).await;
        relay.restore();
    };
    tokio::join!(join_all(calls), restoring);
    let bytes = relay.swallowed_bytes() - swallowed;
    let retries = client.stats().retries - retries;
    let answer = match bytes {
        0 => Answer::NotDone,
        _ => Answer::Done(RetryAnswer::Lost { bytes, retries }),
    };
    ground.record::<Retries>(relay_number, invoked, RetryCall::LoseReplies, answer);
    bytes
}

/// Where the member is that leads.
async fn leader(ground: &Ground) -> Option<String> {
    for endpoint in ground.endpoints.all() {
        let status = status_of(&endpoint).await;
        if status.is_ok_and(|status| status.role == "leader") {
            return Some(endpoint);
        }
    }
    None
}

/// Who writes a key that nobody else does.
struct Actor {
    number: u64,
    written: u64,
    /// The revision of its key; nothing when it cannot know.
    revision: Option<u64>,
}

impl Actor {
    fn new(number: u64) -> Actor {
        Actor {
            number,
            written: 0,
            revision: Some(0),
        }
    }

    async fn call(&mut self, ground: &Ground, client: &Client, drawn: u32) {
        self.written += 1;
        let value = format!("{}.{}", self.number, self.written);
        let call = match (drawn, self.revision) {
            (0, _) => RetryCall::Transaction { value },
            (1, Some(expected)) => RetryCall::Swap { value, expected },
            _ => RetryCall::Put { value },
        };
        let calling = ask(client, self.number, &call);
        let answer = ground.call::<Retries>(self.number, call.clone(), calling).await;
        self.revision = match answer {
            Answer::Done(RetryAnswer::Written { revision }) => Some(revision),
            Answer::NotDone => self.revision,
            Answer::Done(_) | Answer::Unknown => None,
        };
    }
}

async fn ask(client: &Client, number: u64, call: &RetryCall) -> Result<RetryAnswer, Error> {
    let written = |revision| RetryAnswer::Written { revision };
    match call {
        RetryCall::Put { value } => Ok(written(client.put(key(number), value.clone()).await?.revision)),
        RetryCall::Swap { value, expected } => {
            let reply = client.compare_and_swap(key(number), *expected, value.clone()).await?;
            let revision = reply.revision;
            Ok(match reply.swapped {
                true => written(revision),
                false => RetryAnswer::Unchanged { revision },
            })
        }
        RetryCall::Transaction { value } => {
            let txn = client.txn().then(Op::put(key(number), value.clone()));
            let reply = txn.then(Op::put(other_key(number), value.clone())).await?;
            Ok(written(reply.revision))
        }
        // It is no call of a client.
        RetryCall::LoseReplies => Ok(RetryAnswer::Lost { bytes: 0, retries: 0 }),
    }
}
