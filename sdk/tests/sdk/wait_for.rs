//! Waiting for a key.

use std::time::Duration;

use quorate::{Client, ErrorKind, Outcome, Record};
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use tokio::task::JoinHandle;

use crate::fake::{FakeCluster, refusal};

const SOON: Duration = Duration::from_secs(10);

type Waited = quorate::Result<Option<Record>>;

fn is_done(record: Option<&Record>) -> bool {
    record.is_some_and(|record| record.value == "done")
}

/// Waits in a task, and returns when the watch behind it is there and the key has been read.
async fn waiting(cluster: &FakeCluster, client: &Client, wanted: fn(Option<&Record>) -> bool) -> JoinHandle<Waited> {
    let (reads, client) = (reads(cluster), client.clone());
    let task = tokio::spawn(async move { client.wait_for("jobs/7", wanted, SOON).await });
    while self::reads(cluster) == reads {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    task
}

fn reads(cluster: &FakeCluster) -> usize {
    let store = cluster.store.lock();
    let reads = store
        .requests
        .iter()
        .filter(|request| matches!(request, Request::Get(_)));
    reads.count()
}

#[tokio::test]
async fn a_key_that_is_as_wanted_is_returned_at_once() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("jobs/7", "done").await.unwrap();
    let record = client.wait_for("jobs/7", is_done, SOON).await.unwrap();
    assert_eq!(record.unwrap().mod_revision, 2);
    let gone = client
        .wait_for("jobs/8", |record| record.is_none(), SOON)
        .await
        .unwrap();
    assert_eq!(gone, None);
}

#[tokio::test]
async fn a_key_is_waited_for_with_one_read() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let task = waiting(&cluster, &client, is_done).await;
    client.put("jobs/7", "begun").await.unwrap();
    client.put("jobs/70", "done").await.unwrap();
    let done = client.put("jobs/7", "done").await.unwrap().revision;
    assert_eq!(task.await.unwrap().unwrap().unwrap().mod_revision, done);
    assert_eq!(reads(&cluster), 1);
}

#[tokio::test]
async fn a_deleted_key_is_none() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("jobs/7", "v").await.unwrap();
    let task = waiting(&cluster, &client, |record| record.is_none()).await;
    client.delete("jobs/7").await.unwrap();
    assert_eq!(task.await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn a_wait_that_takes_too_long_names_the_key_and_the_time() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let within = Duration::from_millis(50);
    let error = client.wait_for("jobs/7", is_done, within).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::DeadlineExceeded, Outcome::NotAMutation)
    );
    assert_eq!(error.message(), "key \"jobs/7\" was not as wanted within 50ms");
}

#[tokio::test]
async fn a_wait_that_could_not_even_look_says_that_the_cluster_is_unavailable() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    let refused = refusal(v1::ErrorCode::Unavailable, 0);
    for member in &cluster.members {
        member.script_watches(|script| script.refuse_all = Some(refused.clone()));
    }
    // The watch has the same time as the wait: whichever finds first that it is over, the answer is the same.
    for milliseconds in 20..40 {
        let within = Duration::from_millis(milliseconds);
        let error = client.wait_for("jobs/7", is_done, within).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (&ErrorKind::Unavailable, Outcome::NotAMutation)
        );
        let expected = format!("key \"jobs/7\" could not be read and watched within {within:?}");
        assert_eq!(error.message(), expected);
    }
    // The watch is there, and the read is what fails.
    for member in &cluster.members {
        member.script_watches(|script| script.refuse_all = None);
        member.hold();
    }
    let error = client
        .wait_for("jobs/7", is_done, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_wait_starts_over_when_history_is_gone() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let task = waiting(&cluster, &client, is_done).await;
    let compacted = refusal(v1::ErrorCode::Compacted, 3);
    cluster.members[0].script_watches(|script| script.cancel = Some(compacted));
    client.put("jobs/7", "done").await.unwrap();
    assert_eq!(task.await.unwrap().unwrap().unwrap().mod_revision, 2);
    assert_eq!(reads(&cluster), 2);
}

#[tokio::test]
async fn a_wait_survives_the_member_that_serves_it() {
    let mut cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    let task = waiting(&cluster, &client, is_done).await;
    cluster.lead(1);
    cluster.members[0].kill().await;
    let done = client.put("jobs/7", "done").await.unwrap().revision;
    assert_eq!(task.await.unwrap().unwrap().unwrap().mod_revision, done);
}
