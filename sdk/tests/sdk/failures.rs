//! Every call ends, and says truly whether it was applied.

use std::time::{Duration, Instant};

use futures::future::join_all;
use quorate::{Client, ErrorKind, Outcome};
use quorate_proto::v1;

use crate::fake::{Behaviour, FakeCluster};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_under_a_hundred_calls_ends_them_all() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("warm", "up").await.unwrap();
    let calls = cluster.members[0].calls();
    cluster.members[0].hold();
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move {
                match index % 2 {
                    0 => client.put(format!("k{index}"), "v").await.map(drop),
                    _ => client.get(format!("k{index}")).await.map(drop),
                }
            })
        })
        .collect();
    cluster.members[0].has_calls(calls + 100).await;
    cluster.members[0].break_streams();
    cluster.members[0].release();
    let ended = tokio::time::timeout(Duration::from_secs(20), join_all(tasks))
        .await
        .expect("no call hangs");
    assert!(
        ended.into_iter().all(|call| call.unwrap().is_ok()),
        "a member that came back answers them"
    );
    assert_eq!(cluster.store.lock().applied, 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_under_a_hundred_calls_ends_them_with_the_right_outcome() {
    let mut cluster = FakeCluster::start(1).await;
    let timeout = Duration::from_millis(500);
    let client = Client::builder()
        .endpoints(cluster.addresses())
        .call_timeout(timeout)
        .connect()
        .await
        .unwrap();
    client.put("warm", "up").await.unwrap();
    let calls = cluster.members[0].calls();
    cluster.members[0].hold();
    let spawn = |index: usize| {
        let client = client.clone();
        tokio::spawn(async move {
            match index % 2 {
                0 => client.put(format!("k{index}"), "v").await.map(drop),
                _ => client.get(format!("k{index}")).await.map(drop),
            }
        })
    };
    let tasks: Vec<_> = (0..100).map(spawn).collect();
    cluster.members[0].has_calls(calls + 100).await;
    cluster.members[0].kill().await;
    let ended = tokio::time::timeout(Duration::from_secs(20), join_all(tasks))
        .await
        .expect("no call hangs");
    for (index, call) in ended.into_iter().enumerate() {
        let error = call.unwrap().unwrap_err();
        let expected = if index % 2 == 0 {
            Outcome::Unknown
        } else {
            Outcome::NotAMutation
        };
        assert_eq!(error.outcome(), expected, "{error:?}");
        assert_eq!(error.kind(), &ErrorKind::ConnectionLost, "{error:?}");
    }
    assert_eq!(client.stats().unknown_outcomes, 50);
    // Now nothing can be sent at all, and that is known.
    let error = client.put("k", "v").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_call_without_an_answer_ends_by_its_deadline() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("warm", "up").await.unwrap();
    cluster.members[0].hold();
    let started = Instant::now();
    let timeout = Duration::from_millis(100);
    let (put, get) = tokio::join!(
        client.put("k", "v").timeout(timeout).into_future(),
        client.get("k").timeout(timeout).into_future(),
    );
    assert!(started.elapsed() >= timeout);
    let (put, get) = (put.unwrap_err(), get.unwrap_err());
    assert_eq!(
        (put.kind(), put.outcome()),
        (&ErrorKind::DeadlineExceeded, Outcome::Unknown)
    );
    assert_eq!(
        (get.kind(), get.outcome()),
        (&ErrorKind::DeadlineExceeded, Outcome::NotAMutation)
    );
    assert!(!put.is_retryable() && get.is_retryable());
}

#[tokio::test]
async fn without_a_retry_budget_the_first_failure_is_the_last() {
    let cluster = FakeCluster::start(1).await;
    let client = Client::builder()
        .endpoints(cluster.addresses())
        .retry_budget(0, 0)
        .connect()
        .await
        .unwrap();
    client.put("warm", "up").await.unwrap();
    cluster.members[0].script([Behaviour::ApplyThenBreak]);
    let lost = client.put("k", "v").await.unwrap_err();
    assert_eq!(
        (lost.kind(), lost.outcome()),
        (&ErrorKind::ConnectionLost, Outcome::Unknown)
    );
    assert_eq!(lost.attempts(), 1);
    let mut refusal = v1::Error {
        limit: 10,
        value: 11,
        ..Default::default()
    };
    refusal.set_code(v1::ErrorCode::Overloaded);
    cluster.members[0].script([Behaviour::Refuse(refusal)]);
    let refused = client.put("k", "v").await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Overloaded { limit: 10, value: 11 });
    assert_eq!(refused.outcome(), Outcome::NotApplied);
}

#[tokio::test]
async fn a_read_never_ends_with_an_unknown_outcome() {
    let cluster = FakeCluster::start(1).await;
    let client = Client::builder()
        .endpoints(cluster.addresses())
        .retry_budget(0, 0)
        .connect()
        .await
        .unwrap();
    let mut unknown = v1::Error::default();
    unknown.set_code(v1::ErrorCode::Unavailable);
    unknown.set_outcome(v1::Outcome::Unknown);
    for behaviour in [Behaviour::Break, Behaviour::Refuse(unknown), Behaviour::ApplyThenBreak] {
        cluster.members[0].script([behaviour]);
        assert_eq!(client.get("k").await.unwrap_err().outcome(), Outcome::NotAMutation);
    }
}

#[tokio::test]
async fn no_reachable_endpoint_is_an_error_that_names_each() {
    let mut cluster = FakeCluster::start(2).await;
    let addresses = cluster.addresses();
    cluster.members[0].kill().await;
    cluster.members[1].kill().await;
    let error = Client::builder()
        .endpoints(addresses.clone())
        .connect()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::ConnectionLost);
    assert!(
        addresses.iter().all(|address| error.message().contains(address)),
        "{error}"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn dropped_calls_leave_neither_slots_nor_sequences_behind() {
    let cluster = FakeCluster::start(1).await;
    let client = Client::builder()
        .endpoints(cluster.addresses())
        .outstanding_calls(8)
        .connect()
        .await
        .unwrap();
    client.put("warm", "up").await.unwrap();
    for round in 0..4 {
        let calls = cluster.members[0].calls();
        cluster.members[0].hold();
        let dropped: Vec<_> = (0..8)
            .map(|index| {
                let client = client.clone();
                tokio::spawn(async move { client.put(format!("{round}/{index}"), "v").await })
            })
            .collect();
        cluster.members[0].has_calls(calls + 8).await;
        dropped.iter().for_each(|task| task.abort());
        join_all(dropped).await;
        cluster.members[0].release();
        // Eight slots: this call gets one only when a dropped call has given its own back.
        client.put(format!("{round}/after"), "v").await.unwrap();
    }
    client.put("last", "v").await.unwrap();
    let store = cluster.store.lock();
    let last = store.stamps.last().unwrap();
    assert_eq!(
        last.answered_up_to + 1,
        last.sequence,
        "every dropped call counts as answered"
    );
    assert_eq!(store.applied, last.sequence, "what had been sent was applied, once");
}

#[tokio::test]
async fn a_dropped_call_is_outstanding_until_its_reply_comes() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("warm", "up").await.unwrap();
    cluster.members[0].script([Behaviour::ApplyThenForget]);
    let calls = cluster.members[0].calls();
    let dropped = tokio::spawn({
        let client = client.clone();
        async move { client.put("k", "v").await }
    });
    cluster.members[0].has_calls(calls + 1).await;
    dropped.abort();
    let _ = dropped.await;
    client.put("next", "v").await.unwrap();
    let last = *cluster.store.lock().stamps.last().unwrap();
    assert_eq!((last.sequence, last.answered_up_to), (3, 1));
}

#[tokio::test]
async fn a_dropped_call_whose_reply_never_comes_is_given_up_by_its_deadline() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("warm", "up").await.unwrap();
    cluster.members[0].script([Behaviour::ApplyThenForget]);
    let calls = cluster.members[0].calls();
    let dropped = tokio::spawn({
        let client = client.clone();
        async move { client.put("k", "v").timeout(Duration::from_millis(50)).await }
    });
    cluster.members[0].has_calls(calls + 1).await;
    dropped.abort();
    let _ = dropped.await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        client.put("probe", "v").await.unwrap();
        let last = *cluster.store.lock().stamps.last().unwrap();
        if last.answered_up_to + 1 == last.sequence {
            break;
        }
        assert!(Instant::now() < deadline, "the sequence is still outstanding: {last:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nothing_is_written_to_a_member_of_another_cluster() {
    let mut mine = FakeCluster::start(1).await;
    let other = FakeCluster::start(1).await;
    other.store.lock().cluster_id = 78;
    let client = Client::builder()
        .endpoints([&mine.members[0].address, &other.members[0].address])
        .call_timeout(Duration::from_millis(500))
        .connect()
        .await
        .unwrap();
    client.put("k", "v").await.unwrap();
    mine.members[0].kill().await;
    let error = client.put("k", "w").await.unwrap_err();
    // Which of the two endpoints the last attempt went to is chance; none of them has taken the write.
    assert_ne!(error.outcome(), Outcome::NotAMutation);
    let told = client.eventual().get("k").await.unwrap_err();
    assert!(
        matches!(told.kind(), ErrorKind::ConnectionLost | ErrorKind::DeadlineExceeded),
        "{told}"
    );
    assert_eq!((mine.store.lock().applied, other.store.lock().applied), (1, 0));
    assert_eq!(other.members[0].calls(), 0, "it was not even asked");
}
