//! The client of the SDK, against a cluster that goes away, comes back, moves, or is not the one that was meant.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate::{Client, Consistency, Error, ErrorKind, Outcome};
use quorate_tests::cluster::{Cluster, free_ports};
use quorate_tests::wait;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);

/// A client whose calls outlive the restart of all members.
async fn patient(cluster: &Cluster) -> Client {
    let builder = Client::builder().endpoints(cluster.endpoints()).name("patient");
    builder.call_timeout(PATIENCE).connect().await.unwrap()
}

fn kill_all(cluster: &mut Cluster) {
    for id in cluster.ids() {
        cluster.kill9(id).unwrap();
    }
}

async fn restart_all(cluster: &mut Cluster) {
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    cluster.wait_for_leader().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_outlives_every_member_of_its_cluster() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = patient(&cluster).await;
    client.put("before", "1").await.unwrap();
    client.eventual().put("seen", "1").acks(3).await.unwrap();
    for round in 0..2 {
        kill_all(&mut cluster);
        // These begin while nobody is there, and end when somebody is.
        let calls = client.clone();
        let put = tokio::spawn(async move { calls.put("during", format!("{round}")).await });
        let calls = client.clone();
        let get = tokio::spawn(async move { calls.get("before").await });
        restart_all(&mut cluster).await;
        put.await.unwrap().unwrap();
        assert_eq!(get.await.unwrap().unwrap().record.unwrap().value, "1");
        let record = client.get("during").await.unwrap().record.unwrap();
        assert_eq!((record.value, record.version), (format!("{round}").into(), round + 1));
        let lock = client.lock("mine").acquire().await.unwrap();
        lock.release().await.unwrap();
        client.eventual().put("after", "1").await.unwrap();
    }
}

/// Every member is killed while a write waits for its majority: it is there once, or not, and its outcome says no more
/// than is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_outstanding_across_a_full_restart_is_applied_once_or_unknown() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = patient(&cluster).await;
    client.put("warm", "x").await.unwrap();
    for round in 0..3 {
        let leader = cluster.wait_for_leader().await.unwrap();
        let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
        for id in &others {
            cluster.pause(*id).await.unwrap();
        }
        let key = format!("once/{round}");
        let (writing, name) = (client.clone(), key.clone());
        let write = tokio::spawn(async move { writing.put(name, "1").await });
        // In a third of the rounds it is killed before it has the write, perhaps.
        if round > 0 {
            let before = cluster.status(leader).await.map(|status| status.committed_index);
            if let Ok(before) = before {
                wait::until("the leader to have the write", PATIENCE, async || {
                    let status = cluster.status(leader).await?;
                    (status.log_last_index > before)
                        .then_some(())
                        .ok_or(format!("its log ends at {}", status.log_last_index))
                })
                .await
                .unwrap();
            }
        }
        kill_all(&mut cluster);
        restart_all(&mut cluster).await;
        let ended = write.await.unwrap();
        let record = client.get(key.as_str()).await.unwrap().record;
        let version = record.map_or(0, |record| record.version);
        match ended {
            Ok(_) => assert_eq!(version, 1),
            Err(error) => match error.outcome() {
                Outcome::NotApplied => assert_eq!(version, 0, "{error}"),
                Outcome::Unknown => assert!(version <= 1, "{version} times: {error}"),
                other => panic!("{other:?}: {error}"),
            },
        }
    }
}

/// What a loop of calls has done, and what failed.
#[derive(Default)]
struct Loops {
    done: AtomicU64,
    failed: parking_lot::Mutex<Vec<String>>,
}

impl Loops {
    fn note(&self, what: &str, ended: Result<(), Error>) {
        match ended {
            Ok(()) => {
                self.done.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => self.failed.lock().push(format!("{what}: {error} ({:?})", error.kind())),
        }
    }

    async fn some_more(&self, moment: &str) {
        let before = self.done.load(Ordering::Acquire);
        wait::until(&format!("calls {moment}"), PATIENCE, async || {
            let more = self.done.load(Ordering::Acquire) - before;
            (more >= 40).then_some(()).ok_or(format!("there were {more}"))
        })
        .await
        .unwrap();
    }
}

async fn one_of_each(client: &Client, number: u64, loops: &Loops) {
    let value = number.to_string();
    let put = client.put("k", value.clone()).await;
    loops.note("put", put.map(drop));
    let get = client.get("k").await;
    loops.note("get", get.map(|reply| assert!(reply.record.is_some())));
    let bound = Consistency::BoundedStale(Duration::from_secs(1));
    loops.note("bounded get", client.get("k").consistency(bound).await.map(drop));
    loops.note(
        "local get",
        client.get("k").consistency(Consistency::Local).await.map(drop),
    );
    let lock = async {
        let guard = client.lock("turn").ttl(Duration::from_secs(5)).acquire().await?;
        guard.release().await
    };
    loops.note("lock", lock.await);
    let eventual = client.eventual();
    loops.note("eventual put", eventual.put("e", value).await.map(drop));
    loops.note("eventual get", eventual.get("e").await.map(drop));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_seen_by_nobody() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let loops = Arc::<Loops>::default();
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let client = cluster.client().await.unwrap();
        let (loops, stopped) = (Arc::clone(&loops), stopped.clone());
        tasks.spawn(async move {
            let mut number = 0;
            while !*stopped.borrow() {
                number += 1;
                one_of_each(&client, number, &loops).await;
            }
            client.close().await;
        });
    }
    loops.some_more("before").await;
    let admin = cluster.client().await.unwrap();
    for id in cluster.ids() {
        let leader = cluster.wait_for_leader().await.unwrap();
        if leader == id {
            // 0: whoever is most up to date.
            let new = admin.transfer_leader(0).await.unwrap();
            assert_ne!(new, id);
            loops.some_more("under another leader").await;
        }
        let status = cluster.stop(id).await.unwrap();
        assert!(status.success(), "{status}");
        loops.some_more("without a member").await;
        cluster.restart(id).unwrap();
        let leader = cluster.wait_for_leader().await.unwrap();
        let index = cluster.status(leader).await.unwrap().applied_index;
        cluster.wait_until_applied(id, index).await.unwrap();
        loops.some_more("with all members").await;
    }
    // The leader is stopped without being asked to hand over first: that is its own affair.
    let leader = cluster.wait_for_leader().await.unwrap();
    cluster.stop(leader).await.unwrap();
    loops.some_more("without the leader").await;
    stop.send_replace(true);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let failed = loops.failed.lock();
    assert!(
        failed.is_empty(),
        "{} of {}: {failed:#?}",
        failed.len(),
        loops.done.load(Ordering::Acquire)
    );
}

#[tokio::test]
async fn connecting_where_nobody_is_names_each_address_and_why() {
    let ports = free_ports(2).unwrap();
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let error = Client::builder()
        .endpoints(addresses.clone())
        .connect()
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    for address in &addresses {
        assert!(error.message().contains(address), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_nobody_answers_end_by_their_deadline_and_say_what_became_of_them() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "v").await.unwrap();
    kill_all(&mut cluster);
    let timeout = Duration::from_secs(1);
    let began = Instant::now();
    let put = client.put("k", "w").timeout(timeout).await.unwrap_err();
    let get = client.get("k").timeout(timeout).await.unwrap_err();
    let eventual = client.eventual().put("e", "w").timeout(timeout).await.unwrap_err();
    assert!(
        began.elapsed() < PATIENCE,
        "each ends by its own deadline, not by that of the client"
    );
    assert_ne!(put.outcome(), Outcome::NotAMutation, "{put}");
    assert_eq!(get.outcome(), Outcome::NotAMutation, "{get}");
    for error in [&put, &get, &eventual] {
        let of_nobody = [
            ErrorKind::DeadlineExceeded,
            ErrorKind::Unavailable,
            ErrorKind::ConnectionLost,
        ];
        assert!(of_nobody.contains(error.kind()), "{error}: {:?}", error.kind());
    }
    restart_all(&mut cluster).await;
    let record = client.get("k").await.unwrap().record.unwrap();
    assert!(record.value == "v" || put.outcome() == Outcome::Unknown, "{record:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_another_cluster_among_the_endpoints_answers_nothing() {
    let mut mine = Cluster::start(3).await.unwrap();
    let other = Cluster::start(1).await.unwrap();
    for (cluster, whose) in [(&mine, "mine"), (&other, "other")] {
        let client = cluster.client().await.unwrap();
        client.put("whose", whose).await.unwrap();
        client.eventual().put("whose", whose).acks(1).await.unwrap();
    }
    let mut endpoints = mine.endpoints();
    endpoints.extend(other.endpoints());
    let client = Client::builder().endpoints(endpoints).call_timeout(PATIENCE);
    let client = client.connect().await.unwrap();
    client.put("mine", "1").await.unwrap();
    let levels = [
        Consistency::Strong,
        Consistency::Local,
        Consistency::BoundedStale(Duration::from_secs(5)),
    ];
    let look = async |moment: &str| {
        for number in 0..30 {
            let read = client
                .get("whose")
                .consistency(levels[number % 3])
                .timeout(PATIENCE)
                .await;
            let record = read.unwrap_or_else(|error| panic!("{moment}: {error}")).record;
            assert_eq!(record.unwrap().value, "mine", "{moment}, {:?}", levels[number % 3]);
            client.put("mine", number.to_string()).await.unwrap();
        }
    };
    look("with all members").await;
    // Whoever looks for another member meets the stranger too.
    let leader = mine.wait_for_leader().await.unwrap();
    mine.kill9(leader).unwrap();
    look("after the leader was lost").await;
    // At last there is nobody but the stranger.
    for id in mine.running() {
        mine.kill9(id).unwrap();
    }
    let timeout = Duration::from_secs(2);
    for level in levels {
        let read = client.get("whose").consistency(level).timeout(timeout).await;
        let error = read.expect_err("nobody who could answer is there");
        assert_eq!(error.outcome(), Outcome::NotAMutation, "{error}");
    }
    for _ in 0..3 {
        let written = client.put("mine", "there").timeout(timeout).await;
        written.expect_err("nobody who could take it is there");
    }
    let put = client.eventual().put("whose", "mine again").timeout(timeout).await;
    put.expect_err("nobody who could take it is there");
    let stranger = other.client().await.unwrap();
    // Nor does a watch go there, of either tier.
    let strong = client.watch("whose").from(1).timeout(timeout).await;
    strong.expect_err("nobody who could serve it is there");
    let eventual = client.eventual().watch("whose").existing().timeout(timeout).await;
    eventual.expect_err("nobody who could serve it is there");
    assert!(
        stranger.get("mine").await.unwrap().record.is_none(),
        "nothing was written there"
    );
    let entry = stranger.eventual().get("whose").await.unwrap().entry.unwrap();
    assert_eq!(entry.value, "other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_client_has_ended_what_it_began_and_refuses_what_comes() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut watch = client.watch("k").await.unwrap();
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let client = client.clone();
        calls.spawn(async move { client.put(format!("k/{number}"), "v").await });
    }
    let batch = client.eventual().batch().open().unwrap();
    for number in 0..200 {
        batch.put(format!("e/{number}"), "v").await.unwrap();
    }
    let flushed = batch.close().await;
    assert_eq!((flushed.written, flushed.failed.len()), (200, 0));
    client.close().await;
    let mut done = 0;
    while let Some(ended) = calls.join_next().await {
        match ended.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(
                (error.kind(), error.outcome()),
                (&ErrorKind::Closed, Outcome::NotApplied)
            ),
        }
    }
    let other = cluster.client().await.unwrap();
    let there = other.range(quorate::Keys::prefix("k/")).all(1_000).await.unwrap();
    assert_eq!(there.len(), done, "what was answered is there, and nothing else");

    let error = client.put("k", "v").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Closed, Outcome::NotApplied)
    );
    let error = client.get("k").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Closed, Outcome::NotAMutation)
    );
    let error = client.eventual().put("k", "v").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Closed, Outcome::NotApplied)
    );
    let ended = tokio::time::timeout(PATIENCE, watch.next())
        .await
        .expect("the watch ends");
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
    client.close().await;
}
