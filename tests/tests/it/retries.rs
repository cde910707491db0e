//! A client that loses a reply repeats its call, and the call is applied once.

use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Compare, Op, Outcome};
use quorate_tests::cluster::Cluster;
use quorate_tests::relay::Relay;
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// A client that reaches the leader through a relay only, and one that reaches it directly.
async fn relayed(cluster: &mut Cluster, call_timeout: Duration) -> (Relay, Client, Client) {
    let leader = cluster.wait_for_leader().await.unwrap();
    let relay = Relay::start(cluster.member(leader).unwrap().client_address())
        .await
        .unwrap();
    let client = Client::builder()
        .endpoints([relay.address()])
        .name("relayed")
        .call_timeout(call_timeout);
    (
        relay,
        client.connect().await.unwrap(),
        cluster.client_of(leader).await.unwrap(),
    )
}

async fn wait_for_revision(direct: &Client, revision: u64) {
    wait::until("the call to be applied", PATIENCE, async || {
        let now = direct.get("k").await.map_err(|error| error.to_string())?.revision;
        (now >= revision).then_some(()).ok_or(format!("revision {now}"))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_swap_whose_reply_was_lost_is_applied_once_and_still_won() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let (relay, client, direct) = relayed(&mut cluster, PATIENCE).await;
    let created = client.put("k", "0").await.unwrap().revision;

    relay.lose_replies();
    let swapping = client.clone();
    let swap = tokio::spawn(async move { swapping.compare_and_swap("k", created, "1").await });
    wait_for_revision(&direct, created + 1).await;
    relay.restore();

    let reply = swap.await.unwrap().unwrap();
    assert!(
        reply.swapped,
        "the retry got the answer of the first attempt, not a failed compare"
    );
    assert_eq!(reply.revision, created + 1);
    let record = direct.get("k").await.unwrap();
    assert_eq!(record.revision, created + 1, "nothing was applied a second time");
    assert_eq!(record.record.unwrap().version, 2);
    assert!(client.stats().retries >= 1);
}

#[tokio::test]
async fn a_put_whose_reply_was_lost_makes_one_version() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let (relay, client, direct) = relayed(&mut cluster, PATIENCE).await;
    for round in 1..=5 {
        let before = direct.get("k").await.unwrap().revision;
        // The client must be registered and connected, so that it is the reply of the put that is lost.
        client.put("warm", "x").await.unwrap();
        relay.lose_replies();
        let putting = client.clone();
        let put = tokio::spawn(async move { putting.put("k", format!("{round}")).await });
        wait_for_revision(&direct, before + 2).await;
        relay.restore();
        assert_eq!(put.await.unwrap().unwrap().revision, before + 2);
    }
    let record = direct.get("k").await.unwrap().record.unwrap();
    assert_eq!((record.version, record.value), (5, Bytes::from("5")));
}

#[tokio::test]
async fn a_transaction_whose_reply_never_comes_has_an_unknown_outcome() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let (relay, client, direct) = relayed(&mut cluster, Duration::from_secs(2)).await;
    let created = client.put("k", "0").await.unwrap().revision;
    relay.lose_replies();
    let txn = client.txn().when(Compare::exists("k")).then(Op::put("k", "1"));
    let error = txn.await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(
        direct.get("k").await.unwrap().revision,
        created + 1,
        "it had been applied"
    );
}

#[tokio::test]
async fn a_read_without_an_answer_is_not_a_mutation() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let (relay, client, _direct) = relayed(&mut cluster, Duration::from_secs(2)).await;
    client.put("k", "0").await.unwrap();
    relay.lose_replies();
    let error = client.get("k").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotAMutation, "{error}");
}
