//! Reads of every level, by clients with a cache and without, that also write now and then.

use std::sync::Arc;
use std::time::Duration;

use quorate::{Client, Consistency, GetReply, Record};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::keys;
use super::shared::Shared;
use super::writer::Writer;
use crate::cache_check::{Asked, Place, Read, Seen, Source};

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
            Answer::Seen(seen) => self.shared.reads.lock().push(Read {
                client: self.id,
                place,
                asked,
                began,
                ended,
                seen,
            }),
            Answer::NotCached => self.shared.attempts.lock().not_cached += 1,
            Answer::Failed => self.shared.attempts.lock().reads_failed += 1,
        }
    }

    async fn ask(&mut self, place: &Place, asked: Asked) -> Answer {
        let get = || self.client.get(place.key.clone()).domain(place.domain.clone());
        let (get, only) = match asked {
            Asked::Strong => (get().consistency(Consistency::Strong), false),
            Asked::Bounded(bound) => (get().consistency(Consistency::BoundedStale(bound)), false),
            Asked::Local => (get().consistency(Consistency::Local), false),
            Asked::CacheOnly(None) => (get().consistency(Consistency::Local), true),
            // Half of them as a program does that is in a hurry.
            Asked::CacheOnly(Some(bound)) if self.random.random_bool(0.5) => return self.look_up(place, bound),
            Asked::CacheOnly(Some(bound)) => (get().consistency(Consistency::BoundedStale(bound)), true),
        };
        if !only {
            return match get.await {
                Ok(reply) => Answer::Seen(seen(reply)),
                Err(_) => Answer::Failed,
            };
        }
        match get.local_only() {
            Ok(Some(reply)) => Answer::Seen(seen(reply)),
            Ok(None) => Answer::NotCached,
            Err(_) => Answer::Failed,
        }
    }

    /// Without a call, where there is a cache.
    fn look_up(&self, place: &Place, bound: Duration) -> Answer {
        let cached = self.client.cache();
        let cached = cached.and_then(|cache| cache.get(&place.domain, &place.key, bound));
        match cached {
            None => Answer::NotCached,
            Some(cached) => Answer::Seen(Seen {
                source: Source::Cache,
                revision: cached.revision(),
                record: cached.record().map(shown),
                staleness: Some(cached.staleness()),
            }),
        }
    }
}

enum Answer {
    Seen(Seen),
    NotCached,
    Failed,
}

fn seen(reply: GetReply) -> Seen {
    Seen {
        source: match reply.source {
            quorate::Source::Cache => Source::Cache,
            quorate::Source::Leader => Source::Leader,
            _ => Source::Replica,
        },
        revision: reply.revision,
        record: reply.record.as_ref().map(shown),
        // The longest there is: it cannot tell.
        staleness: (reply.staleness != Duration::MAX).then_some(reply.staleness),
    }
}

fn shown(record: &Record) -> (u64, bytes::Bytes) {
    (record.mod_revision, record.value.clone())
}
