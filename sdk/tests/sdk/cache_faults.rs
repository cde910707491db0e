//! The read-through cache when streams break, members lag, and answers come late or not at all.

use std::time::Duration;

use quorate::{CacheSettings, Client, Coherence, Consistency, ErrorKind, Source};
use quorate_proto::v1;

use super::cache::{BOUND, becomes, cached, client, client_with, reads, value};
use super::watch::until;
use crate::fake::{FakeCluster, refusal};

/// Nothing is told by its watch any more, and the client does not notice.
fn freeze(cluster: &FakeCluster, member: usize) {
    let newest = cluster.store.lock().revision;
    cluster.members[member].script_watches(|script| {
        script.applied_max = Some(newest);
        script.mute_probes = true;
    });
}

#[tokio::test]
async fn a_broken_stream_answers_nothing_and_what_did_not_change_lives_on() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    let other = cluster.client().await;
    other.put("jobs/1", "old").await.unwrap();
    other.put("jobs/2", "same").await.unwrap();
    cached(&client, "jobs/1").await;
    cached(&client, "jobs/2").await;
    // No new stream: what the cache held is not true for ever.
    let status = || tonic::Status::unavailable("not now");
    cluster.members[0].script_watches(|script| script.fail_open = (0..1_000).map(|_| status()).collect());
    cluster.members[0].break_streams();
    until("the stream is gone", || !cache.is_kept(Coherence::Eventual)).await;
    assert!(cache.get_local("", "jobs/1").is_none());
    assert!(cache.get_local("", "jobs/2").is_none());
    assert!(cache.trouble().is_some());
    let broken = cache.stats().misses.broken;
    assert_eq!(broken, 2);
    until("the client is connected", || cache.stats().proof_age.is_none()).await;
    other.put("jobs/1", "new").await.unwrap();
    let fills = cache.stats().fills;
    cluster.members[0].script_watches(|script| script.fail_open.clear());
    until("a stream is there again", || cache.is_kept(Coherence::Eventual)).await;
    becomes(&cache, "jobs/2", Some("same")).await;
    assert_eq!(cache.stats().fills, fills, "it was not read again");
    assert!(cache.get_local("", "jobs/1").is_none(), "it has changed");
    assert_eq!(value(&cached(&client, "jobs/1").await), b"new");
    assert!(cache.trouble().is_none());
}

#[tokio::test]
async fn a_cache_that_hears_nothing_says_so_within_the_bound() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    client.put("jobs/1", "old").await.unwrap();
    cached(&client, "jobs/1").await;
    freeze(&cluster, 0);
    // By somebody else: this client has not seen it.
    cluster.client().await.put("jobs/1", "new").await.unwrap();
    let written = tokio::time::Instant::now();
    let bound = Duration::from_millis(100);
    while written.elapsed() < Duration::from_millis(400) {
        let began = written.elapsed();
        let reply = client
            .get("jobs/1")
            .consistency(Consistency::BoundedStale(bound))
            .await
            .unwrap();
        if value(&reply) == b"old" {
            assert!(began <= bound, "{began:?} after the write it was older than {bound:?}");
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert!(cache.stats().misses.too_old > 0);
    assert!(cache.get("", "jobs/1", bound).is_none());
}

#[tokio::test]
async fn a_member_that_is_cut_off_is_left_and_the_next_one_keeps_the_cache() {
    let mut cluster = FakeCluster::start(2).await;
    let (client, cache) = client(&cluster).await;
    client.put("jobs/1", "old").await.unwrap();
    cached(&client, "jobs/1").await;
    let serving = |cluster: &FakeCluster| {
        let serves = |index: &usize| {
            let mut caches = 0;
            cluster.members[*index].script_watches(|script| caches = script.caches);
            caches > 0
        };
        (0..2).find(serves)
    };
    let first = serving(&cluster).unwrap();
    cluster.lead(1 - first);
    cluster.members[first].kill().await;
    until("the other member has it", || serving(&cluster) == Some(1 - first)).await;
    becomes(&cache, "jobs/1", Some("old")).await;
    let fills = cache.stats().fills;
    client.put("jobs/1", "new").await.unwrap();
    becomes(&cache, "jobs/1", Some("new")).await;
    assert_eq!(cache.stats().fills, fills);
}

#[tokio::test]
async fn a_cache_that_is_told_that_it_lags_starts_over_without_reading_again() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    client.put("jobs/1", "old").await.unwrap();
    client.put("jobs/2", "same").await.unwrap();
    cached(&client, "jobs/1").await;
    cached(&client, "jobs/2").await;
    let lagged = refusal(v1::ErrorCode::Lagged, 9);
    cluster.members[0].script_watches(|script| script.cancel = Some(lagged));
    let before = reads(&cluster);
    client.put("jobs/1", "new").await.unwrap();
    becomes(&cache, "jobs/2", Some("same")).await;
    assert_eq!(reads(&cluster), before);
    assert!(
        cache
            .get_local("", "jobs/1")
            .is_none_or(|cached| cached.value() == Some(b"new"))
    );
    let mut creates = 0;
    cluster.members[0].script_watches(|script| creates = script.creates().len());
    assert_eq!(creates, 2);
}

#[tokio::test]
async fn what_a_lagging_member_has_otherwise_is_not_answered_with_its_state() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    let other = cluster.client().await;
    other.put("jobs/1", "old").await.unwrap();
    let revision = cluster.store.lock().revision;
    cluster.members[0].script_watches(|script| script.applied_max = Some(revision));
    other.put("jobs/1", "new").await.unwrap();
    // Read at the newest revision, named to a member that is one behind.
    let reply = client.get("jobs/1").consistency(Consistency::Local).await.unwrap();
    assert_eq!(value(&reply), b"new");
    until("its key is named", || {
        let mut named = 0;
        cluster.members[0].script_watches(|script| named = script.cache_keys().len());
        named == 1
    })
    .await;
    // The cache is behind what was seen.
    assert!(cache.get_local("", "jobs/1").is_none());
    cluster.members[0].script_watches(|script| script.applied_max = None);
    becomes(&cache, "jobs/1", Some("new")).await;
    assert_eq!(cache.stats().fills, 1);
}

#[tokio::test]
async fn what_was_read_is_not_answered_before_its_key_is_kept_true() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    client.put("jobs/1", "ready").await.unwrap();
    cluster.members[0].script_watches(|script| script.mute_keys = true);
    for _ in 0..20 {
        let read = client.get("jobs/1").consistency(Consistency::BoundedStale(BOUND));
        assert_ne!(read.await.unwrap().source, Source::Cache);
    }
    assert_eq!((cache.stats().fills, cache.stats().entries), (0, 0));
}

#[tokio::test]
async fn keys_that_a_member_refuses_are_not_held_and_the_reason_is_told() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    let refused = refusal(v1::ErrorCode::TierMismatch, 0);
    cluster.members[0].script_watches(|script| script.refuse_keys.push_back(refused));
    client.get("jobs/1").consistency(Consistency::Local).await.unwrap();
    until("the refusal has come", || cache.trouble().is_some()).await;
    assert_eq!(cache.trouble().unwrap().kind(), &ErrorKind::TierMismatch);
    assert_eq!(cache.stats().entries, 0);
    assert!(cache.is_kept(Coherence::Eventual), "the stream lives on");
}

#[tokio::test]
async fn a_proof_that_a_member_cannot_give_costs_no_watch() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    cached(&client, "jobs/1").await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    let cut_off = refusal(v1::ErrorCode::Unavailable, 0);
    cluster.members[0].script_watches(|script| script.probe_error = Some(cut_off));
    let bound = Duration::from_millis(20);
    until("no proof comes", || cache.get("", "jobs/1", bound).is_none()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(cache.get_local("", "jobs/1").is_some(), "the stream lives");
    cluster.members[0].script_watches(|script| script.probe_error = None);
    until("a proof comes", || cache.get("", "jobs/1", bound).is_some()).await;
    client.put("jobs/1", "v").await.unwrap();
    assert_eq!(super::watch::revisions(&mut watch, 1).await, [2]);
    let mut creates = 0;
    cluster.members[0].script_watches(|script| creates = script.creates().len());
    assert_eq!(creates, 2, "one of the cache, one of the watch");
}

#[tokio::test]
async fn a_restored_store_is_another_one() {
    let cluster = FakeCluster::start(1).await;
    let (client, cache) = client(&cluster).await;
    for round in 0..5 {
        client.put("jobs/1", round.to_string()).await.unwrap();
    }
    cached(&client, "jobs/1").await;
    cluster.store.lock().restore("jobs/1", "restored");
    cluster.members[0].break_streams();
    until("the next stream is there", || {
        let mut creates = 0;
        cluster.members[0].script_watches(|script| creates = script.creates().len());
        creates == 2 && cache.is_kept(Coherence::Eventual)
    })
    .await;
    let answered = cache.get_local("", "jobs/1");
    assert!(answered.is_none(), "{answered:?} is of a store that is gone");
    assert_eq!(value(&cached(&client, "jobs/1").await), b"restored");
}

#[tokio::test]
async fn a_member_that_serves_no_caches_leaves_reads_as_they_were() {
    let cluster = FakeCluster::start(1).await;
    let unknown = refusal(v1::ErrorCode::Unimplemented, 0);
    cluster.members[0].script_watches(|script| script.refuse_all = Some(unknown));
    let (client, cache) = client_with(&cluster, CacheSettings::new()).await;
    client.put("jobs/1", "ready").await.unwrap();
    until("it was refused", || cache.trouble().is_some()).await;
    for _ in 0..5 {
        let reply = client.get("jobs/1").consistency(Consistency::Local).await.unwrap();
        assert_eq!((value(&reply), reply.source), (&b"ready"[..], Source::Replica));
    }
    assert_eq!(cache.trouble().unwrap().kind(), &ErrorKind::Unimplemented);
    let _: &Client = &client;
}
