//! Writes that are collected and sent together.

use std::time::Duration;

use quorate::{ErrorKind, Outcome, Strategy};
use quorate_proto::v1::eventual_write::Change;

use crate::fake::{Behaviour, FakeCluster};

/// So long that nothing is sent because of it.
const NEVER: Duration = Duration::from_secs(60);

#[tokio::test]
async fn heartbeats_of_one_key_become_one_write() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let batch = eventual
        .batch()
        .interval(NEVER)
        .strategy(Strategy::LastWrite)
        .open()
        .unwrap();
    for beat in 0..100 {
        batch.put("worker/1", format!("{beat}")).await.unwrap();
        batch.put("worker/2", format!("{beat}")).await.unwrap();
        batch.add("beats", 2).await.unwrap();
    }
    let flushed = tokio::time::timeout(NEVER / 6, batch.flush())
        .await
        .expect("a flush does not wait for the interval");
    assert_eq!((flushed.written, flushed.failed.len()), (3, 0));
    let requests = cluster.members[0].eventual().requests.clone();
    assert_eq!(
        (requests.len(), requests[0].writes.len(), requests[0].quiet),
        (1, 3, true)
    );
    assert_eq!(eventual.get("worker/2").await.unwrap().entry.unwrap().value, "99");
    assert_eq!(eventual.counter("beats").get().await.unwrap(), 200);
}

#[tokio::test]
async fn writes_go_when_the_interval_is_over() {
    let cluster = FakeCluster::start(1).await;
    let batch = cluster
        .client()
        .await
        .eventual()
        .batch()
        .interval(Duration::from_millis(5))
        .open()
        .unwrap();
    batch.put("k", "v").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while cluster.members[0].eventual().applied == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("nobody flushes");
}

#[tokio::test]
async fn writes_go_when_enough_wait_and_no_request_carries_more() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let batch = eventual.batch().interval(NEVER).writes(10).open().unwrap();
    for index in 0..35 {
        batch.put(format!("k{index}"), "v").await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(10), async {
        while cluster.members[0].eventual().applied < 30 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("three requests are full");
    assert_eq!(batch.close().await.written, 35);
    let requests = cluster.members[0].eventual().requests.clone();
    assert!(requests.iter().all(|request| request.writes.len() <= 10));
}

#[tokio::test]
async fn a_push_into_a_full_buffer_waits_for_an_answer() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    eventual.put("warm", "up").await.unwrap();
    let batch = eventual
        .batch()
        .interval(NEVER)
        .writes(4)
        .buffer(8, 1 << 20)
        .open()
        .unwrap();
    cluster.members[0].hold();
    for index in 0..8 {
        batch.put(format!("k{index}"), "v").await.unwrap();
    }
    let mut ninth = std::pin::pin!(batch.put("k8", "v"));
    for _ in 0..1_000 {
        assert!(futures::poll!(&mut ninth).is_pending(), "eight are all that may wait");
        tokio::task::yield_now().await;
    }
    cluster.members[0].release();
    ninth.await.unwrap();
    assert_eq!(batch.close().await.written, 9);
}

#[tokio::test]
async fn a_buffer_is_bounded_in_bytes_too() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let batch = eventual
        .batch()
        .interval(NEVER)
        .writes(4)
        .buffer(8, 1_000)
        .open()
        .unwrap();
    let error = batch.put("k", vec![0; 1_000]).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge { limit: 1_000, .. }),
        "{error:?}"
    );
    // Two of them do not fit beside each other: the second one makes the first one go.
    batch.put("a", vec![0; 600]).await.unwrap();
    batch.put("b", vec![0; 600]).await.unwrap();
    assert_eq!(cluster.members[0].eventual().applied, 1);
    assert_eq!(batch.close().await.written, 2);
}

#[tokio::test]
async fn a_flush_says_which_writes_failed_and_the_next_one_says_no_more_of_them() {
    let cluster = FakeCluster::start(1).await;
    let batch = cluster
        .client()
        .await
        .eventual()
        .batch()
        .interval(NEVER)
        .open()
        .unwrap();
    batch.put("good", "v").await.unwrap();
    batch.put("", "v").await.unwrap();
    let flushed = batch.flush().await;
    assert_eq!(
        (flushed.written, flushed.failed.len(), flushed.failed_left_out),
        (1, 1, 0)
    );
    assert_eq!(flushed.failed[0].key, "");
    assert!(matches!(
        flushed.failed[0].error.kind(),
        ErrorKind::InvalidArgument { .. }
    ));
    assert_eq!(flushed.failed[0].error.outcome(), Outcome::NotApplied);
    assert!(batch.flush().await.failed.is_empty());
}

#[tokio::test]
async fn a_request_that_is_refused_fails_each_of_its_writes_and_the_list_is_bounded() {
    let cluster = FakeCluster::start(1).await;
    let batch = cluster
        .client()
        .await
        .eventual()
        .batch()
        .interval(NEVER)
        .writes(2_000)
        .open()
        .unwrap();
    cluster.members[0].script_eventual([Behaviour::Refuse(refusal_of_a_domain())]);
    for index in 0..1_500 {
        batch.put(format!("k{index}"), "v").await.unwrap();
    }
    let flushed = batch.flush().await;
    assert_eq!(
        (flushed.written, flushed.failed.len(), flushed.failed_left_out),
        (0, 1_024, 476)
    );
    assert_eq!(flushed.failed[0].error.kind(), &ErrorKind::UnknownDomain);
}

fn refusal_of_a_domain() -> quorate_proto::v1::Error {
    let mut error = quorate_proto::v1::Error::default();
    error.set_code(quorate_proto::v1::ErrorCode::UnknownDomain);
    error
}

#[tokio::test]
async fn closing_sends_everything_and_refuses_what_comes_later() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let batch = eventual.batch().interval(NEVER).writes(64).open().unwrap();
    let other = batch.clone();
    for index in 0..1_000 {
        batch.put(format!("k{index}"), "v").await.unwrap();
    }
    assert_eq!(batch.close().await.written, 1_000);
    assert_eq!(cluster.members[0].eventual().applied, 1_000);
    let error = other.put("late", "v").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Closed, Outcome::NotApplied)
    );
}

#[tokio::test]
async fn what_was_accepted_is_sent_though_the_batch_was_dropped() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let batch = client.eventual().batch().interval(NEVER).open().unwrap();
    batch.put("k", "v").await.unwrap();
    drop(batch);
    tokio::time::timeout(Duration::from_secs(10), async {
        while cluster.members[0].eventual().applied == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("nobody flushes");
}

#[tokio::test]
async fn writes_of_one_key_arrive_in_the_order_in_which_they_were_pushed() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let batch = eventual.batch().interval(NEVER).open().unwrap();
    batch
        .push(eventual.put("k", "1").strategy(Strategy::LastWrite))
        .await
        .unwrap();
    batch.push(eventual.delete("k")).await.unwrap();
    batch
        .push(eventual.put("k", "2").strategy(Strategy::LastWrite))
        .await
        .unwrap();
    batch.push(eventual.set("s").add(["m"])).await.unwrap();
    assert_eq!(batch.flush().await.written, 4);
    let requests = cluster.members[0].eventual().requests.clone();
    let kinds: Vec<bool> = requests[0]
        .writes
        .iter()
        .map(|write| matches!(write.change, Some(Change::Put(_))))
        .collect();
    assert_eq!(kinds, [true, false, true, false]);
    assert_eq!(eventual.get("k").await.unwrap().entry.unwrap().value, "2");
}

#[tokio::test]
async fn a_write_that_does_not_belong_is_refused_by_name() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let eventual = client.eventual();
    let batch = eventual.batch().open().unwrap();
    let refused = [
        (
            "domain",
            batch.push(client.eventual_in("other").put("k", "v")).await.unwrap_err(),
        ),
        ("acks", batch.push(eventual.put("k", "v").acks(2)).await.unwrap_err()),
        (
            "timeout",
            batch.push(eventual.put("k", "v").timeout(NEVER)).await.unwrap_err(),
        ),
        ("writes", eventual.batch().writes(0).open().err().unwrap()),
        (
            "interval",
            eventual.batch().interval(Duration::ZERO).open().err().unwrap(),
        ),
        (
            "buffer.writes",
            eventual.batch().writes(10).buffer(9, 1).open().err().unwrap(),
        ),
    ];
    for (name, error) in refused {
        assert!(
            matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == name),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn when_a_member_dies_under_a_batch_only_its_increments_are_in_doubt() {
    let mut cluster = FakeCluster::start(2).await;
    let eventual = cluster.client().await.eventual();
    eventual.put("warm", "up").await.unwrap();
    let batch = eventual.batch().interval(NEVER).open().unwrap();
    batch.put("k", "v").await.unwrap();
    batch.add("n", 1).await.unwrap();
    cluster.members[0].hold();
    let flushing = tokio::spawn({
        let batch = batch.clone();
        async move { batch.flush().await }
    });
    while cluster.members[0].eventual_traffic().1 < 2 {
        tokio::task::yield_now().await;
    }
    cluster.members[0].kill().await;
    let flushed = flushing.await.unwrap();
    assert_eq!((flushed.written, flushed.failed.len()), (1, 1));
    assert_eq!(flushed.failed[0].key, "n");
    assert_eq!(flushed.failed[0].error.kind(), &ErrorKind::TriedElsewhere);
    assert_eq!(flushed.failed[0].error.outcome(), Outcome::Unknown);
    assert_eq!(cluster.members[1].eventual().applied, 1);
}
