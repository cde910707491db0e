//! What each call sends and returns.

use std::time::Duration;

use quorate::{Compare, Consistency, ErrorKind, Keys, Op, Outcome};
use quorate_proto::v1;
use quorate_proto::v1::call::Request;

use crate::fake::FakeCluster;

#[tokio::test]
async fn a_put_is_read_back_with_its_metadata() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let put = client
        .put("k", b"v")
        .ttl(Duration::from_micros(1_500))
        .tags(["a", "b"])
        .previous()
        .await
        .unwrap();
    assert_eq!((put.revision, put.previous), (2, None));
    let record = client.get("k").await.unwrap().record.unwrap();
    assert_eq!(record.value, "v");
    assert_eq!(
        (
            record.create_revision,
            record.mod_revision,
            record.version,
            record.lease
        ),
        (2, 2, 1, None)
    );
    assert_eq!(record.tags, ["a", "b"]);
    let again = client.put("k", "w").previous().await.unwrap();
    assert_eq!(again.previous.unwrap().value, "v");
    let requests = &cluster.store.lock().requests;
    let Some(Request::Put(sent)) = requests.iter().find(|request| matches!(request, Request::Put(_))) else {
        panic!()
    };
    assert_eq!(sent.ttl_ms, 2, "rounded up");
}

#[tokio::test]
async fn a_deletion_of_a_prefix_returns_what_it_deleted() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    for key in ["a/1", "a/2", "b/1"] {
        client.put(key, key).await.unwrap();
    }
    let reply = client.delete(Keys::prefix("a/")).previous().await.unwrap();
    assert_eq!((reply.deleted, reply.previous.len()), (2, 2));
    assert_eq!(client.get("a/1").await.unwrap().record, None);
    assert_eq!(client.delete("b/1").await.unwrap().deleted, 1);
}

#[tokio::test]
async fn all_pages_of_a_range_are_read_at_the_revision_of_the_first() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    for index in 0..7 {
        client.put(format!("a/{index}"), "v").await.unwrap();
    }
    let records = client.range(Keys::prefix("a/")).limit(3).all(7).await.unwrap();
    let keys: Vec<_> = records
        .iter()
        .map(|record| String::from_utf8_lossy(&record.key).into_owned())
        .collect();
    assert_eq!(keys, ["a/0", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6"]);
    let revision_of = |request: &Request| match request {
        Request::Range(range) => Some(range.revision),
        _ => None,
    };
    let revisions: Vec<u64> = cluster.store.lock().requests.iter().filter_map(revision_of).collect();
    assert_eq!(revisions, [0, 8, 8]);
}

#[tokio::test]
async fn collecting_more_records_than_allowed_is_refused_with_the_count() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    for index in 0..5 {
        client.put(format!("a/{index}"), "v").await.unwrap();
    }
    let error = client.range(Keys::prefix("a/")).limit(2).all(4).await.unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::TooLarge {
            field: "records".to_owned(),
            limit: 4,
            value: 5
        }
    );
    assert_eq!(error.outcome(), Outcome::NotAMutation);
}

#[tokio::test]
async fn a_transaction_does_one_branch_and_returns_its_results() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("k", "x").await.unwrap();
    let txn = || {
        let txn = client
            .txn()
            .when(Compare::mod_revision("k").equals(2))
            .when(Compare::value("k").equals(b"x"));
        txn.then(Op::put("k", "y")).then(Op::get("k")).otherwise(Op::get("k"))
    };
    let first = txn().await.unwrap();
    assert!(first.succeeded);
    assert_eq!(first.results[1].record().unwrap().value, "y");
    let second = txn().await.unwrap();
    assert!(!second.succeeded);
    assert_eq!(second.results.len(), 1);
    assert_eq!(second.results[0].record().unwrap().mod_revision, first.revision);
}

#[tokio::test]
async fn a_swap_that_lost_says_what_is_there() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let created = client.compare_and_swap("k", 0, "1").await.unwrap();
    assert!(created.swapped);
    let lost = client.compare_and_swap("k", 0, "2").await.unwrap();
    assert!(!lost.swapped);
    assert_eq!(lost.current.unwrap().value, "1");
    assert!(
        client
            .compare_and_swap("k", created.revision, "3")
            .await
            .unwrap()
            .swapped
    );
}

#[tokio::test]
async fn values_travel_as_json() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put_json("k", &vec![1, 2, 3]).await.unwrap();
    let (value, record) = client.get_json::<Vec<u64>>("k").await.unwrap().unwrap();
    assert_eq!((value, record.version), (vec![1, 2, 3], 1));
    assert_eq!(client.get_json::<Vec<u64>>("missing").await.unwrap(), None);
    let error = client.get_json::<String>("k").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Json, Outcome::NotAMutation)
    );
}

#[tokio::test]
async fn a_value_that_is_not_json_is_refused_before_it_is_sent() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let not_json = std::collections::HashMap::from([((1, 2), 3)]);
    let error = client.put_json("k", &not_json).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (&ErrorKind::Json, Outcome::NotApplied));
    assert_eq!(cluster.members[0].calls(), 0);
}

#[tokio::test]
async fn a_local_read_asks_for_no_less_than_the_client_has_seen() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let revision = client.put("k", "v").await.unwrap().revision;
    client.get("k").consistency(Consistency::Local).await.unwrap();
    let store = cluster.store.lock();
    let Some(Request::Get(get)) = store.requests.last() else {
        panic!()
    };
    let read = get.read.unwrap();
    assert_eq!((read.level(), read.min_revision), (v1::Level::Local, revision));
}

#[tokio::test]
async fn a_bad_argument_is_refused_with_its_name_before_it_is_sent() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let stale = client
        .get("k")
        .consistency(Consistency::BoundedStale(Duration::ZERO))
        .await
        .unwrap_err();
    assert!(matches!(stale.kind(), ErrorKind::InvalidArgument { field, .. } if field == "consistency"));
    assert_eq!(stale.outcome(), Outcome::NotAMutation);
    let forever = client.put("k", "v").timeout(Duration::MAX).await.unwrap_err();
    assert!(matches!(forever.kind(), ErrorKind::InvalidArgument { field, .. } if field == "timeout"));
    let large = client.put("k", vec![0; 2 << 20]).await.unwrap_err();
    let ErrorKind::TooLarge { limit, value, .. } = large.kind() else {
        panic!("{large:?}")
    };
    assert_eq!(*limit, 3 << 19);
    assert!(*value > 2 << 20);
    assert_eq!(large.outcome(), Outcome::NotApplied);
    assert!(!large.is_retryable());
}

#[tokio::test]
async fn a_closed_client_refuses_calls_after_it_has_answered_those_outstanding() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("warm", "up").await.unwrap();
    cluster.members[0].hold();
    let calls = cluster.members[0].calls();
    let outstanding = tokio::spawn({
        let client = client.clone();
        async move { client.put("k", "v").await }
    });
    cluster.members[0].has_calls(calls + 1).await;
    let closing = tokio::spawn({
        let client = client.clone();
        async move { client.close().await }
    });
    // Closing has begun once new calls are refused; the outstanding one holds it up until it is answered.
    let refused = loop {
        match client.get("k").timeout(Duration::from_millis(20)).await {
            Err(error) if *error.kind() == ErrorKind::Closed => break error,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(refused.outcome(), Outcome::NotAMutation);
    assert!(!closing.is_finished());
    cluster.members[0].release();
    outstanding.await.unwrap().unwrap();
    closing.await.unwrap();
    let refused = client.put("k", "v").await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.outcome()),
        (&ErrorKind::Closed, Outcome::NotApplied)
    );
}
