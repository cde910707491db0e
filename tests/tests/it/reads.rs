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

#[tokio::test]
async fn every_answer_tells_what_it_promises_and_whether_its_member_leads() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "v").await.unwrap();
    client.put("k", "v").domain("session").await.unwrap();
    // In `session`, reads that say nothing may be a little old.
    let asked = [
        ("default", v1::Level::Unspecified, v1::Level::Strong),
        ("session", v1::Level::Unspecified, v1::Level::BoundedStale),
        ("session", v1::Level::Strong, v1::Level::Strong),
        ("default", v1::Level::BoundedStale, v1::Level::BoundedStale),
        ("default", v1::Level::Local, v1::Level::Local),
    ];
    for id in cluster.ids() {
        let endpoint = cluster.member(id).unwrap().client_address().to_owned();
        let mut kv = KvClient::connect(format!("http://{endpoint}")).await.unwrap();
        for (domain, level, promised) in asked {
            let read = v1::ReadOptions {
                level: level.into(),
                max_staleness_ms: if level == v1::Level::BoundedStale { 5_000 } else { 0 },
                ..Default::default()
            };
            let get = v1::GetRequest {
                domain: domain.to_owned(),
                key: Bytes::from("k"),
                read: Some(read),
                ..Default::default()
            };
            let range = v1::RangeRequest {
                domain: domain.to_owned(),
                read: Some(read),
                keys: Some(v1::KeySelector {
                    kind: Some(v1::key_selector::Kind::Prefix(Bytes::from("k"))),
                }),
                ..Default::default()
            };
            let got = kv.get(get).await.unwrap().into_inner();
            let ranged = kv.range(range).await.unwrap().into_inner();
            let told = [
                (got.level(), got.led, got.staleness_ms),
                (ranged.level(), ranged.led, ranged.staleness_ms),
            ];
            for (told_level, led, staleness_ms) in told {
                let case = format!("{level:?} of {domain} at member {id}");
                assert_eq!((told_level, led), (promised, id == leader), "{case}");
                if promised == v1::Level::Strong {
                    assert_eq!(staleness_ms, 0, "{case}");
                }
            }
        }
    }
}
