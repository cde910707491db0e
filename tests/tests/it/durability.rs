//! What was acknowledged is there after stops, kills and snapshots.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use quorate::Keys;
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::disk::Disk;
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn all_members_killed_at_once_come_back_with_every_acknowledged_write() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..200 {
        client.put(format!("k/{number:03}"), format!("{number}")).await.unwrap();
    }
    for id in cluster.ids() {
        cluster.kill9(id).unwrap();
    }
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    cluster.wait_for_leader().await.unwrap();
    let fresh = cluster.client().await.unwrap();
    let page = fresh.range(Keys::prefix("k/")).await.unwrap();
    assert_eq!((page.count, page.revision), (200, 201));
    for (number, record) in page.records.iter().enumerate() {
        assert_eq!(record.value, Bytes::from(format!("{number}")));
        assert_eq!(record.mod_revision, number as u64 + 2);
    }
}

#[tokio::test]
async fn a_member_that_was_away_too_long_gets_a_snapshot() {
    let mut cluster = Cluster::start_with(Settings::of(3).with_early_snapshots())
        .await
        .unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let away = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let client = cluster.client().await.unwrap();
    client.put("before", "x").await.unwrap();
    cluster.kill9(away).unwrap();
    let missed = cluster.status(leader).await.unwrap().log_last_index;

    // Until the leader no longer has the next entry that the dead member needs.
    wait::until("the leader's log to be purged", PATIENCE, async || {
        for number in 0..50 {
            client
                .put(format!("k{number}"), vec![number; 4 << 10])
                .await
                .map_err(|error| error.to_string())?;
        }
        let leader = cluster.leader().await.ok_or("no leader")?;
        let first = cluster.status(leader).await?.log_first_index;
        (first > missed + 1)
            .then_some(())
            .ok_or(format!("it begins at {first}, the dead member needs {}", missed + 1))
    })
    .await
    .unwrap();

    cluster.restart(away).unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let index = cluster.status(leader).await.unwrap().applied_index;
    cluster.wait_until_applied(away, index).await.unwrap();
    assert!(
        cluster.status(away).await.unwrap().snapshot_index > missed,
        "it cannot have replayed the log"
    );
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_hands_over_first() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let before = client.put("k", "1").await.unwrap().revision;
    let term = cluster.status(leader).await.unwrap().header.unwrap().raft_term;

    let status = cluster.stop(leader).await.unwrap();
    assert!(
        status.success(),
        "{status}:\n{}",
        cluster.member(leader).unwrap().log_tail()
    );
    let successor = cluster.wait_for_leader().await.unwrap();
    assert_ne!(successor, leader);
    let header = cluster.status(successor).await.unwrap().header.unwrap();
    assert_eq!(header.raft_term, term + 1, "one election, not several");
    assert_eq!(client.put("k", "2").await.unwrap().revision, before + 1);

    cluster.restart(leader).unwrap();
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_minority_acknowledges_nothing() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    for id in cluster.ids().into_iter().filter(|id| *id != leader) {
        cluster.pause(id).await.unwrap();
    }
    let put = client.put("k", "2").timeout(Duration::from_secs(2)).await;
    assert!(put.is_err(), "a leader alone acknowledged {put:?}");
    let get = client.get("k").timeout(Duration::from_secs(2)).await;
    assert!(get.is_err(), "a leader alone answered a strong read: {get:?}");
    for id in cluster.ids().into_iter().filter(|id| *id != leader) {
        cluster.resume(id).unwrap();
    }
    cluster.wait_for_equal_state().await.unwrap();
}

/// A stalled disk answers no sync, but its member answers pings: nothing breaks the stream of entries to it.
#[tokio::test]
async fn a_member_whose_disk_stands_still_does_not_hold_up_the_log_of_the_others() {
    if let Some(reason) = Disk::unavailable_because() {
        eprintln!("skipped: {reason}");
        return;
    }
    let mut settings = Settings::of(3).with_early_snapshots();
    settings.small_segments = true;
    let mut cluster = Cluster::prepare(settings).unwrap();
    let victim = 2;
    let disk = Disk::format(&cluster.member(victim).unwrap().data_directory()).unwrap();
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    let mut leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    if leader == victim {
        leader = 1;
        client.transfer_leader(leader).await.unwrap();
        cluster.wait_for_leader().await.unwrap();
    }

    let stalled = disk.stall().unwrap();
    let oldest = oldest_segment(&cluster.member(leader).unwrap().data_directory());
    let value = vec![7; 4096];
    wait::until("the log to go", 2 * PATIENCE, async || {
        for key in 0..100 {
            client.put(format!("k{key}"), value.clone()).await.unwrap();
        }
        let now = oldest_segment(&cluster.member(leader).unwrap().data_directory());
        (now > oldest)
            .then_some(())
            .ok_or(format!("{now} is the oldest segment"))
    })
    .await
    .unwrap();
    drop(stalled);
    cluster.wait_for_equal_state().await.unwrap();
    drop(cluster);
}

/// The name of the oldest segment that the log has; they are numbered in order.
fn oldest_segment(data_directory: &Path) -> String {
    let files = std::fs::read_dir(data_directory.join("log")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".log")).min().unwrap()
}
