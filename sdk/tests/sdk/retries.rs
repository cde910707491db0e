//! Retries: they find the leader, and they apply once.

use std::time::Duration;

use futures::future::join_all;
use quorate::{Client, Consistency, Outcome};
use quorate_proto::v1;

use crate::fake::{Behaviour, FakeCluster};

fn refusal(code: v1::ErrorCode, outcome: v1::Outcome) -> Behaviour {
    Behaviour::Refuse(v1::Error {
        code: code.into(),
        outcome: outcome.into(),
        ..Default::default()
    })
}

#[tokio::test]
async fn a_put_whose_reply_was_lost_is_retried_and_applies_once() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    cluster.members[0].script([Behaviour::ApplyThenBreak]);
    let reply = client.put("k", "v").await.unwrap();
    assert_eq!(reply.revision, 2, "the answer of the first attempt");
    let store = cluster.store.lock();
    assert_eq!(store.applied, 1);
    assert_eq!(store.stamps.len(), 2, "two attempts arrived");
    assert_eq!(store.stamps[0].sequence, store.stamps[1].sequence);
    assert_eq!(store.stamps[0].client_id, store.stamps[1].client_id);
    assert_eq!(client.stats().reconnects, 1);
}

#[tokio::test]
async fn a_reply_that_never_comes_is_fetched_by_another_attempt() {
    let cluster = FakeCluster::start(1).await;
    let builder = Client::builder()
        .endpoints(cluster.addresses())
        .attempt_timeout(Duration::from_millis(50));
    let client = builder.connect().await.unwrap();
    cluster.members[0].script([Behaviour::ApplyThenForget]);
    assert_eq!(client.put("k", "v").await.unwrap().revision, 2);
    assert_eq!(cluster.store.lock().applied, 1);
    assert_eq!(client.stats().retries, 1);
}

#[tokio::test]
async fn a_reply_after_its_attempt_ended_is_given_to_no_other_call() {
    let cluster = FakeCluster::start(1).await;
    let builder = Client::builder()
        .endpoints(cluster.addresses())
        .attempt_timeout(Duration::from_millis(40));
    let client = builder.connect().await.unwrap();
    client.put("a", "value of a").await.unwrap();
    client.put("b", "value of b").await.unwrap();
    cluster.members[0].script([Behaviour::Delay(Duration::from_millis(60))]);
    for _ in 0..50 {
        let (a, b) = tokio::join!(client.get("a").into_future(), client.get("b").into_future());
        assert_eq!(a.unwrap().record.unwrap().value, "value of a");
        assert_eq!(b.unwrap().record.unwrap().value, "value of b");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_write_is_redirected_to_the_leader_and_stays_there() {
    let cluster = FakeCluster::start(3).await;
    cluster.lead(2);
    let client = cluster.client().await;
    for index in 0..10 {
        client.put(format!("k{index}"), "v").await.unwrap();
    }
    assert_eq!(cluster.members[0].calls(), 1, "the first call, and then never again");
    assert_eq!(cluster.members[1].calls(), 0);
    assert_eq!((client.stats().redirects, client.stats().retries), (1, 0));
}

#[tokio::test]
async fn a_leader_that_was_not_configured_is_learnt_from_the_hint() {
    let cluster = FakeCluster::start(2).await;
    cluster.lead(1);
    let client = Client::builder()
        .endpoints([&cluster.members[0].address])
        .connect()
        .await
        .unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(cluster.store.lock().applied, 1);
}

#[tokio::test]
async fn a_new_leader_is_found_after_the_old_one_died() {
    let mut cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    client.put("k", "before").await.unwrap();
    cluster.members[0].kill().await;
    cluster.lead(1);
    client.put("k", "after").await.unwrap();
    assert_eq!(client.get("k").await.unwrap().record.unwrap().value, "after");
    assert_eq!(cluster.store.lock().applied, 2);
}

#[tokio::test]
async fn an_endpoint_that_is_down_at_connect_is_passed_over() {
    let mut cluster = FakeCluster::start(3).await;
    cluster.members[0].kill().await;
    cluster.lead(1);
    let client = cluster.client().await;
    client.put("k", "v").await.unwrap();
    assert_eq!(cluster.store.lock().applied, 1);
}

#[tokio::test]
async fn a_local_read_is_answered_while_there_is_no_leader() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    client.put("k", "v").await.unwrap();
    cluster.lead(usize::MAX);
    let read = client.get("k").consistency(Consistency::Local).await.unwrap();
    assert_eq!(read.record.unwrap().value, "v");
}

#[tokio::test]
async fn a_refusal_that_passes_is_waited_out() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    cluster.members[0].script([
        refusal(v1::ErrorCode::Unavailable, v1::Outcome::NotApplied),
        refusal(v1::ErrorCode::Overloaded, v1::Outcome::NotApplied),
        refusal(v1::ErrorCode::Stopped, v1::Outcome::Unknown),
    ]);
    client.put("k", "v").await.unwrap();
    assert_eq!(client.stats().retries, 3);
    assert_eq!(cluster.store.lock().applied, 1);
}

#[tokio::test]
async fn an_expired_client_registers_again_with_a_new_stamp() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("k", "1").await.unwrap();
    cluster.store.lock().expire_clients();
    client.put("k", "2").await.unwrap();
    let store = cluster.store.lock();
    assert_eq!((store.clients, store.applied), (2, 2));
    let last = store.stamps.last().unwrap();
    assert_eq!((last.client_id, last.sequence, last.answered_up_to), (2, 1, 0));
}

#[tokio::test]
async fn a_client_that_expired_after_a_lost_attempt_does_not_know_the_outcome() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("k", "1").await.unwrap();
    cluster.members[0].script([
        Behaviour::ApplyThenBreak,
        refusal(v1::ErrorCode::ClientExpired, v1::Outcome::Unknown),
    ]);
    let error = client.put("k", "2").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(
        cluster.store.lock().applied,
        2,
        "it had been applied, and was not again"
    );
    assert_eq!(client.stats().unknown_outcomes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mark_of_answered_sequences_never_passes_one_that_is_outstanding() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let delays = (0..600)
        .filter(|index| index % 7 == 0)
        .map(|index| Behaviour::Delay(Duration::from_millis(index % 5)));
    cluster.members[0].script(delays);
    join_all((0..600).map(|index| {
        let client = client.clone();
        tokio::spawn(async move { client.put(format!("k{index}"), "v").await.unwrap() })
    }))
    .await;
    client.put("last", "v").await.unwrap();
    let store = cluster.store.lock();
    assert_eq!(store.applied, 601);
    assert!(store.stamps.iter().all(|stamp| stamp.answered_up_to < stamp.sequence));
    let last = store.stamps.last().unwrap();
    assert_eq!((last.sequence, last.answered_up_to), (601, 600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_mutations_than_the_cluster_keeps_answers_for_are_never_outstanding() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    cluster.members[0].script([Behaviour::Delay(Duration::from_millis(300))]);
    let replies = join_all((0..3_000).map(|index| {
        let client = client.clone();
        tokio::spawn(async move { client.put(format!("k{index}"), "v").await })
    }))
    .await;
    // The first sequence stays open for 300 ms; the others may not run more than 1,000 ahead of it.
    assert!(replies.into_iter().all(|reply| reply.unwrap().is_ok()));
    let store = cluster.store.lock();
    let furthest = store
        .stamps
        .iter()
        .map(|stamp| stamp.sequence - stamp.answered_up_to)
        .max();
    assert!(furthest <= Some(1_000), "{furthest:?}");
    assert_eq!(store.applied, 3_000);
}
