//! A client that goes from member to member, and takes along what it has seen.

use std::sync::Arc;
use std::time::Duration;

use quorate::{Client, ErrorKind, Strategy};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::writers::Shared;
use crate::HarnessError;
use crate::cluster::Cluster;
use crate::eventual_check::{Hop, HopRead};

const CALL_TIMEOUT: Duration = Duration::from_millis(1500);

/// Between two steps, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 10..60;

/// Only it writes its key: numbers that rise. The greatest stands, so that a put that was given up, and is done by a member that
/// wakes later, takes nothing back.
pub(super) struct Hopper {
    number: u64,
    members: Vec<Client>,
    random: SmallRng,
    shared: Arc<Shared>,
    tried: u64,
    wrote: u64,
}

impl Hopper {
    pub(super) async fn new(
        cluster: &Cluster,
        number: u64,
        seed: u64,
        shared: Arc<Shared>,
    ) -> Result<Hopper, HarnessError> {
        let mut members = Vec::new();
        for id in cluster.ids() {
            members.push(cluster.client_of(id).await?);
        }
        Ok(Hopper {
            number,
            members,
            random: SmallRng::seed_from_u64(seed),
            shared,
            tried: 0,
            wrote: 0,
        })
    }

    pub(super) async fn run(mut self) {
        let mut at = 0;
        while !self.shared.is_stopped() {
            if self.random.random_bool(0.5) {
                self.write(at).await;
            }
            let next = self.random.random_range(0..self.members.len());
            let token = self.members[at].causal_token();
            self.members[next].observe(&token);
            at = next;
            self.read(at).await;
            let pause = Duration::from_millis(self.random.random_range(PAUSE_MS));
            tokio::time::sleep(pause).await;
        }
    }

    fn key(&self) -> String {
        format!("hopper/{}", self.number)
    }

    async fn write(&mut self, at: usize) {
        self.tried += 1;
        let put = self.members[at].eventual().put(self.key(), self.tried.to_string());
        if put.strategy(Strategy::Max).timeout(CALL_TIMEOUT).await.is_ok() {
            self.wrote = self.tried;
        }
    }

    async fn read(&mut self, at: usize) {
        let began_us = self.shared.now_us();
        let reply = self.members[at].eventual().get(self.key()).timeout(CALL_TIMEOUT).await;
        let (member, read) = match reply {
            Ok(reply) => {
                let text = reply
                    .entry
                    .map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
                let number = text.and_then(|text| text.parse().ok()).unwrap_or(0);
                (reply.member, HopRead::Number(number))
            }
            Err(error) if matches!(error.kind(), ErrorKind::ContextLost) => (0, HopRead::ContextLost),
            Err(error) => (0, HopRead::NotNow(error.to_string())),
        };
        self.shared.hops.lock().push(Hop {
            reader: self.number,
            member,
            wrote: self.wrote,
            tried: self.tried,
            read,
            began_us,
            ended_us: self.shared.now_us(),
        });
    }
}
