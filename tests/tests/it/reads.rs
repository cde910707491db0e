//! What each level promises, at each member.

use std::time::Duration;

use bytes::Bytes;
use quorate::Consistency;
use quorate_proto::v1;
use quorate_proto::v1::kv_client::KvClient;
use quorate_tests::cluster::Cluster;

/// A strong read at one member, over plain gRPC: the SDK would send it to the leader.
async fn strong_read_at(endpoint: &str, key: &str) -> v1::GetResponse {
    let mut kv = KvClient::connect(format!("http://{endpoint}")).await.unwrap();
    let request = v1::GetRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        read: Some(v1::ReadOptions {
            level: v1::Level::Strong.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    kv.get(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_strong_read_at_any_member_sees_every_acknowledged_write() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let endpoints = cluster.endpoints();
    for round in 0..60 {
        let written = client.put("k", format!("{round}")).await.unwrap().revision;
        let endpoint = &endpoints[round % endpoints.len()];
        let reply = strong_read_at(endpoint, "k").await;
        let record = reply.record.expect("the key exists");
        assert_eq!(record.mod_revision, written, "round {round} at {endpoint}");
        assert!(reply.header.unwrap().revision >= written);
    }
}

#[tokio::test]
async fn a_strong_read_is_not_answered_by_a_leader_that_was_paused_and_replaced() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let old = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "old").await.unwrap();
    let endpoint = cluster.member(old).unwrap().client_address().to_owned();

    cluster.pause(old).await.unwrap();
    let others: Vec<String> = cluster
        .endpoints()
        .into_iter()
        .filter(|other| *other != endpoint)
        .collect();
    let survivors = quorate::Client::builder()
        .endpoints(others)
        .call_timeout(Duration::from_secs(20));
    let survivors = survivors.connect().await.unwrap();
    let written = survivors.put("k", "new").await.unwrap().revision;

    // The question waits in the socket of the paused member, so that it is the first thing that it answers.
    let asking = tokio::spawn(async move { strong_read_at(&endpoint, "k").await });
    cluster.resume(old).unwrap();
    let record = asking.await.unwrap().record.unwrap();
    assert_eq!((record.mod_revision, record.value), (written, Bytes::from("new")));
}

#[tokio::test]
async fn a_local_read_never_goes_back_behind_what_its_client_has_seen() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    for round in 0..60 {
        let written = client.put("k", format!("{round}")).await.unwrap().revision;
        let reply = client.get("k").consistency(Consistency::Local).await.unwrap();
        assert!(
            reply.revision >= written,
            "round {round}: {} < {written}",
            reply.revision
        );
    }
}

#[tokio::test]
async fn a_bounded_read_says_how_old_it_may_be_and_keeps_the_bound() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "v").await.unwrap();
    let bound = Duration::from_secs(5);
    for id in cluster.ids() {
        let at_member = cluster.client_of(id).await.unwrap();
        let reply = at_member
            .get("k")
            .consistency(Consistency::BoundedStale(bound))
            .await
            .unwrap();
        assert!(reply.staleness <= bound, "member {id}: {:?}", reply.staleness);
    }
}
