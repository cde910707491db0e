//! Caches that are kept true otherwise: by the leader, for whom writers wait, or by nothing but time.

use std::time::Duration;

use quorate::{CacheSettings, Coherence, Consistency, Keys, Op, Source};
use quorate_proto::v1::watch_request::Request;

use super::cache::{BOUND, cached, client_with, value};
use super::watch::until;
use crate::fake::{Behaviour, FakeCluster};

const TTL: Duration = Duration::from_secs(60);

fn applied(cluster: &FakeCluster, member: usize) -> Vec<u64> {
    let mut applied = Vec::new();
    cluster.members[member].script_watches(|script| {
        applied.extend(script.requests.iter().filter_map(|request| match request {
            Request::CacheApplied(applied) => Some(applied.revision),
            _ => None,
        }));
    });
    applied
}

#[tokio::test]
async fn a_coherent_cache_goes_to_the_leader_and_says_what_it_has_applied() {
    let cluster = FakeCluster::start(3).await;
    cluster.lead(2);
    let (client, cache) = client_with(&cluster, CacheSettings::new().coherence(Coherence::Strong)).await;
    until("the leader keeps it", || cache.is_kept(Coherence::Strong)).await;
    let mut caches = Vec::new();
    for member in &cluster.members {
        member.script_watches(|script| caches.push(script.caches));
    }
    assert_eq!(caches, [0, 0, 1]);
    client.put("jobs/1", "old").await.unwrap();
    cached(&client, "jobs/1").await;
    let written = cluster.client().await.put("jobs/1", "new").await.unwrap().revision;
    until("it is applied", || applied(&cluster, 2).last() == Some(&written)).await;
    let told = cache.get_local("", "jobs/1").unwrap();
    assert_eq!(told.value(), Some(&b"new"[..]));
    // Another one leads.
    cluster.lead(0);
    cluster.members[2].break_streams();
    until("the new leader keeps it", || {
        let mut caches = 0;
        cluster.members[0].script_watches(|script| caches = script.caches);
        caches == 1
    })
    .await;
    assert_eq!(value(&cached(&client, "jobs/1").await), b"new");
}

#[tokio::test]
async fn a_coherent_cache_answers_nothing_when_its_lease_is_over() {
    let cluster = FakeCluster::start(1).await;
    cluster.members[0].script_watches(|script| script.lease_ms = 200);
    let (client, cache) = client_with(&cluster, CacheSettings::new().coherence(Coherence::Strong)).await;
    until("it is kept", || cache.stats().proof_age.is_some()).await;
    cached(&client, "jobs/1").await;
    // It asks for the next proof long before, and goes on.
    let began = tokio::time::Instant::now();
    let (mut asked, mut answered) = (0, 0);
    while began.elapsed() < Duration::from_millis(800) {
        asked += 1;
        answered += u32::from(cache.get_local("", "jobs/1").is_some());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(answered * 2 > asked, "{answered} of {asked}");
    // No proof comes: however patient the reader is, there is an end.
    cluster.members[0].script_watches(|script| script.mute_probes = true);
    tokio::time::sleep(Duration::from_millis(201)).await;
    assert!(cache.get("", "jobs/1", TTL).is_none());
    assert!(cache.get_local("", "jobs/1").is_none());
    assert!(cache.is_kept(Coherence::Strong), "the stream is there");
}

#[tokio::test]
async fn a_relaxed_cache_needs_no_stream_and_keeps_to_a_bound() {
    let cluster = FakeCluster::start(1).await;
    let settings = CacheSettings::new().coherence(Coherence::Relaxed).ttl(TTL);
    let (client, cache) = client_with(&cluster, settings).await;
    let other = cluster.client().await;
    other.put("jobs/1", "old").await.unwrap();
    cached(&client, "jobs/1").await;
    other.put("jobs/1", "new").await.unwrap();
    let reply = client.get("jobs/1").consistency(Consistency::Local).await.unwrap();
    assert_eq!((value(&reply), reply.source), (&b"old"[..], Source::Cache));
    let bound = Duration::from_millis(30);
    tokio::time::sleep(bound).await;
    let reply = client
        .get("jobs/1")
        .consistency(Consistency::BoundedStale(bound))
        .await
        .unwrap();
    assert_ne!(reply.source, Source::Cache);
    assert_eq!(value(&reply), b"new");
    assert_eq!(cache.get_local("", "jobs/1").unwrap().value(), Some(&b"new"[..]));
    let mut streams = 0;
    cluster.members[0].script_watches(|script| streams = script.creates().len());
    assert_eq!(streams, 0);
}

#[tokio::test]
async fn a_relaxed_cache_forgets_what_its_own_client_writes() {
    let cluster = FakeCluster::start(1).await;
    let settings = CacheSettings::new().coherence(Coherence::Relaxed).ttl(TTL);
    let (client, cache) = client_with(&cluster, settings).await;
    for key in ["a", "b", "c", "d"] {
        cached(&client, key).await;
    }
    client.put("a", "1").await.unwrap();
    client.txn().then(Op::put("b", "1")).await.unwrap();
    client.delete(Keys::prefix("c")).await.unwrap();
    for key in ["a", "b", "c"] {
        assert!(cache.get_local("", key).is_none(), "{key} was written");
    }
    assert!(cache.get_local("", "d").is_some());
    // Also when it is not known whether it was.
    cluster.members[0].script([Behaviour::ApplyThenForget]);
    let write = client.put("d", "1").timeout(Duration::from_millis(50));
    write.await.unwrap_err();
    assert!(cache.get_local("", "d").is_none());
}

#[tokio::test]
async fn each_domain_may_be_kept_true_in_its_own_way() {
    let cluster = FakeCluster::start(1).await;
    let settings = CacheSettings::new()
        .ttl(TTL)
        .coherence_of("catalogue", Coherence::Relaxed);
    let (client, cache) = client_with(&cluster, settings).await;
    until("it is kept", || cache.stats().proof_age.is_some()).await;
    cached(&client, "jobs/1").await;
    let read = client
        .get("article")
        .domain("catalogue")
        .consistency(Consistency::Local);
    read.await.unwrap();
    cluster.members[0].script_watches(|script| {
        let status = || tonic::Status::unavailable("not now");
        script.fail_open = (0..1_000).map(|_| status()).collect();
    });
    cluster.members[0].break_streams();
    until("the stream is gone", || !cache.is_kept(Coherence::Eventual)).await;
    assert!(cache.get_local("", "jobs/1").is_none());
    assert!(
        cache.get("catalogue", "article", BOUND).is_some(),
        "nothing but time ends it"
    );
    let mut named = Vec::new();
    cluster.members[0].script_watches(|script| named = script.cache_keys());
    assert_eq!(named, [("jobs/1".to_owned(), true)]);
}
