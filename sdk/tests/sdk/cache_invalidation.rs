//! Dropping what a cache holds, here and everywhere.

use std::time::Duration;

use quorate::{Cache, CacheSettings, DropCause, DroppedItem, ErrorKind, Keys, Stale};

use super::cache::{cached, client, client_with, reads};
use super::watch::until;
use crate::fake::FakeCluster;

const SOON: Duration = Duration::from_secs(10);

async fn held(cluster: &FakeCluster) -> (quorate::Client, Cache) {
    let (client, cache) = client(cluster).await;
    for key in ["jobs/1", "jobs/2", "jobs/2/state", "other"] {
        let write = client.put(key, "v");
        let write = if key == "other" { write.tags(["red"]) } else { write };
        write.await.unwrap();
    }
    for key in ["jobs/1", "jobs/2", "jobs/2/state", "other"] {
        cached(&client, key).await;
    }
    (client, cache)
}

fn holds(cache: &Cache) -> Vec<&'static str> {
    let keys = ["jobs/1", "jobs/2", "jobs/2/state", "other"];
    keys.into_iter()
        .filter(|key| cache.get_local("", key).is_some())
        .collect()
}

#[tokio::test]
async fn keys_patterns_tags_and_everything_can_be_dropped_here() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = held(&cluster).await;
    assert_eq!(holds(&cache).len(), 4);
    let dropped = cache.invalidate(Keys::pattern("jobs/*")).await.unwrap();
    assert_eq!((dropped.dropped, dropped.told, dropped.is_complete()), (2, 0, false));
    assert_eq!(holds(&cache), ["jobs/2/state", "other"]);
    assert_eq!(cache.invalidate(Stale::tag("red")).await.unwrap().dropped, 1);
    assert_eq!(cache.invalidate("none").await.unwrap().dropped, 0);
    let elsewhere = cache.invalidate(Keys::all()).domain("session");
    assert_eq!(elsewhere.await.unwrap().dropped, 0);
    assert_eq!(holds(&cache), ["jobs/2/state"]);
    assert_eq!(cache.clear(), 1);
    assert_eq!(holds(&cache).len(), 0);
    assert_eq!(cache.stats().invalidations, 4);
    // It is read anew, and kept true again.
    let before = reads(&cluster);
    cached(&client, "jobs/1").await;
    assert!(reads(&cluster) > before);
}

#[tokio::test]
async fn what_means_nothing_is_refused() {
    let cluster = FakeCluster::start(1).await;
    let (_client, cache) = client(&cluster).await;
    for stale in [Stale::tag(""), Stale::from("")] {
        let error = cache.invalidate(stale).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    }
    let long = cache.invalidate("k").acknowledged(Duration::from_secs(61));
    let error = long.await.unwrap_err();
    assert_eq!(error.message(), "acknowledged is 61000 ms; it may be at most 60000");
}

#[tokio::test]
async fn every_cache_is_told_and_says_when_it_has_dropped_it() {
    let cluster = FakeCluster::start(1).await;
    let (_one, first) = held(&cluster).await;
    let (_two, second) = held(&cluster).await;
    let done = first
        .invalidate(Keys::prefix("jobs/2"))
        .acknowledged(Duration::from_secs(5));
    let done = done.await.unwrap();
    assert_eq!((done.dropped, done.told, done.acknowledged), (2, 2, 2));
    assert!(done.is_complete());
    assert_eq!(holds(&second), ["jobs/1", "other"]);
    // Without waiting, it comes nevertheless.
    let told = first.invalidate("jobs/1").everywhere().await.unwrap();
    assert_eq!((told.dropped, told.told), (1, 2));
    until("the other one has dropped it", || holds(&second) == ["other"]).await;
}

#[tokio::test]
async fn a_cache_that_does_not_say_so_in_time_is_told_of() {
    let cluster = FakeCluster::start(1).await;
    let (_client, cache) = held(&cluster).await;
    cluster.members[0].script_watches(|script| script.mute_invalidated = true);
    let done = cache.invalidate("jobs/1").acknowledged(Duration::from_millis(50));
    let done = done.await.unwrap();
    assert_eq!((done.told, done.acknowledged, done.is_complete()), (1, 0, false));
}

#[tokio::test]
async fn what_is_dropped_is_told_with_its_reason() {
    let cluster = FakeCluster::start(1).await;
    let settings = CacheSettings::new().entries_max(2).policy(quorate::CachePolicy::Lru);
    let (client, cache) = client_with(&cluster, settings).await;
    let mut dropped = cache.on_invalidate();
    until("the cache is kept true", || cache.stats().proof_age.is_some()).await;
    cached(&client, "a").await;
    client.put("a", "v").await.unwrap();
    cached(&client, "a").await;
    cached(&client, "b").await;
    cache.invalidate("a").await.unwrap();
    cached(&client, "c").await;
    cached(&client, "d").await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let item = tokio::time::timeout(SOON, dropped.next()).await.unwrap().unwrap();
        let DroppedItem::Entry(entry) = item else {
            panic!("{item:?}")
        };
        assert_eq!(&*entry.domain, "default");
        told.push((String::from_utf8(entry.key.to_vec()).unwrap(), entry.cause));
    }
    let expected = [
        ("a", DropCause::Changed),
        ("a", DropCause::Invalidated),
        ("b", DropCause::Evicted),
    ];
    assert_eq!(told, expected.map(|(key, cause)| (key.to_owned(), cause)));
}

#[tokio::test]
async fn a_listener_that_takes_nothing_is_told_how_much_it_missed() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    let mut dropped = cache.on_invalidate();
    super::watch::write(&client, 1_100).await;
    let settled = cache.warm_up([Keys::prefix("jobs/")]).await.unwrap();
    assert_eq!(settled.read, 1_000);
    let held = cache.clear();
    for _ in 0..300 {
        cached(&client, "jobs/1").await;
        cache.clear();
    }
    let first = tokio::time::timeout(SOON, dropped.next()).await.unwrap().unwrap();
    assert!(
        matches!(first, DroppedItem::Missed(missed) if missed >= 100),
        "{first:?}, {held}"
    );
}
