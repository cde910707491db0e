//! The check of caches, shown to see: a cache of a real client is lied to, and what it answers then is found; without the
//! lie the same run passes.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use quorate::{CacheSettings, Client, Consistency, GetReply, Tier};
use quorate_tests::cache_check::{
    Asked, Coherence, History, Place, Property, Read, Seen, Source, Summary, Verdict, Write, check,
};
use quorate_tests::cache_relay::{CacheLie, CacheRelay};
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::log_replay::replay;
use quorate_tests::wait;
use quorate_tests::watchers::Clock;

const PATIENCE: Duration = Duration::from_secs(20);

/// Of every bounded read.
const BOUND: Duration = Duration::from_millis(100);

const KEYS: [&str; 3] = ["a", "b", "c"];

const WRITER: u64 = 1;
const READER: u64 = 2;

/// A member, who writes to it, and a client whose cache hears of it through a relay.
struct Run {
    cluster: Cluster,
    relay: CacheRelay,
    writer: Client,
    reader: Client,
    domain: &'static str,
    clock: Clock,
    history: History,
    written: u64,
}

impl Run {
    async fn begin(lie: CacheLie, coherence: Coherence) -> Run {
        let settings = Settings {
            whole_logs: vec![1],
            ..Settings::of(1)
        };
        let cluster = Cluster::start_with(settings).await.unwrap();
        let relay = CacheRelay::start(cluster.member(1).unwrap().client_address(), lie)
            .await
            .unwrap();
        let writer = cluster.client().await.unwrap();
        let mut settings = CacheSettings::new();
        let domain = match coherence {
            Coherence::Strong => {
                writer
                    .domains()
                    .create("coherent", Tier::Strong)
                    .coherent(true)
                    .await
                    .unwrap();
                settings = settings.coherence_of("coherent", quorate::Coherence::Strong);
                "coherent"
            }
            _ => "default",
        };
        let reader = Client::builder().endpoints([relay.address()]).cache(settings);
        let reader = reader.connect().await.unwrap();
        let history = History {
            clients: [(WRITER, Coherence::Uncached), (READER, coherence)].into(),
            coherent: [domain.to_owned()]
                .into_iter()
                .filter(|name| name == "coherent")
                .collect(),
            ..History::default()
        };
        Run {
            cluster,
            relay,
            writer,
            reader,
            domain,
            clock: Clock::default(),
            history,
            written: 0,
        }
    }

    fn place(&self, key: &str) -> Place {
        Place {
            domain: self.domain.to_owned(),
            key: Bytes::from(key.to_owned()),
        }
    }

    async fn put(&mut self, key: &str) {
        self.written += 1;
        let began = self.clock.now();
        let put = self.writer.put(key, self.written.to_string()).domain(self.domain).await;
        self.history.writes.push(Write {
            client: WRITER,
            places: vec![self.place(key)],
            began,
            ended: self.clock.now(),
            revision: put.unwrap().revision,
        });
    }

    async fn get(&mut self, key: &str, level: Consistency) -> Source {
        let asked = match level {
            Consistency::Strong => Asked::Strong,
            _ => Asked::Bounded(BOUND),
        };
        let began = self.clock.now();
        let reply = self
            .reader
            .get(key)
            .domain(self.domain)
            .consistency(level)
            .await
            .unwrap();
        self.note(key, asked, began, reply)
    }

    fn note(&mut self, key: &str, asked: Asked, began: Duration, reply: GetReply) -> Source {
        let seen = Seen::of(reply);
        let source = seen.source;
        self.history.reads.push(Read {
            client: READER,
            place: self.place(key),
            asked,
            began,
            ended: self.clock.now(),
            seen,
        });
        source
    }

    /// Reads a key until the cache answers.
    async fn until_cached(&mut self, key: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.get(key, Consistency::BoundedStale(BOUND)).await != Source::Cache {
            assert!(
                tokio::time::Instant::now() < end,
                "the cache never answers: {:?}",
                self.reader.cache().unwrap().stats()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every key is cached, written, and cached again.
    async fn honest_rounds(&mut self) {
        for key in KEYS {
            self.put(key).await;
        }
        self.get("a", Consistency::Strong).await;
        for _ in 0..2 {
            for key in KEYS {
                self.until_cached(key).await;
                self.put(key).await;
            }
        }
        for key in KEYS {
            self.until_cached(key).await;
        }
    }

    /// Keys are written, and read for some times longer than the bound.
    async fn rounds(&mut self) {
        for round in 0..40 {
            let key = KEYS[round % KEYS.len()];
            if round % 10 == 0 {
                self.put(key).await;
            }
            let began = self.clock.now();
            let reply = self.reader.get(key).domain(self.domain);
            let reply = reply
                .consistency(Consistency::BoundedStale(BOUND))
                .local_only()
                .unwrap();
            if let Some(reply) = reply {
                self.note(key, Asked::CacheOnly(Some(BOUND)), began, reply);
            }
            self.get(key, Consistency::BoundedStale(BOUND)).await;
            tokio::time::sleep(BOUND / 4).await;
        }
    }

    async fn verdict(mut self) -> Verdict {
        let state = self.cluster.wait_for_equal_state().await.unwrap();
        self.writer.close().await;
        self.reader.close().await;
        self.cluster.stop(1).await.unwrap();
        let data = self.cluster.member(1).unwrap().data_directory();
        check(&self.history, &replay(&data, &state).unwrap())
    }
}

async fn verdict_on(lie: CacheLie, coherence: Coherence) -> Verdict {
    let mut run = Run::begin(lie, coherence).await;
    run.honest_rounds().await;
    run.relay.lie();
    run.rounds().await;
    assert_eq!(run.relay.lies() > 0, lie != CacheLie::None, "{lie:?} was told");
    run.verdict().await
}

#[track_caller]
fn broken(verdict: Verdict) -> BTreeSet<Property> {
    match verdict {
        Verdict::Illegal(violations) => violations.into_iter().map(|violation| violation.property).collect(),
        other => panic!("the lie passed: {other:?}"),
    }
}

#[tokio::test]
async fn without_a_lie_the_run_passes() {
    let summary: Summary = verdict_on(CacheLie::None, Coherence::Eventual)
        .await
        .into_result()
        .unwrap();
    assert!(summary.hits >= 40 && summary.writes >= 10, "{summary:?}");
    let summary = verdict_on(CacheLie::None, Coherence::Strong)
        .await
        .into_result()
        .unwrap();
    assert!(summary.coherent_hits >= 40, "{summary:?}");
}

#[tokio::test]
async fn a_cache_that_hears_nothing_answers_nothing_beyond_the_bound() {
    let mut run = Run::begin(CacheLie::Silence, Coherence::Eventual).await;
    run.honest_rounds().await;
    run.relay.lie();
    run.rounds().await;
    let last = run.history.writes.last().unwrap().clone();
    let late = run.history.reads.iter().filter(|read| {
        read.seen.source == Source::Cache && read.began > last.ended + BOUND && read.place == last.places[0]
    });
    assert_eq!(late.count(), 0);
    run.verdict().await.into_result().unwrap();
}

#[tokio::test]
async fn events_that_never_come_are_found() {
    let broken = broken(verdict_on(CacheLie::SwallowEvents, Coherence::Eventual).await);
    assert!(broken.contains(&Property::Staleness), "{broken:?}");
    assert!(broken.contains(&Property::Bounded), "{broken:?}");
}

#[tokio::test]
async fn a_cache_that_goes_on_without_its_watch_is_found() {
    let broken = broken(verdict_on(CacheLie::HideBreak, Coherence::Eventual).await);
    assert!(broken.contains(&Property::Bounded), "{broken:?}");
}

#[tokio::test]
async fn a_coherent_cache_that_says_that_it_has_taken_in_what_it_has_not_is_found() {
    let broken = broken(verdict_on(CacheLie::ApplyUnseen, Coherence::Strong).await);
    assert!(broken.contains(&Property::Coherent), "{broken:?}");
}

/// Between the read that fills the cache and the answer to the key's addition the record is written. Not every such lie is
/// believed: the member may have looked further than the events that it still sends, and then an event mends it.
#[tokio::test]
async fn a_record_that_changed_before_its_key_was_added_is_found() {
    let mut run = Run::begin(CacheLie::HideDifference, Coherence::Eventual).await;
    run.honest_rounds().await;
    run.relay.lie();
    let end = tokio::time::Instant::now() + PATIENCE;
    let mut number = 0;
    let mut believed = false;
    while !believed {
        assert!(
            tokio::time::Instant::now() < end,
            "none of {} lies was believed",
            run.relay.lies()
        );
        let key = format!("fresh/{number}");
        number += 1;
        let told = run.relay.lies();
        run.put(&key).await;
        let (writer, domain, name) = (run.writer.clone(), run.domain, key.clone());
        let racing = tokio::spawn(async move { writer.put(name, "raced").domain(domain).await.unwrap().revision });
        let began = run.clock.now();
        run.get(&key, Consistency::BoundedStale(BOUND)).await;
        let revision = racing.await.unwrap();
        run.history.writes.push(Write {
            client: WRITER,
            places: vec![run.place(&key)],
            began,
            ended: run.clock.now(),
            revision,
        });
        // The member's answer to the addition is on its way: the next read is of the same key.
        tokio::time::sleep(BOUND / 4).await;
        run.get(&key, Consistency::BoundedStale(BOUND)).await;
        if run.relay.lies() > told {
            // Long enough for what is held to be older than the bound.
            for _ in 0..12 {
                run.get(&key, Consistency::BoundedStale(BOUND)).await;
                tokio::time::sleep(BOUND / 4).await;
            }
            let seen = &run.history.reads.last().unwrap().seen;
            let record = seen.record.as_ref().map(|(revision, _)| *revision);
            believed = seen.source == Source::Cache && record != Some(revision);
        }
    }
    let broken = broken(run.verdict().await);
    assert!(broken.contains(&Property::Bounded), "{broken:?}");
}

#[tokio::test]
async fn the_relay_passes_what_it_does_not_lie_about() {
    let run = Run::begin(CacheLie::SwallowEvents, Coherence::Eventual).await;
    run.reader.put("k", "v").await.unwrap();
    run.reader.eventual().put("e", "v").await.unwrap();
    let lock = run.reader.lock("l").acquire().await.unwrap();
    lock.release().await.unwrap();
    wait::until("the record", PATIENCE, async || {
        let record = run.reader.get("k").await.map_err(|error| error.to_string())?.record;
        record
            .filter(|record| record.value == "v")
            .map(drop)
            .ok_or("it is not there".to_owned())
    })
    .await
    .unwrap();
    assert_eq!(run.relay.lies(), 0);
}
