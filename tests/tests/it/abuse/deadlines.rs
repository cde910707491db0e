//! Calls that say not how long they may take.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate::QueueConfig;
use quorate_proto::v1;
use quorate_proto::v1::coordination_client::CoordinationClient;
use quorate_proto::v1::kv_client::KvClient;
use quorate_proto::v1::session_client::SessionClient;
use quorate_tests::cluster::Cluster;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::good_client::{GoodClient, one_member, until, until_within};

/// More than any call takes that names no time: 5 s for a round of a group, the same once more for what waits behind it.
const LONG: Duration = Duration::from_secs(30);

async fn channel(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A queue that stays empty.
const NOTHING_COMES: &str = "nothing comes";

fn waiting() -> v1::QueryRequest {
    let ready = v1::QueueGetReady {
        queue: NOTHING_COMES.to_owned(),
    };
    v1::QueryRequest {
        query: Some(v1::query_request::Query::Queue(v1::QueueQuery {
            query: Some(v1::queue_query::Query::Ready(ready)),
        })),
        wait_ms: 60_000,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_quorum_ends_every_call_by_itself() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    cluster.client().await.unwrap().put("k", "1").await.unwrap();
    let (left, gone) = {
        let ids = cluster.ids();
        (ids[0], [ids[1], ids[2]])
    };
    let channel = channel(cluster.member(left).unwrap().client_address()).await;
    for id in gone {
        cluster.kill9(id).unwrap();
    }
    let mut calls: JoinSet<(&str, Result<(), Status>)> = JoinSet::new();
    for _ in 0..20 {
        let mut kv = KvClient::new(channel.clone());
        calls.spawn(async move {
            let put = v1::PutRequest {
                key: "k".into(),
                ..Default::default()
            };
            ("put", kv.put(put).await.map(drop))
        });
        let mut kv = KvClient::new(channel.clone());
        calls.spawn(async move {
            let get = v1::GetRequest {
                key: "k".into(),
                ..Default::default()
            };
            ("get", kv.get(get).await.map(drop))
        });
        let mut session = SessionClient::new(channel.clone());
        calls.spawn(async move {
            let register = v1::RegisterClientRequest::default();
            ("register", session.register_client(register).await.map(drop))
        });
        let mut coordination = CoordinationClient::new(channel.clone());
        calls.spawn(async move { ("wait", coordination.query(waiting()).await.map(drop)) });
    }
    let mut left = BTreeMap::from(["put", "get", "register", "wait"].map(|name| (name, 20)));
    let ended = tokio::time::timeout(LONG, async {
        while let Some(call) = calls.join_next().await {
            let (name, ended) = call.unwrap();
            let refused = ended.unwrap_err();
            assert!(!refused.message().is_empty(), "{name}: {refused:?}");
            *left.get_mut(name).unwrap() -= 1;
        }
    });
    let ended = ended.await;
    assert!(ended.is_ok(), "calls that did not end: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_leaves_no_call_behind() {
    const CALLS: usize = 500;
    let cluster = one_member("").await;
    let good = GoodClient::start(&cluster).await;
    let client = cluster.client().await.unwrap();
    client
        .queue(NOTHING_COMES)
        .create(QueueConfig::default())
        .await
        .unwrap();
    let mut calls = JoinSet::new();
    for connection in 0..5 {
        let channel = channel(cluster.member(1).unwrap().client_address()).await;
        for _ in 0..CALLS / 5 {
            let mut coordination = CoordinationClient::new(channel.clone());
            calls.spawn(async move { coordination.query(waiting()).await.map(|_| connection) });
        }
    }
    until(&cluster, "quorate_rpc_waiting", &[], |calls| calls >= CALLS as f64).await;
    calls.shutdown().await;
    // Long before they would have ended by themselves.
    let soon = Duration::from_secs(20);
    until_within(soon, &cluster, "quorate_rpc_waiting", &[], |calls| calls == 0.0).await;
    until(&cluster, "quorate_rpc_in_flight", &[], |calls| calls == 0.0).await;
    until(&cluster, "quorate_connections", &["side=\"client\""], |open| {
        open < 20.0
    })
    .await;
    good.ends("clients that vanish").await;
}
