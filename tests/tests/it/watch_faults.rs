//! A watch goes on at another member, without a gap and without a duplicate, and a wait goes on with it.

use std::time::Duration;

use quorate::{Client, ErrorKind, Record};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;

use super::watch::{PATIENCE, batch, revisions};

/// Three members, one of them that does not lead, and a client that asks that one first.
async fn served_by_a_follower() -> (Cluster, u64, Client) {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let follower = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let client = served_by(&cluster, follower).await;
    (cluster, follower, client)
}

/// The first endpoint that answers is the one that a client stays with until something drives it away.
async fn served_by(cluster: &Cluster, id: u64) -> Client {
    let first = cluster.member(id).unwrap().client_address().to_owned();
    let mut endpoints = cluster.endpoints();
    endpoints.retain(|endpoint| *endpoint != first);
    endpoints.insert(0, first);
    let builder = Client::builder().endpoints(endpoints).call_timeout(PATIENCE);
    builder.watch_probe(Duration::from_millis(500)).connect().await.unwrap()
}

async fn write(client: &Client, count: usize) -> Vec<u64> {
    let mut written = Vec::new();
    for index in 0..count {
        written.push(client.put(format!("jobs/{index}"), "v").await.unwrap().revision);
    }
    written
}

#[tokio::test]
async fn a_watch_survives_each_member_that_serves_it() {
    let (mut cluster, follower, watcher) = served_by_a_follower().await;
    let writer = cluster.client().await.unwrap();
    let mut watch = watcher.watch("jobs/*").await.unwrap();
    let mut written = write(&writer, 10).await;
    assert_eq!(revisions(&mut watch, 10).await, written);
    // One after the other, the leader among them; whoever serves it is among those that are killed.
    let mut ids = cluster.ids();
    ids.sort_by_key(|id| *id != follower);
    for id in ids {
        cluster.kill9(id).unwrap();
        written = write(&writer, 10).await;
        assert_eq!(revisions(&mut watch, 10).await, written, "member {id} is gone");
        cluster.restart(id).unwrap();
        cluster.wait_for_leader().await.unwrap();
        cluster.wait_for_equal_state().await.unwrap();
    }
    assert!(watcher.stats().watch_retries > 0);
    assert_eq!(watch.position(), written[written.len() - 1]);
}

#[tokio::test]
async fn a_watch_leaves_a_member_that_is_paused() {
    let (cluster, follower, watcher) = served_by_a_follower().await;
    let writer = cluster.client().await.unwrap();
    let mut watch = watcher.watch("jobs/*").await.unwrap();
    let mut written = write(&writer, 5).await;
    cluster.pause(follower).await.unwrap();
    written.extend(write(&writer, 5).await);
    assert_eq!(revisions(&mut watch, 10).await, written);
    cluster.resume(follower).unwrap();
}

#[tokio::test]
async fn a_watch_leaves_a_member_that_hears_from_nobody() {
    let (mut cluster, follower, watcher) = served_by_a_follower().await;
    let mut watch = watcher.watch("jobs/*").await.unwrap();
    let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != follower).collect();
    for id in &others {
        cluster.kill9(*id).unwrap();
    }
    let trouble = async || match watch.trouble() {
        Some(trouble) => Ok(trouble),
        None => Err("no trouble"),
    };
    let error = wait::until("the watch to notice", PATIENCE, trouble).await.unwrap();
    assert!(error.is_retryable(), "{error}");
    for id in &others {
        cluster.restart(*id).unwrap();
    }
    cluster.wait_for_leader().await.unwrap();
    let written = write(&cluster.client().await.unwrap(), 3).await;
    assert_eq!(revisions(&mut watch, 3).await, written);
}

#[tokio::test]
async fn a_watch_whose_history_was_compacted_while_nobody_served_it_ends_and_says_so() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    // Full at once, so that nothing more is fetched until the first revision is taken.
    let mut watch = client.watch("jobs/*").buffer(1).await.unwrap();
    let written = write(&client, 10).await;
    client.compact(written[8]).await.unwrap();
    let mut told = Vec::new();
    let error = loop {
        match watch.next().await.unwrap() {
            Ok(quorate::WatchItem::Events(batch)) => told.push(batch.revision),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), &ErrorKind::Compacted { boundary: written[8] }, "{error}");
    assert_eq!(told, written[..told.len()], "no gap before the end");
    assert!(watch.next().await.is_none());
    cluster.check_nobody_ended().unwrap();
}

#[tokio::test]
async fn a_wait_goes_on_across_a_fail_over() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let waiter = served_by(&cluster, leader).await;
    let writer = cluster.client().await.unwrap();
    writer.put("jobs/7", "begun").await.unwrap();
    // The watch of the wait begins after this one, on the same stream.
    let mut beside = waiter.watch("jobs/*").await.unwrap();
    let (looked, looks) = tokio::sync::oneshot::channel();
    let mut looked = Some(looked);
    let waiting = tokio::spawn(async move {
        let done = |record: Option<&Record>| {
            if let Some(looked) = looked.take() {
                let _ = looked.send(());
            }
            record.is_some_and(|record| record.value == "done")
        };
        waiter.wait_for("jobs/7", done, PATIENCE).await
    });
    looks.await.unwrap();
    cluster.kill9(leader).unwrap();
    cluster.wait_for_leader().await.unwrap();
    let done = writer.put("jobs/7", "done").await.unwrap().revision;
    let record = waiting.await.unwrap().unwrap().unwrap();
    assert_eq!(record.mod_revision, done);
    assert_eq!(batch(&mut beside).await.revision, done);
}
