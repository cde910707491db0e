//! Clients of registers.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate::{Client, Consistency, Error};
use rand::Rng;
use rand::rngs::SmallRng;

use super::super::crew::Crew;
use super::super::slots::{Slot, Slots};
use super::{PREFIX, Register, RegisterAnswer, RegisterCall, RegisterRecord};
use crate::HarnessError;
use crate::journal::Text;
use crate::workloads::Ground;

/// More would make a search for linearizations hopeless.
const CLIENTS: u64 = 10;

/// Keys at a time.
const SLOTS: u64 = 5;

/// Calls of a key, before the next takes its place.
const USES_MAX: u64 = 200;

/// Records that a client remembers, for compares.
const REMEMBERED_MAX: usize = 64;

/// A snapshot is due after some log, which values have to fill.
const VALUE_BYTES: usize = 100;

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let slots = Arc::new(Slots::new(SLOTS, USES_MAX));
    let mut crew = Crew::default();
    for _ in 0..CLIENTS {
        let number = ground.client_number();
        let actor = Actor {
            client: ground.connect_impatient(number).await?,
            random: ground.random(number),
            number,
            ground: ground.clone(),
            slots: Arc::clone(&slots),
            written: 0,
            seen: BTreeMap::new(),
        };
        crew.add(actor.run());
    }
    crew.join().await
}

struct Actor {
    client: Client,
    number: u64,
    ground: Ground,
    random: SmallRng,
    slots: Arc<Slots>,
    written: u64,
    /// Modification revisions as they were last seen: what a swap expects.
    seen: BTreeMap<Slot, u64>,
}

impl Actor {
    async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            let slot = self.slots.take(&mut self.random);
            let call = self.choose(slot);
            let calling = ask(&self.client, &call);
            let answer = self.ground.call::<Register>(self.number, call.clone(), calling).await;
            if let Some(answer) = answer.done() {
                self.remember(slot, &call, answer);
            }
        }
        self.client.close().await;
        Ok(())
    }

    fn choose(&mut self, slot: Slot) -> RegisterCall {
        let key = Text(format!("{PREFIX}{}.{}", slot.slot, slot.generation).into());
        match self.random.random_range(0..100) {
            0..30 => RegisterCall::Put {
                key,
                value: self.next_value(),
            },
            30..60 => RegisterCall::Swap {
                key,
                expected: self.seen.get(&slot).copied().unwrap_or(0),
                value: self.next_value(),
            },
            60..66 => RegisterCall::Delete { key },
            66..90 => RegisterCall::Get { key },
            _ => RegisterCall::GetLocal { key },
        }
    }

    fn next_value(&mut self) -> Text {
        self.written += 1;
        let unique = format!("{}.{}", self.number, self.written);
        Text(format!("{unique:.<VALUE_BYTES$}").into())
    }

    fn remember(&mut self, slot: Slot, call: &RegisterCall, answer: &RegisterAnswer) {
        let revision = match answer {
            RegisterAnswer::Written { .. } if matches!(call, RegisterCall::Delete { .. }) => 0,
            RegisterAnswer::Written { revision } => *revision,
            RegisterAnswer::Unchanged { current: record, .. } | RegisterAnswer::Read { record, .. } => {
                record.as_ref().map_or(0, |record| record.mod_revision)
            }
        };
        self.seen.insert(slot, revision);
        // The oldest generations are over.
        if self.seen.len() > REMEMBERED_MAX {
            let newest = self.slots.current();
            self.seen.retain(|slot, _| newest.contains(slot));
        }
    }
}

async fn ask(client: &Client, call: &RegisterCall) -> Result<RegisterAnswer, Error> {
    match call {
        RegisterCall::Put { key, value } => {
            let revision = client.put(key.0.clone(), value.0.clone()).await?.revision;
            Ok(RegisterAnswer::Written { revision })
        }
        RegisterCall::Swap { key, expected, value } => {
            let reply = client
                .compare_and_swap(key.0.clone(), *expected, value.0.clone())
                .await?;
            Ok(match reply.swapped {
                true => RegisterAnswer::Written {
                    revision: reply.revision,
                },
                false => RegisterAnswer::Unchanged {
                    revision: reply.revision,
                    current: reply.current.map(record),
                },
            })
        }
        RegisterCall::Delete { key } => {
            let reply = client.delete(key.0.clone()).await?;
            Ok(match reply.deleted {
                0 => RegisterAnswer::Unchanged {
                    revision: reply.revision,
                    current: None,
                },
                _ => RegisterAnswer::Written {
                    revision: reply.revision,
                },
            })
        }
        RegisterCall::Get { key } => read(client, key, Consistency::Strong).await,
        RegisterCall::GetLocal { key } => read(client, key, Consistency::Local).await,
    }
}

async fn read(client: &Client, key: &Text, level: Consistency) -> Result<RegisterAnswer, Error> {
    let reply = client.get(key.0.clone()).consistency(level).await?;
    Ok(RegisterAnswer::Read {
        revision: reply.revision,
        record: reply.record.map(record),
    })
}

fn record(record: quorate::Record) -> RegisterRecord {
    RegisterRecord {
        value: Text(record.value),
        mod_revision: record.mod_revision,
        version: record.version,
    }
}
