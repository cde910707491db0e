//! Watches with quick and slow consumers, while members break, refuse, cancel and fall silent at random.

use std::time::Duration;

use quorate::{Client, Op, Watch, WatchItem};
use quorate_proto::v1;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::fake::{FakeCluster, refusal};

const REVISIONS: u64 = 300;
const WATCHES: usize = 12;
const PATIENCE: Duration = Duration::from_secs(60);

/// Revisions with the number of their events, up to the last one that is written.
async fn consume(mut watch: Watch, last: u64, mut random: StdRng) -> Vec<(u64, usize)> {
    let slow = random.random_bool(0.5);
    let mut told = Vec::new();
    while watch.position() < last {
        match watch.next().await.unwrap().unwrap() {
            WatchItem::Events(batch) => told.push((batch.revision, batch.events.len())),
            WatchItem::Mark { .. } => {}
            other => panic!("{other:?}"),
        }
        if slow && random.random_bool(0.1) {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        }
    }
    told
}

/// Every revision is one put or three.
async fn write(client: Client, last: u64, mut random: StdRng) {
    loop {
        let puts = (0..if random.random_bool(0.3) { 3 } else { 1 }).map(|index| Op::put(format!("jobs/{index}"), "v"));
        let written = puts.fold(client.txn(), |txn, put| txn.then(put)).await.unwrap();
        if written.revision == last {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn misbehave(cluster: &FakeCluster, random: &mut StdRng) {
    let member = &cluster.members[random.random_range(0..cluster.members.len())];
    match random.random_range(0..6) {
        0 => member.break_streams(),
        1 => member.script_watches(|script| script.break_inside = true),
        2 => member.script_watches(|script| script.cancel = Some(refusal(v1::ErrorCode::Lagged, 0))),
        3 => member.script_watches(|script| script.refuse.push_back(refusal(v1::ErrorCode::Unavailable, 0))),
        // Never all of them: that is final.
        4 => cluster.members[0].script_watches(|script| {
            script.refuse.push_back(refusal(v1::ErrorCode::LimitReached, 0));
        }),
        _ => member.script_watches(|script| script.mute_probes = !script.mute_probes),
    }
    tokio::time::sleep(Duration::from_millis(random.random_range(0..30))).await;
}

async fn run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = FakeCluster::start(3).await;
    for member in &cluster.members {
        member.script_watches(|script| script.part = 2);
    }
    let builder = Client::builder().endpoints(cluster.addresses());
    let client = builder.watch_probe(Duration::from_millis(50)).connect().await.unwrap();
    let last = 1 + REVISIONS;
    let mut consumers = JoinSet::new();
    for index in 0..WATCHES {
        let watch = client.watch("jobs/*").buffer(random.random_range(1..32));
        let watch = match random.random_range(0..3) {
            0 => watch.now(),
            1 => watch.from(random.random_range(1..last)),
            _ => watch.from(1).marks(Duration::from_millis(100)),
        };
        let watch = watch.await.unwrap();
        let start = watch.position();
        let consumer = consume(watch, last, StdRng::seed_from_u64(seed + index as u64));
        consumers.spawn(async move { (start, consumer.await) });
    }
    let writer = tokio::spawn(write(cluster.client().await, last, StdRng::seed_from_u64(seed)));
    while !writer.is_finished() {
        misbehave(&cluster, &mut random).await;
    }
    writer.await.unwrap();
    for member in &cluster.members {
        member.script_watches(|script| script.mute_probes = false);
    }
    let told = tokio::time::timeout(PATIENCE, consumers.join_all())
        .await
        .expect("every watch ends");
    let truth: Vec<(u64, usize)> = {
        let store = cluster.store.lock();
        store
            .changes
            .iter()
            .map(|(revision, events)| (*revision, events.len()))
            .collect()
    };
    for (start, told) in told {
        let expected: Vec<(u64, usize)> = truth
            .iter()
            .filter(|(revision, _)| *revision > start)
            .copied()
            .collect();
        assert_eq!(told, expected, "seed {seed}, from after revision {start}");
    }
    assert!(client.stats().watch_retries > 0, "seed {seed}: nothing happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_members_do_every_watch_tells_everything_once_and_in_order() {
    for seed in 1..=3 {
        run(seed).await;
    }
}
