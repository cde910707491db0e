//! Clients of lists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate::{Client, Compare, Error, Op, OpReply, Record};
use rand::Rng;
use rand::rngs::SmallRng;

use super::super::crew::Crew;
use super::{Append, AppendAnswer, AppendCall, List, PREFIX, Step, parsed, shown};
use crate::HarnessError;
use crate::workloads::Ground;

const CLIENTS: u64 = 6;

/// Lists at a time.
const LISTS: usize = 7;

/// Steps of a transaction.
const STEPS_MAX: usize = 4;

/// A list that has grown to this is left alone, and the next takes its place. It is one value, which every append writes
/// again, and which a journal has whole up to 256 bytes only.
const ELEMENTS_MAX: usize = 28;

/// Of the steps, those that read. Appends get into each other's way.
const READS: f64 = 0.6;

/// Lists that a client remembers.
const REMEMBERED_MAX: usize = 64;

#[derive(Debug)]
struct Shared {
    /// Which list is in the place of each.
    generations: [AtomicU64; LISTS],
    elements: AtomicU64,
}

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let shared = Arc::new(Shared {
        generations: std::array::from_fn(|_| AtomicU64::new(0)),
        elements: AtomicU64::new(1),
    });
    let mut crew = Crew::default();
    for _ in 0..CLIENTS {
        let number = ground.client_number();
        let actor = Actor {
            client: ground.connect_impatient(number).await?,
            random: ground.random(number),
            number,
            ground: ground.clone(),
            shared: Arc::clone(&shared),
            known: BTreeMap::new(),
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
    shared: Arc<Shared>,
    /// Lists as they were last seen.
    known: BTreeMap<String, List>,
}

impl Actor {
    async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            let call = self.choose();
            let calling = ask(&self.client, &call, &self.known);
            let answer = self.ground.call::<Append>(self.number, call.clone(), calling).await;
            match answer.done() {
                Some(answer) => self.remember(&call, answer),
                // What is there now is not known; the next compare will tell.
                None => self.known.clear(),
            }
        }
        self.client.close().await;
        Ok(())
    }

    /// Some reads, and appends to different lists.
    fn choose(&mut self) -> AppendCall {
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..self.random.random_range(1..=STEPS_MAX) {
            let place = self.random.random_range(0..LISTS);
            let generation = self.shared.generations[place].load(Ordering::Acquire);
            let key = format!("{PREFIX}{place}.{generation}");
            let appended = |step: &Step| matches!(step, Step::Append { key: other, .. } if *other == key);
            if self.random.random_bool(READS) || steps.iter().any(appended) {
                steps.push(Step::Read { key });
                continue;
            }
            let expected = self.known.get(&key).map_or(0, |list| list.mod_revision);
            let element = self.shared.elements.fetch_add(1, Ordering::AcqRel);
            steps.push(Step::Append { key, element, expected });
        }
        AppendCall { steps }
    }

    fn remember(&mut self, call: &AppendCall, answer: &AppendAnswer) {
        let shown = call
            .steps
            .iter()
            .filter(|step| !answer.applied || matches!(step, Step::Read { .. }));
        for (step, list) in shown.zip(&answer.lists) {
            self.known.insert(step.key().to_owned(), list.clone());
        }
        for step in &call.steps {
            let Step::Append { key, element, .. } = step else {
                continue;
            };
            if answer.applied {
                let list = self.known.entry(key.clone()).or_default();
                // A read after it has shown it already.
                if list.mod_revision < answer.revision {
                    list.elements.push(*element);
                    list.mod_revision = answer.revision;
                }
            }
        }
        for step in &call.steps {
            if self
                .known
                .get(step.key())
                .is_some_and(|list| list.elements.len() >= ELEMENTS_MAX)
            {
                self.retire(step.key());
            }
        }
        if self.known.len() > REMEMBERED_MAX {
            self.known.clear();
        }
    }

    /// Another list takes its place, unless one has.
    fn retire(&self, key: &str) {
        for (place, generation) in self.shared.generations.iter().enumerate() {
            let now = generation.load(Ordering::Acquire);
            if key == format!("{PREFIX}{place}.{now}") {
                let _ = generation.compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Acquire);
            }
        }
    }
}

async fn ask(client: &Client, call: &AppendCall, known: &BTreeMap<String, List>) -> Result<AppendAnswer, Error> {
    let mut txn = client.txn();
    for step in &call.steps {
        txn = txn.otherwise(Op::get(step.key().to_owned()));
        txn = match step {
            Step::Read { key } => txn.then(Op::get(key.clone())),
            Step::Append { key, element, expected } => {
                let mut elements = known.get(key).map_or_else(Vec::new, |list| list.elements.clone());
                elements.push(*element);
                txn.when(Compare::mod_revision(key.clone()).equals(*expected))
                    .then(Op::put(key.clone(), shown(&elements)))
            }
        };
    }
    let reply = txn.await?;
    let reads = reply
        .results
        .iter()
        .filter(|result| matches!(result, OpReply::Range { .. }));
    Ok(AppendAnswer {
        revision: reply.revision,
        applied: reply.succeeded,
        lists: reads.map(|result| list(result.record())).collect(),
    })
}

/// What is no list is shown as one that nobody wrote.
fn list(record: Option<&Record>) -> List {
    record.map_or_else(List::default, |record| List {
        elements: parsed(&record.value).unwrap_or_else(|| vec![u64::MAX]),
        mod_revision: record.mod_revision,
    })
}
