//! Writes, by clients that do nothing else and by those that read.

use std::sync::Arc;
use std::time::Duration;

use quorate::{Client, Error, Op};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::keys;
use super::shared::{Change, Shared};
use crate::cache_check::Place;

/// Between two writes of a client, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 2..15;

/// Life of what goes by itself, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 200..1200;

/// A snapshot is due after some log, which values have to fill.
const VALUE_BYTES: usize = 200;

/// Who writes, and remembers what was acknowledged.
pub(super) struct Writer {
    pub(super) id: u64,
    client: Client,
    shared: Arc<Shared>,
    random: SmallRng,
    written: u64,
    /// Distinguishes the values of several writers of one client.
    task: u64,
}

impl Writer {
    pub(super) fn new(id: u64, task: u64, client: Client, shared: Arc<Shared>, seed: u64) -> Writer {
        Writer {
            id,
            client,
            shared,
            random: SmallRng::seed_from_u64(seed),
            written: 0,
            task,
        }
    }

    /// Writes until the run is over.
    pub(super) async fn run(mut self) {
        while !self.shared.is_stopped() {
            let place = keys::lasting(&mut self.random);
            self.write(place).await;
            tokio::time::sleep(Duration::from_millis(self.random.random_range(PAUSE_MS))).await;
        }
        self.client.close().await;
    }

    /// Does something to a key, or to others where that is the only way.
    pub(super) async fn write(&mut self, place: Place) {
        let change = match self.random.random_range(0..100) {
            0..50 => Change::Put,
            50..62 => Change::Delete,
            62..82 => Change::Transaction,
            82..94 => Change::Expiring,
            _ => Change::Leased,
        };
        let ended = match change {
            Change::Put => self.put(place).await,
            Change::Delete => self.delete(place).await,
            Change::Transaction => self.transaction(place).await,
            Change::Expiring => self.expiring().await,
            Change::Leased => self.leased().await,
        };
        // What fails is not acknowledged; whether it was done is the log's to say.
        match ended {
            Ok(()) => *self.shared.done.lock().entry(change).or_default() += 1,
            Err(_) => self.shared.attempts.lock().writes_failed += 1,
        }
    }

    async fn put(&mut self, place: Place) -> Result<(), Error> {
        let value = self.value();
        let began = self.shared.clock.now();
        let put = self.client.put(place.key.clone(), value).domain(place.domain.clone());
        let revision = put.await?.revision;
        self.shared.wrote(self.id, vec![place], began, revision);
        Ok(())
    }

    async fn delete(&mut self, place: Place) -> Result<(), Error> {
        let began = self.shared.clock.now();
        let delete = self.client.delete(place.key.clone()).domain(place.domain.clone());
        let reply = delete.await?;
        if reply.deleted > 0 {
            self.shared.wrote(self.id, vec![place], began, reply.revision);
        }
        Ok(())
    }

    /// Two keys are written, perhaps in two domains.
    async fn transaction(&mut self, one: Place) -> Result<(), Error> {
        let other = keys::lasting(&mut self.random);
        let mut places = vec![one];
        if !places.contains(&other) {
            places.push(other);
        }
        let values: Vec<String> = places.iter().map(|_| self.value()).collect();
        let mut txn = self.client.txn();
        for (place, value) in places.iter().zip(values) {
            txn = txn.then(Op::put(place.key.clone(), value).domain(place.domain.clone()));
        }
        let began = self.shared.clock.now();
        let revision = txn.await?.revision;
        self.shared.wrote(self.id, places, began, revision);
        Ok(())
    }

    async fn expiring(&mut self) -> Result<(), Error> {
        let (place, value) = (keys::expiring(&mut self.random), self.value());
        let life = Duration::from_millis(self.random.random_range(LIFE_MS));
        let began = self.shared.clock.now();
        let put = self.client.put(place.key.clone(), value).domain(place.domain.clone());
        let revision = put.ttl(life).await?.revision;
        self.shared.wrote(self.id, vec![place], began, revision);
        Ok(())
    }

    /// A key that goes with a lease, which is revoked or left to expire.
    async fn leased(&mut self) -> Result<(), Error> {
        let life = Duration::from_millis(self.random.random_range(1000..2000));
        let lease = self.client.grant_lease(life).await?.lease;
        let (place, value) = (keys::expiring(&mut self.random), self.value());
        let began = self.shared.clock.now();
        let put = self.client.put(place.key.clone(), value).domain(place.domain.clone());
        let revision = put.lease(lease).await?.revision;
        self.shared.wrote(self.id, vec![place], began, revision);
        if self.random.random_bool(0.6) {
            self.client.revoke_lease(lease).await?;
        }
        Ok(())
    }

    /// Unique in the run.
    fn value(&mut self) -> String {
        self.written += 1;
        let unique = format!("{}.{}.{}", self.id, self.task, self.written);
        format!("{unique:.<VALUE_BYTES$}")
    }
}
