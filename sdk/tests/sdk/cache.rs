//! The read-through cache while nothing goes wrong.

use std::time::Duration;

use quorate::{Cache, CachePolicy, CacheSettings, Client, Consistency, ErrorKind, GetReply, Source};
use quorate_proto::v1::call::Request;

use super::watch::until;
use crate::fake::FakeCluster;

pub(super) const BOUND: Duration = Duration::from_millis(500);

pub(super) async fn client_with(cluster: &FakeCluster, settings: CacheSettings) -> (Client, Cache) {
    let builder = Client::builder().endpoints(cluster.addresses()).cache(settings);
    let client = builder.connect().await.unwrap();
    let cache = client.cache().unwrap();
    (client, cache)
}

/// Its stream is there.
pub(super) async fn client(cluster: &FakeCluster) -> (Client, Cache) {
    let (client, cache) = client_with(cluster, CacheSettings::new()).await;
    until("the cache is kept true", || cache.stats().proof_age.is_some()).await;
    (client, cache)
}

pub(super) fn value(reply: &GetReply) -> &[u8] {
    reply.record.as_ref().map_or(b"", |record| &record.value[..])
}

/// Reads a key until the cache answers it.
pub(super) async fn cached(client: &Client, key: &str) -> GetReply {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let read = client.get(key).consistency(Consistency::BoundedStale(BOUND));
        let reply = read.await.unwrap();
        if reply.source == Source::Cache {
            return reply;
        }
        assert!(tokio::time::Instant::now() < deadline, "the cache never answers");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the cache says of a key becomes this.
pub(super) async fn becomes(cache: &Cache, key: &str, wanted: Option<&str>) {
    let holds = || {
        let cached = cache.get_local("", key);
        cached.is_some_and(|cached| cached.value() == wanted.map(str::as_bytes))
    };
    until(&format!("{key} becomes {wanted:?}"), holds).await;
}

pub(super) fn reads(cluster: &FakeCluster) -> usize {
    let store = cluster.store.lock();
    let reads = store
        .requests
        .iter()
        .filter(|request| matches!(request, Request::Get(_)));
    reads.count()
}

#[tokio::test]
async fn a_read_fills_the_cache_and_the_next_one_makes_no_call() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    let written = client.put("jobs/1", "ready").await.unwrap();
    let first = client.get("jobs/1").consistency(Consistency::Local).await.unwrap();
    assert_ne!(first.source, Source::Cache);
    assert_eq!(first.level, Consistency::Local);
    let reply = cached(&client, "jobs/1").await;
    assert_eq!(value(&reply), b"ready");
    assert_eq!(reply.level, Consistency::BoundedStale(BOUND));
    assert!(reply.revision >= written.revision && reply.staleness <= BOUND);
    let before = reads(&cluster);
    for _ in 0..10 {
        cached(&client, "jobs/1").await;
    }
    assert!(reads(&cluster) - before <= 1, "the cache answers reads");
    let (value, record) = client
        .get_json::<String>("jobs/none")
        .consistency(Consistency::Local)
        .await
        .unwrap()
        .unzip();
    assert_eq!((value, record), (None, None));
    assert!(cache.stats().hits >= 11, "{:?}", cache.stats());
}

#[tokio::test]
async fn that_a_key_does_not_exist_is_cached_until_it_does() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    assert_eq!(cached(&client, "jobs/1").await.record, None);
    let other = cluster.client().await;
    other.put("jobs/1", "ready").await.unwrap();
    becomes(&cache, "jobs/1", Some("ready")).await;
    other.delete("jobs/1").await.unwrap();
    becomes(&cache, "jobs/1", None).await;
    assert_eq!(cache.stats().changes, 2);
}

#[tokio::test]
async fn a_write_is_never_followed_by_what_was_there_before() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    client.put("jobs/1", "0").await.unwrap();
    cached(&client, "jobs/1").await;
    for round in 1..50 {
        client.put("jobs/1", round.to_string()).await.unwrap();
        let level = [Consistency::Local, Consistency::BoundedStale(BOUND)][round % 2];
        let reply = client.get("jobs/1").consistency(level).await.unwrap();
        assert_eq!(value(&reply), round.to_string().as_bytes());
        if let Some(cached) = cache.get("", "jobs/1", BOUND) {
            assert_eq!(cached.value(), Some(round.to_string().as_bytes()));
        }
    }
}

#[tokio::test]
async fn strong_reads_and_reads_of_the_past_pass_by() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    client.put("jobs/1", "ready").await.unwrap();
    cached(&client, "jobs/1").await;
    let hits = cache.stats().hits;
    for read in [
        client.get("jobs/1"),
        client.get("jobs/1").consistency(Consistency::Strong),
    ] {
        let reply = read.await.unwrap();
        assert_eq!((reply.source, reply.level), (Source::Replica, Consistency::Strong));
    }
    let past = client.get("jobs/1").at_revision(2).consistency(Consistency::Local);
    assert_ne!(past.await.unwrap().source, Source::Cache);
    assert_eq!(cache.stats().hits, hits);
}

#[tokio::test]
async fn local_only_makes_no_call_and_says_that_it_does_not_know() {
    let cluster = FakeCluster::start(1).await;
    let (client, _cache) = client(&cluster).await;
    client.put("jobs/1", "\"ready\"").await.unwrap();
    let before = reads(&cluster);
    assert_eq!(client.get("jobs/1").local_only().unwrap(), None);
    assert_eq!(reads(&cluster), before);
    cached(&client, "jobs/1").await;
    let reply = client.get("jobs/1").local_only().unwrap().unwrap();
    assert_eq!((value(&reply), reply.source), (&b"\"ready\""[..], Source::Cache));
    let typed = client.get_json::<String>("jobs/1").local_only().unwrap();
    assert_eq!(typed.unwrap().unwrap().0, "ready");
}

#[tokio::test]
async fn local_only_refuses_what_no_cache_can_answer() {
    let cluster = FakeCluster::start(1).await;
    let (client, _cache) = client(&cluster).await;
    let refused = |read: quorate::Get<'_>| match read.local_only().unwrap_err().kind() {
        ErrorKind::InvalidArgument { field, .. } => field.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(client.get("k").consistency(Consistency::Strong)), "consistency");
    assert_eq!(
        refused(client.get("k").consistency(Consistency::Eventual)),
        "consistency"
    );
    assert_eq!(refused(client.get("k").at_revision(2)), "at_revision");
    let zero = Consistency::BoundedStale(Duration::ZERO);
    assert_eq!(refused(client.get("k").consistency(zero)), "consistency");
    let without = cluster.client().await;
    assert!(without.cache().is_none());
    assert_eq!(refused(without.get("k")), "cache");
}

#[tokio::test]
async fn bounds_of_nothing_are_refused_before_anything_is_connected() {
    let settings = [
        (CacheSettings::new().entries_max(0), "cache.entries_max"),
        (CacheSettings::new().bytes_max(0), "cache.bytes_max"),
        (CacheSettings::new().ttl(Duration::ZERO), "cache.ttl"),
    ];
    for (settings, name) in settings {
        let builder = Client::builder().endpoints(["127.0.0.1:1"]).cache(settings);
        match builder.connect().await.unwrap_err().kind() {
            ErrorKind::InvalidArgument {
                field,
                limit: 1,
                value: 0,
            } => assert_eq!(field, name),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_goes_for_want_of_room_is_taken_off_the_watch() {
    let cluster = FakeCluster::start(1).await;
    let settings = CacheSettings::new().entries_max(4).policy(CachePolicy::Lru);
    let (client, cache) = client_with(&cluster, settings).await;
    until("the cache is kept true", || cache.stats().proof_age.is_some()).await;
    for index in 0..20 {
        cached(&client, &format!("jobs/{index}")).await;
    }
    let held = |cluster: &FakeCluster| {
        let mut held = std::collections::BTreeSet::new();
        cluster.members[0].script_watches(|script| {
            for (key, added) in script.cache_keys() {
                if added {
                    held.insert(key)
                } else {
                    held.remove(&key)
                };
            }
        });
        held
    };
    until("no more keys are watched than are held", || held(&cluster).len() == 4).await;
    assert!(held(&cluster).contains("jobs/19"));
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.entries_max, stats.evictions), (4, 4, 16));
    assert!(stats.bytes > 4 * 896 && stats.bytes < 4 * 1_000, "{}", stats.bytes);
}

#[tokio::test]
async fn what_is_over_is_read_anew_and_taken_off_the_watch() {
    let cluster = FakeCluster::start(1).await;
    let settings = CacheSettings::new().ttl(Duration::from_millis(150));
    let (client, cache) = client_with(&cluster, settings).await;
    cached(&client, "jobs/1").await;
    until("the entry is over", || cache.get_local("", "jobs/1").is_none()).await;
    until("it is counted", || cache.stats().expirations == 1).await;
    cached(&client, "jobs/1").await;
}

#[tokio::test]
async fn a_cache_asks_rarely_when_nobody_looks_and_often_enough_when_somebody_does() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    cached(&client, "jobs/1").await;
    let probes = || {
        let mut probes = 0;
        cluster.members[0].script_watches(|script| probes = script.probes());
        probes
    };
    let bound = Duration::from_millis(60);
    let (before, began) = (probes(), tokio::time::Instant::now());
    let (mut asked, mut answered) = (0, 0);
    while began.elapsed() < Duration::from_millis(600) {
        asked += 1;
        answered += u32::from(cache.get("", "jobs/1", bound).is_some());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let asked_member = probes() - before;
    assert!(answered * 10 > asked * 8, "{answered} of {asked} were answered");
    assert!((5..=60).contains(&asked_member), "{asked_member} probes");
    // Two seconds later nobody has looked for one at least.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let before = probes();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(probes() - before <= 1, "nobody looks");
}

#[tokio::test]
async fn a_warm_up_reads_keys_and_prefixes_and_waits_until_they_are_kept_true() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    super::watch::write(&client, 30).await;
    let warmed = cache
        .warm_up([quorate::Keys::prefix("jobs/1"), "none".into()])
        .await
        .unwrap();
    assert_eq!((warmed.read, warmed.is_full, warmed.is_settled), (12, false, true));
    let before = reads(&cluster);
    for key in ["jobs/1", "jobs/17", "none"] {
        until("it is there", || cache.get("", key, BOUND).is_some()).await;
    }
    assert_eq!(reads(&cluster), before);
    assert_eq!(cache.stats().fills, 12);
}

#[tokio::test]
async fn a_warm_up_stops_when_the_cache_is_full() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client_with(&cluster, CacheSettings::new().entries_max(10)).await;
    until("the cache is kept true", || cache.stats().proof_age.is_some()).await;
    super::watch::write(&client, 30).await;
    let warmed = cache.warm_up([quorate::Keys::all()]).await.unwrap();
    assert_eq!((warmed.read, warmed.is_full), (10, true));
}

#[tokio::test]
async fn a_client_that_was_closed_or_dropped_answers_nothing() {
    let cluster = FakeCluster::start(1).await;
    let (closed, cache) = client(&cluster).await;
    cached(&closed, "jobs/1").await;
    closed.close().await;
    assert!(cache.get_local("", "jobs/1").is_none());
    let read = closed.get("jobs/1").consistency(Consistency::Local);
    assert_eq!(read.await.unwrap_err().kind(), &ErrorKind::Closed);
    assert_eq!(cache.invalidate("jobs/1").await.unwrap_err().kind(), &ErrorKind::Closed);

    let (dropped, cache) = client(&cluster).await;
    cached(&dropped, "jobs/1").await;
    drop(dropped);
    assert!(cache.get_local("", "jobs/1").is_none());
    assert_eq!(cache.warm_up(["jobs/1"]).await.unwrap_err().kind(), &ErrorKind::Closed);
    let streams = || {
        let mut streams = 0;
        cluster.members[0].script_watches(|script| streams = script.caches);
        streams
    };
    until("its watch is gone", || streams() == 0).await;
}
