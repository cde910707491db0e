//! What a member does when its own disk is not what it was.

use std::fs;
use std::ops::Bound;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use quorate_node::codec;
use quorate_node::mvcc::Record;
use quorate_node::storage::{Batch, Durability, Engine, RocksEngine, RocksOptions, Table, View};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(30);

/// Changes the value of every key in a member's state, with good checksums, as a bug or a stray hand might.
fn tamper_with_values(data: &Path) {
    let current = fs::read_to_string(data.join("state/CURRENT")).unwrap();
    let number = current.split_whitespace().next().unwrap();
    let engine = RocksEngine::open(&data.join("state").join(number), RocksOptions::default()).unwrap();
    let mut batch = Batch::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        let mut record: Record = codec::decode(value).unwrap();
        record.value = b"tampered".to_vec();
        batch.put(Table::Latest, key.to_vec(), codec::encode(&record).unwrap());
        ControlFlow::Continue(())
    };
    engine
        .scan(Table::Latest, Bound::Unbounded, Bound::Unbounded, false, &mut visit)
        .unwrap();
    assert!(!batch.is_empty());
    engine.write(batch, Durability::Synced).unwrap();
}

async fn wait_for_words(cluster: &Cluster, id: u64, words: &str) {
    wait::until("the member to say what is wrong", PATIENCE, async || {
        let tail = cluster.member(id).map_err(|error| error.to_string())?.log_tail();
        tail.contains(words).then_some(()).ok_or(tail)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_member_whose_state_differs_from_the_majority_stops_and_says_so() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let odd = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "true").await.unwrap();
    cluster.wait_for_equal_state().await.unwrap();
    cluster.stop(odd).await.unwrap();
    tamper_with_values(&cluster.member(odd).unwrap().data_directory());
    cluster.restart(odd).unwrap();

    // The record that this write replaces goes to the history, so the hashes part; they are compared at fixed indexes.
    for number in 0..600 {
        client.put("k", format!("{number}")).await.unwrap();
    }
    wait_for_words(&cluster, odd, "differs from that of a majority").await;
    client.put("k", "the others go on").await.unwrap();
}

#[tokio::test]
async fn a_member_that_lost_its_log_does_not_vote_under_its_old_name() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let poor = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    cluster.kill9(poor).unwrap();
    fs::remove_dir_all(cluster.member(poor).unwrap().data_directory().join("log")).unwrap();
    // It may end before it is seen to run: that is what it should do.
    let _ = cluster.restart(poor);
    wait_for_words(&cluster, poor, "lost its log").await;
    client.put("k", "2").await.unwrap();
}

/// Sets the free space below which a member wants no growth, and restarts it.
async fn set_reserve(cluster: &mut Cluster, id: u64, bytes: u64) {
    cluster.stop(id).await.unwrap();
    let path = cluster.member(id).unwrap().configuration();
    let text = fs::read_to_string(&path).unwrap();
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("space_reserve_bytes"))
        .collect();
    let without = without.join("\n").replace("\n[storage]", "");
    fs::write(&path, format!("{without}\n[storage]\nspace_reserve_bytes = {bytes}\n")).unwrap();
    cluster.restart(id).unwrap();
    cluster.wait_for_leader().await.unwrap();
}

#[tokio::test]
async fn growth_is_refused_while_the_disks_of_a_quorum_are_full_and_again_allowed_after() {
    const MORE_THAN_THERE_IS: u64 = 1 << 40;
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("a", "1").await.unwrap();
    client.put("b", "1").await.unwrap();

    // One full disk is not a quorum's.
    set_reserve(&mut cluster, 1, MORE_THAN_THERE_IS).await;
    client.put("a", "2").await.unwrap();
    set_reserve(&mut cluster, 2, MORE_THAN_THERE_IS).await;
    let short = cluster.client().await.unwrap();
    wait::until("growth to be refused", PATIENCE, async || {
        match short.put("a", "3").timeout(Duration::from_millis(500)).await {
            Err(error) if *error.kind() == quorate::ErrorKind::NoSpace => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    assert!(client.get("b").await.unwrap().record.is_some(), "reads go on");
    assert_eq!(client.delete("b").await.unwrap().deleted, 1, "deleting goes on");

    set_reserve(&mut cluster, 1, 1 << 20).await;
    set_reserve(&mut cluster, 2, 1 << 20).await;
    client.put("a", "4").await.unwrap();
}
