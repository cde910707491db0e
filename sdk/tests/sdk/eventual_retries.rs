//! Retries: at any member, and an increment only where it was tried.

use std::time::Duration;

use quorate::{Client, ErrorKind, Outcome};
use quorate_proto::v1;

use crate::fake::{Behaviour, FakeCluster};

#[tokio::test]
async fn a_dead_member_costs_one_retry_and_no_error() {
    let mut cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    assert_eq!(client.eventual().put("k", "1").await.unwrap().member, 1);
    cluster.members[0].kill().await;
    let written = client.eventual().put("k", "2").await.unwrap();
    assert_ne!(written.member, 1);
    assert!(client.stats().retries <= 2, "{:?}", client.stats());
    for _ in 0..5 {
        assert_eq!(client.eventual().put("k", "3").await.unwrap().member, written.member);
    }
    assert!(
        client.stats().retries <= 2,
        "it does not go back to try: {:?}",
        client.stats()
    );
}

#[tokio::test]
async fn a_put_whose_reply_was_lost_is_repeated_elsewhere_with_the_same_stamp() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    cluster.members[0].script_eventual([Behaviour::ApplyThenBreak]);
    let written = client.eventual().put("k", "v").await.unwrap();
    assert_eq!(written.member, 2);
    let (first, second) = (
        cluster.members[0].eventual().stamps[0],
        cluster.members[1].eventual().stamps[0],
    );
    assert_eq!((first.session, first.sequence), (second.session, second.sequence));
    assert_eq!((first.first_process, second.first_process), (0, 101));
}

#[tokio::test]
async fn an_increment_whose_reply_was_lost_goes_back_and_counts_once() {
    let cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    cluster.members[0].script_eventual([Behaviour::ApplyThenBreak]);
    let counter = client.eventual().counter("n");
    assert_eq!(counter.add(1).await.unwrap().member, 1);
    assert_eq!(cluster.members[0].eventual().applied, 1);
    let stamps = cluster.members[0].eventual().stamps.clone();
    assert_eq!((stamps.len(), stamps[1].first_process), (2, 101));
    assert_eq!(
        cluster.members[1].eventual_traffic().1 + cluster.members[2].eventual_traffic().1,
        0
    );
    assert_eq!(counter.get().await.unwrap(), 1);
}

#[tokio::test]
async fn an_increment_whose_process_is_gone_is_repeated_nowhere_and_its_outcome_is_unknown() {
    let mut cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    let counter = client.eventual().counter("n");
    counter.add(1).await.unwrap();
    let calls = cluster.members[0].eventual_traffic().1;
    cluster.members[0].hold();
    let adding = tokio::spawn({
        let counter = counter.clone();
        async move { counter.add(1).await }
    });
    while cluster.members[0].eventual_traffic().1 == calls {
        tokio::task::yield_now().await;
    }
    cluster.members[0].kill().await;
    let error = adding.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TriedElsewhere, "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(cluster.members[1].eventual().applied, 0);
    assert_eq!(client.stats().unknown_outcomes, 1);
}

#[tokio::test]
async fn an_increment_that_comes_back_to_another_process_at_the_same_address_is_not_counted_there() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.eventual().counter("n").add(1).await.unwrap();
    let calls = cluster.members[0].eventual_traffic().1;
    cluster.members[0].hold();
    let adding = tokio::spawn({
        let counter = client.eventual().counter("n");
        async move { counter.add(1).await }
    });
    while cluster.members[0].eventual_traffic().1 == calls {
        tokio::task::yield_now().await;
    }
    cluster.members[0].restart_eventual();
    cluster.members[0].script_eventual([Behaviour::Break]);
    cluster.members[0].release();
    let error = adding.await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::TriedElsewhere, Outcome::Unknown)
    );
    assert_eq!(cluster.members[0].eventual().applied, 0);
}

#[tokio::test]
async fn an_increment_that_was_never_sent_is_tried_anywhere() {
    let mut cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    cluster.members[0].kill().await;
    assert_eq!(client.eventual().counter("n").add(1).await.unwrap().member, 2);
    assert_eq!(cluster.members[1].eventual().stamps[0].first_process, 0);
}

#[tokio::test]
async fn a_reply_that_never_comes_is_fetched_elsewhere() {
    let cluster = FakeCluster::start(2).await;
    let builder = Client::builder().endpoints(cluster.addresses());
    let client = builder
        .attempt_timeout(Duration::from_millis(50))
        .connect()
        .await
        .unwrap();
    cluster.members[0].script_eventual([Behaviour::ApplyThenForget]);
    assert_eq!(client.eventual().put("k", "v").await.unwrap().member, 2);
}

#[tokio::test]
async fn a_refusal_that_passes_is_waited_out_and_one_that_does_not_ends_the_call() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let refusal = |code: v1::ErrorCode| {
        let mut error = v1::Error::default();
        error.set_code(code);
        error.set_outcome(v1::Outcome::NotApplied);
        Behaviour::Refuse(error)
    };
    let codes = [
        v1::ErrorCode::Unavailable,
        v1::ErrorCode::Overloaded,
        v1::ErrorCode::Stopped,
    ];
    cluster.members[0].script_eventual(codes.map(refusal));
    client.eventual().put("k", "v").await.unwrap();
    assert_eq!(client.stats().retries, 3);
    cluster.members[0].script_eventual([refusal(v1::ErrorCode::UnknownDomain)]);
    let error = client.eventual().put("k", "v").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), error.attempts()),
        (&ErrorKind::UnknownDomain, Outcome::NotApplied, 1)
    );
}

#[tokio::test]
async fn a_call_ends_by_its_deadline_with_the_outcome_it_has() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.eventual().put("k", "v").await.unwrap();
    cluster.members[0].hold();
    let timeout = Duration::from_millis(50);
    let error = client.eventual().put("k", "v").timeout(timeout).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::DeadlineExceeded, Outcome::Unknown)
    );
    let error = client.eventual().get("k").timeout(timeout).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::DeadlineExceeded, Outcome::NotAMutation)
    );
}

#[tokio::test]
async fn a_closed_client_refuses_calls_of_both_tiers() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.eventual().put("k", "v").await.unwrap();
    client.close().await;
    let error = client.eventual().put("k", "v").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Closed, Outcome::NotApplied)
    );
}

#[tokio::test]
async fn a_member_that_refuses_the_tier_still_serves_the_other_one() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    let refuse = |member: usize, status| *cluster.members[member].shared.eventual.refuse_open.lock() = Some(status);
    refuse(0, tonic::Status::unavailable("not caught up yet"));
    for _ in 0..5 {
        assert_eq!(client.eventual().put("k", "v").await.unwrap().member, 2);
    }
    refuse(1, tonic::Status::unimplemented("an older version"));
    cluster.members[1].break_streams();
    let timeout = Duration::from_millis(100);
    let mut kinds = Vec::new();
    for _ in 0..5 {
        let error = client.eventual().put("k", "v").timeout(timeout).await.unwrap_err();
        kinds.push(error.kind().clone());
        client
            .put("k", "v")
            .timeout(timeout)
            .await
            .expect("the strong tier goes on");
    }
    assert!(kinds.contains(&ErrorKind::Unimplemented), "{kinds:?}");
}
