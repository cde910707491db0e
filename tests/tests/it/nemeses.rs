//! Each kind of fault once, on a real cluster with a few writers: it happened, and writes go on after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::nemesis::{Ability, Aim, FaultKind, Nemesis, Pace};
use quorate_tests::watchers::Clock;
use quorate_tests::{HarnessError, wait};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);

const WRITERS: u64 = 3;

/// Writes between two steps of a fault.
const STEP: u64 = 20;

/// A few clients that write.
struct Writing {
    acknowledged: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Writing {
    async fn start(cluster: &Cluster) -> Writing {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..WRITERS {
            let client = cluster.client().await.unwrap();
            let acknowledged = Arc::clone(&acknowledged);
            tasks.spawn(async move {
                loop {
                    if client.put(format!("k{number}"), "v").await.is_ok() {
                        acknowledged.fetch_add(1, Ordering::AcqRel);
                    }
                    // Members come and go: they are asked where the others are.
                    let _ = client.members().await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
        Writing {
            acknowledged,
            _tasks: tasks,
        }
    }
}

impl Pace for Writing {
    async fn wait_for_more(&self, moment: &str) -> Result<(), HarnessError> {
        let goal = self.acknowledged.load(Ordering::Acquire) + STEP;
        wait::until(&format!("writes {moment}"), PATIENCE, async || {
            let acknowledged = self.acknowledged.load(Ordering::Acquire);
            let missing = goal.saturating_sub(acknowledged);
            (missing == 0).then_some(()).ok_or(format!("{missing} are missing"))
        })
        .await
    }
}

/// Does these to so many members, one after the other. Those that this machine does not allow are no pass: it says so.
async fn suffer(members: u64, faults: &[(FaultKind, Aim)]) {
    let kinds: Vec<FaultKind> = faults.iter().map(|(kind, _)| *kind).collect();
    let (possible, lacking) = Ability::of_this_machine().divide(&kinds, members);
    for (kind, reason) in lacking {
        eprintln!("skipped: {kind}: {reason}");
    }
    let settings = Settings::of(members).with_early_snapshots().for_faults(&possible);
    let cluster = Cluster::start_with(settings).await.unwrap();
    let writing = Writing::start(&cluster).await;
    let seed = rand::random();
    println!("seed {seed}");
    let mut nemesis = Nemesis::new(cluster, None, Clock::default(), seed);
    for (kind, aim) in faults.iter().filter(|(kind, _)| possible.contains(kind)) {
        let fault = nemesis.aimed(*kind, *aim, &writing).await;
        let fault = fault.unwrap_or_else(|error| panic!("{error}"));
        println!("{fault}");
        assert!(!fault.evidence.is_empty() && !fault.victims.is_empty(), "{fault}");
        assert!(fault.ended > fault.began);
        match (fault.victims.len(), aim) {
            (_, Aim::Leader) => assert!(fault.leader_hit, "{fault}"),
            (1, Aim::Follower) => assert!(!fault.leader_hit, "{fault}"),
            _ => {}
        }
    }
    assert!(nemesis.tally().is_complete(&possible));
    drop(writing);
    let (cluster, _) = nemesis.end();
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_die_and_stand_still() {
    suffer(
        3,
        &[
            (FaultKind::Kill, Aim::Leader),
            (FaultKind::Kill, Aim::Follower),
            (FaultKind::KillAll, Aim::Leader),
            (FaultKind::Pause, Aim::Leader),
            (FaultKind::Pause, Aim::Follower),
            (FaultKind::PauseMajority, Aim::Leader),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_are_parted() {
    suffer(
        3,
        &[
            (FaultKind::Isolate, Aim::Leader),
            (FaultKind::Isolate, Aim::Follower),
            (FaultKind::Mute, Aim::Leader),
            (FaultKind::Mute, Aim::Follower),
            (FaultKind::Deaf, Aim::Leader),
            (FaultKind::Deaf, Aim::Follower),
            (FaultKind::Bridge, Aim::Leader),
            (FaultKind::Flap, Aim::Either),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_members_are_parted_and_stand_still() {
    suffer(
        5,
        &[
            (FaultKind::Halves, Aim::Leader),
            (FaultKind::Bridge, Aim::Leader),
            (FaultKind::Ring, Aim::Leader),
            (FaultKind::PauseMajority, Aim::Follower),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_are_lost_late_and_too_many() {
    suffer(
        3,
        &[
            (FaultKind::Loss, Aim::Leader),
            (FaultKind::Delay, Aim::Follower),
            (FaultKind::Delay, Aim::Leader),
            (FaultKind::Narrow, Aim::Follower),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_jump_and_disks_are_full() {
    suffer(
        3,
        &[
            (FaultKind::Clock, Aim::Leader),
            (FaultKind::Clock, Aim::Follower),
            (FaultKind::DiskLow, Aim::Leader),
            (FaultKind::DiskFull, Aim::Leader),
            (FaultKind::DiskFull, Aim::Follower),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_and_are_looked_after() {
    suffer(
        3,
        &[
            (FaultKind::Join, Aim::Leader),
            (FaultKind::Replace, Aim::Follower),
            (FaultKind::Replace, Aim::Leader),
            (FaultKind::Transfer, Aim::Leader),
            (FaultKind::RollingRestart, Aim::Leader),
            (FaultKind::Snapshot, Aim::Either),
            (FaultKind::Install, Aim::Leader),
            (FaultKind::Compact, Aim::Either),
        ],
    )
    .await;
}
