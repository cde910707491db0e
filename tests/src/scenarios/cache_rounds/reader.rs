//! Reads of every level, by clients with a cache and without, that also write now and then.

use std::sync::Arc;
use std::time::Duration;

use quorate::{Client, Error};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::keys;
use super::shared::Shared;
use super::writer::Writer;
use crate::cache_check::{Asked, Place, Read, Seen, ask, look_up};

/// Between two reads of a task, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 1..6;

/// Bounds of reads, in milliseconds.
const BOUNDS_MS: [u64; 5] = [10, 50, 200, 1_000, 5_000];

/// One task of a client.
pub(super) struct Reader {
    pub(super) id: u64,
    pub(super) client: Client,
    pub(super) shared: Arc<Shared>,
    pub(super) random: SmallRng,
    pub(super) writer: Writer,
}

impl Reader {
    pub(super) fn new(id: u64, task: u64, client: Client, shared: Arc<Shared>, seed: u64) -> Reader {
        let mut random = SmallRng::seed_from_u64(seed);
        let writer = Writer::new(id, task, client.clone(), Arc::clone(&shared), random.random());
        Reader {
            id,
            client,
            shared,
            random,
            writer,
        }
    }

    /// Reads until the run is over.
    pub(super) async fn run(mut self) {
        while !self.shared.is_stopped() {
            let place = keys::any(&mut self.random);
            if self.random.random_bool(0.04) {
                let place = keys::lasting(&mut self.random);
                self.writer.write(place.clone()).await;
                self.read(place).await;
            }
            self.read(place).await;
            tokio::time::sleep(Duration::from_millis(self.random.random_range(PAUSE_MS))).await;
        }
        self.client.close().await;
    }

    async fn read(&mut self, place: Place) {
        let bound = Duration::from_millis(*BOUNDS_MS.choose(&mut self.random).unwrap_or(&1_000));
        let asked = match self.random.random_range(0..100) {
            0..5 => Asked::Strong,
            5..50 => Asked::Bounded(bound),
            50..70 => Asked::Local,
            70..80 => Asked::CacheOnly(None),
            _ => Asked::CacheOnly(Some(bound)),
        };
        let asked = match asked {
            Asked::CacheOnly(_) if self.client.cache().is_none() => Asked::Local,
            asked => asked,
        };
        let began = self.shared.clock.now();
        let answer = self.ask(&place, asked).await;
        let ended = self.shared.clock.now();
        match answer {
            Ok(Some(seen)) => self.shared.reads.lock().push(Read {
                client: self.id,
                place,
                asked,
                began,
                ended,
                seen,
            }),
            Ok(None) => self.shared.attempts.lock().not_cached += 1,
            Err(_) => self.shared.attempts.lock().reads_failed += 1,
        }
    }

    /// Half of the look-ups are made without a call.
    async fn ask(&mut self, place: &Place, asked: Asked) -> Result<Option<Seen>, Error> {
        match asked {
            Asked::CacheOnly(Some(bound)) if self.random.random_bool(0.5) => Ok(look_up(&self.client, place, bound)),
            asked => ask(&self.client, place, asked).await,
        }
    }
}
