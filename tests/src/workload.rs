//! Clients that write, compare and read a few keys while faults happen, and record every call.
//!
//! Each client is one SDK client with one call at a time, as [`History`] demands. Values are unique. Between calls a
//! client pauses: the point is interleaving with faults, not load.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Consistency, Outcome};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::HarnessError;
use crate::history::{History, Request, Response};
use crate::model::Versioned;

/// Keys that all clients share: few, so that they meet.
const KEYS: u64 = 5;

/// Between two calls of a client.
const PAUSE: Duration = Duration::from_millis(3);

/// All keys of a workload begin with this.
pub const PREFIX: &str = "workload/";

/// Clients that run until they are told to stop.
#[derive(Debug)]
pub struct Workload {
    history: Arc<History>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

impl Workload {
    /// Starts one task for each of these SDK clients.
    pub fn start(clients: Vec<Client>, seed: u64) -> Workload {
        let history = Arc::new(History::default());
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            let number = number as u64;
            let actor = Actor {
                client,
                number,
                history: Arc::clone(&history),
                random: SmallRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                written: 0,
                seen: [0; KEYS as usize],
            };
            tasks.spawn(actor.run(stopped.clone()));
        }
        Workload {
            history,
            stop,
            clients: tasks,
        }
    }

    /// What was recorded so far.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Lets every client finish its call.
    pub async fn stop(mut self) -> Result<Arc<History>, HarnessError> {
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.map_err(|error| HarnessError::Broken(format!("a client of the workload stopped: {error}")))?;
        }
        Ok(self.history)
    }
}

/// Reads every key, linearizably, into the history: the end of a run must show all that was acknowledged.
pub async fn read_every_key(client: &Client, number: u64, history: &History) -> Result<(), HarnessError> {
    for index in 0..KEYS {
        let invoked = history.now();
        let request = Request::Get {
            key: key(index),
            strong: true,
        };
        let reply = client.get(key(index)).consistency(Consistency::Strong).await;
        let reply = reply.map_err(HarnessError::call("final read"))?;
        let response = Response::Read {
            revision: reply.revision,
            record: reply.record.map(versioned),
        };
        history.record(number, invoked, request, response);
    }
    Ok(())
}

fn key(index: u64) -> Bytes {
    Bytes::from(format!("{PREFIX}{index}"))
}

fn versioned(record: quorate::Record) -> Versioned {
    Versioned {
        value: record.value,
        mod_revision: record.mod_revision,
        version: record.version,
    }
}

struct Actor {
    client: Client,
    number: u64,
    history: Arc<History>,
    random: SmallRng,
    written: u64,
    /// The modification revision of each key as last seen: what a compare-and-swap expects.
    seen: [u64; KEYS as usize],
}

impl Actor {
    async fn run(mut self, stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let index = self.random.random_range(0..KEYS);
            let request = self.choose(index);
            let invoked = self.history.now();
            let response = self.call(&request).await;
            self.remember(index, &request, &response);
            self.history.record(self.number, invoked, request, response);
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn choose(&mut self, index: u64) -> Request {
        let key = key(index);
        match self.random.random_range(0..100) {
            0..35 => Request::Put {
                key,
                value: self.next_value(),
            },
            35..65 => Request::CompareAndSwap {
                key,
                expected: self.seen[index as usize],
                value: self.next_value(),
            },
            65..70 => Request::Delete { key },
            70..90 => Request::Get { key, strong: true },
            _ => Request::Get { key, strong: false },
        }
    }

    fn next_value(&mut self) -> Bytes {
        self.written += 1;
        Bytes::from(format!("{}.{}", self.number, self.written))
    }

    async fn call(&self, request: &Request) -> Response {
        let answer = match request {
            Request::Put { key, value } => self.put(key, value).await,
            Request::CompareAndSwap { key, expected, value } => self.compare_and_swap(key, *expected, value).await,
            Request::Delete { key } => self.delete(key).await,
            Request::Get { key, strong } => self.get(key, *strong).await,
        };
        answer.unwrap_or_else(|error| match error.outcome() {
            Outcome::NotApplied => Response::NotApplied,
            Outcome::Unknown | Outcome::NotAMutation => Response::Unknown,
        })
    }

    async fn put(&self, key: &Bytes, value: &Bytes) -> Result<Response, quorate::Error> {
        let reply = self.client.put(key.clone(), value.clone()).await?;
        Ok(Response::Written {
            revision: reply.revision,
        })
    }

    async fn compare_and_swap(&self, key: &Bytes, expected: u64, value: &Bytes) -> Result<Response, quorate::Error> {
        let reply = self
            .client
            .compare_and_swap(key.clone(), expected, value.clone())
            .await?;
        Ok(match reply.swapped {
            true => Response::Written {
                revision: reply.revision,
            },
            false => Response::Unchanged {
                revision: reply.revision,
                current: reply.current.map(versioned),
            },
        })
    }

    async fn delete(&self, key: &Bytes) -> Result<Response, quorate::Error> {
        let reply = self.client.delete(key.clone()).await?;
        Ok(match reply.deleted {
            0 => Response::Unchanged {
                revision: reply.revision,
                current: None,
            },
            _ => Response::Written {
                revision: reply.revision,
            },
        })
    }

    async fn get(&self, key: &Bytes, strong: bool) -> Result<Response, quorate::Error> {
        let level = if strong {
            Consistency::Strong
        } else {
            Consistency::Local
        };
        let reply = self.client.get(key.clone()).consistency(level).await?;
        Ok(Response::Read {
            revision: reply.revision,
            record: reply.record.map(versioned),
        })
    }

    fn remember(&mut self, index: u64, request: &Request, response: &Response) {
        let revision = match response {
            Response::Written { revision } if request.value().is_some() => *revision,
            Response::Written { .. } => 0,
            Response::Unchanged { current: record, .. } | Response::Read { record, .. } => {
                record.as_ref().map_or(0, |record| record.mod_revision)
            }
            Response::NotApplied | Response::Unknown => return,
        };
        self.seen[index as usize] = revision;
    }
}
