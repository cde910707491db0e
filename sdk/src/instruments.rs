//! What the clients of a process say about themselves in numbers, through the facade of the crate `metrics`: a program that
//! has a recorder has them, and for one that has none they cost next to nothing.
//!
//! The instruments are made when the first client is, and shared by all: whoever wants them installs a recorder before.
//! A cached read touches none of them. What caches count is published once a second.

use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};
use quorate_proto::v1::call::Request;
use tokio::time::Instant;

use crate::cache::{CacheStats, Shared};
use crate::error::{Error, Outcome};
use crate::wire::EventualRequest;

/// Time between two times that the counts of a cache are published.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);

/// A metric of a client: its name, its kind, its labels, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientMetric {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What one of it is: `count`, `0 or 1`, `seconds` or `bytes`.
    pub unit: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub help: &'static str,
}

macro_rules! table {
    ($($constant:ident $name:literal $kind:literal $unit:literal [$($label:literal)*] $help:literal;)*) => {
        $(const $constant: &str = $name;)*

        /// Every metric that clients have. They go to the recorder of the crate `metrics` that the program has installed
        /// before it made its first client.
        pub const CLIENT_METRICS: &[ClientMetric] = &[$(ClientMetric {
            name: $name,
            kind: $kind,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

table! {
    CALLS "quorate_client_calls_total" "counter" "count" ["method" "outcome"] "Calls that ended: ok, refused or failed without effect (error), or it is not known whether they had one (unknown).";
    CALL_SECONDS "quorate_client_call_seconds" "histogram" "seconds" ["method"] "Time of a call with all its attempts.";
    RETRIES "quorate_client_retries_total" "counter" "count" [] "Attempts after a delay.";
    CACHE_HITS "quorate_client_cache_hits_total" "counter" "count" [] "Reads that a cache answered.";
    CACHE_MISSES "quorate_client_cache_misses_total" "counter" "count" ["reason"] "Reads that no cache could answer: absent, too_old, behind, broken.";
    CACHE_INVALIDATIONS "quorate_client_cache_invalidations_total" "counter" "count" [] "Changes that were told of keys in a cache, and entries dropped because somebody asked for it.";
    CACHE_EVICTIONS "quorate_client_cache_evictions_total" "counter" "count" [] "Entries that left a cache for want of room.";
    CACHE_ENTRIES "quorate_client_cache_entries" "gauge" "count" [] "Entries in the caches.";
    CACHE_BYTES "quorate_client_cache_bytes" "gauge" "bytes" [] "What they take, by estimate.";
    CIRCUIT_OPEN "quorate_client_circuit_open" "gauge" "0 or 1" ["endpoint"] "The endpoint failed repeatedly, and is left alone for a while.";
}

/// The methods of the stream, and those of the eventual tier.
const METHODS: [&str; 17] = [
    "Kv/Get",
    "Kv/Put",
    "Kv/Delete",
    "Kv/Range",
    "Kv/Txn",
    "Kv/Compact",
    "Session/RegisterClient",
    "Coordination/KeepAlive",
    "Coordination/Query",
    "Domains/Create",
    "Domains/List",
    "Domains/Get",
    "Domains/Change",
    "Domains/Drop",
    "Eventual/Write",
    "Eventual/Read",
    "Eventual/Scan",
];

/// A place in [`METHODS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method(usize);

impl Method {
    pub(crate) fn of(request: &Request) -> Self {
        Self(match request {
            Request::Get(_) => 0,
            Request::Put(_) => 1,
            Request::Delete(_) => 2,
            Request::Range(_) => 3,
            Request::Txn(_) => 4,
            Request::Compact(_) => 5,
            Request::RegisterClient(_) => 6,
            Request::KeepAlive(_) => 7,
            Request::Query(_) => 8,
            Request::DomainCreate(_) => 9,
            Request::DomainList(_) => 10,
            Request::DomainGet(_) => 11,
            Request::DomainChange(_) => 12,
            Request::DomainDrop(_) => 13,
        })
    }

    /// Service and method.
    pub(crate) fn name(self) -> &'static str {
        METHODS[self.0]
    }

    pub(crate) fn of_eventual(request: &EventualRequest) -> Self {
        Self(match request {
            EventualRequest::Write(_) => 14,
            EventualRequest::Read(_) => 15,
            EventualRequest::Scan(_) => 16,
        })
    }
}

struct OfMethod {
    ok: Counter,
    error: Counter,
    unknown: Counter,
    seconds: Histogram,
}

struct Instruments {
    methods: [OfMethod; METHODS.len()],
    retries: Counter,
    cache_hits: Counter,
    cache_absent: Counter,
    cache_too_old: Counter,
    cache_behind: Counter,
    cache_broken: Counter,
    cache_invalidations: Counter,
    cache_evictions: Counter,
    cache_entries: Gauge,
    cache_bytes: Gauge,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    describe();
    let of_method = |method: &'static str| {
        let calls = |outcome: &'static str| metrics::counter!(CALLS, "method" => method, "outcome" => outcome);
        OfMethod {
            ok: calls("ok"),
            error: calls("error"),
            unknown: calls("unknown"),
            seconds: metrics::histogram!(CALL_SECONDS, "method" => method),
        }
    };
    let misses = |reason: &'static str| metrics::counter!(CACHE_MISSES, "reason" => reason);
    Instruments {
        methods: METHODS.map(of_method),
        retries: metrics::counter!(RETRIES),
        cache_hits: metrics::counter!(CACHE_HITS),
        cache_absent: misses("absent"),
        cache_too_old: misses("too_old"),
        cache_behind: misses("behind"),
        cache_broken: misses("broken"),
        cache_invalidations: metrics::counter!(CACHE_INVALIDATIONS),
        cache_evictions: metrics::counter!(CACHE_EVICTIONS),
        cache_entries: metrics::gauge!(CACHE_ENTRIES),
        cache_bytes: metrics::gauge!(CACHE_BYTES),
    }
});

fn describe() {
    for metric in CLIENT_METRICS {
        let unit = match metric.unit {
            "seconds" => Unit::Seconds,
            "bytes" => Unit::Bytes,
            _ => Unit::Count,
        };
        match metric.kind {
            "counter" => metrics::describe_counter!(metric.name, unit, metric.help),
            "gauge" => metrics::describe_gauge!(metric.name, unit, metric.help),
            _ => metrics::describe_histogram!(metric.name, unit, metric.help),
        }
    }
}

/// A client is made: from now on a recorder that is installed comes too late.
pub(crate) fn begin() {
    LazyLock::force(&INSTRUMENTS);
}

/// A call that began then has ended.
pub(crate) fn called<T>(method: Method, began: Instant, result: &Result<T, Error>) {
    let of_method = &INSTRUMENTS.methods[method.0];
    let counter = match result {
        Ok(_) => &of_method.ok,
        Err(error) if error.outcome() == Outcome::Unknown => &of_method.unknown,
        Err(_) => &of_method.error,
    };
    counter.increment(1);
    of_method.seconds.record(began.elapsed());
}

/// An attempt is made again.
pub(crate) fn retried() {
    INSTRUMENTS.retries.increment(1);
}

/// The circuit of an endpoint opened or closed.
pub(crate) fn circuit(endpoint: &str, open: bool) {
    metrics::gauge!(CIRCUIT_OPEN, "endpoint" => endpoint.to_owned()).set(f64::from(u8::from(open)));
}

/// Publishes what a cache counts, until it is gone.
pub(crate) async fn publish_cache(cache: Weak<Shared>) {
    let mut published = Published::default();
    while let Some(counted) = cache.upgrade().map(|cache: Arc<Shared>| cache.counted()) {
        published.become_of(&counted);
        tokio::time::sleep(PUBLISH_INTERVAL).await;
    }
}

/// What was published of one cache. With it go its entries: gauges are of all caches together.
#[derive(Default)]
struct Published(CacheStats);

impl Published {
    fn become_of(&mut self, now: &CacheStats) {
        let (all, before) = (&*INSTRUMENTS, &self.0);
        let counters = [
            (&all.cache_hits, before.hits, now.hits),
            (&all.cache_absent, before.misses.absent, now.misses.absent),
            (&all.cache_too_old, before.misses.too_old, now.misses.too_old),
            (&all.cache_behind, before.misses.behind, now.misses.behind),
            (&all.cache_broken, before.misses.broken, now.misses.broken),
            (
                &all.cache_invalidations,
                before.changes + before.invalidations,
                now.changes + now.invalidations,
            ),
            (&all.cache_evictions, before.evictions, now.evictions),
        ];
        for (counter, before, now) in counters {
            counter.increment(now.saturating_sub(before));
        }
        all.cache_entries.increment(now.entries as f64 - before.entries as f64);
        all.cache_bytes.increment(now.bytes as f64 - before.bytes as f64);
        self.0 = *now;
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        INSTRUMENTS.cache_entries.decrement(self.0.entries as f64);
        INSTRUMENTS.cache_bytes.decrement(self.0.bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds_go_together() {
        for metric in CLIENT_METRICS {
            let name = metric.name;
            assert!(name.starts_with("quorate_client_"), "{name}");
            assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
            assert_eq!(metric.unit == "seconds", name.ends_with("_seconds"), "{name}");
            assert!(["counter", "gauge", "histogram"].contains(&metric.kind), "{name}");
            assert!(metric.help.ends_with('.'), "{name}");
        }
    }
}
