//! The check of watches, shown to see: one lie is told to a watcher of a real member, and it is found; without it the same
//! run passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Op};
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::log_replay::replay;
use quorate_tests::wait;
use quorate_tests::watch_check::{
    Ack, Acks, Asked, Names, Space, Start, Truth, Verdict, Wanted, Watcher, Wrong, check,
};
use quorate_tests::watch_relay::{Lie, WatchRelay};
use quorate_tests::watchers::{Clock, Connected, RawStream, Recorder, Whims};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// Everything below a prefix, with the records before.
fn jobs() -> Asked {
    Asked {
        wanted: vec![Wanted {
            space: Space::Keys("default".to_owned()),
            names: Names::Prefix(Bytes::from_static(b"jobs/")),
        }],
        puts: true,
        deletes: true,
        previous: true,
        keys_only: false,
    }
}

/// A member and who writes to it.
struct Run {
    cluster: Cluster,
    client: Client,
    clock: Clock,
    newest: Arc<AtomicU64>,
    acks: Vec<Ack>,
}

impl Run {
    async fn begin() -> Run {
        let settings = Settings {
            whole_logs: vec![1],
            ..Settings::of(1)
        };
        let cluster = Cluster::start_with(settings).await.unwrap();
        Run {
            client: cluster.client().await.unwrap(),
            cluster,
            clock: Clock::default(),
            newest: Arc::default(),
            acks: Vec::new(),
        }
    }

    /// Every third write is of two keys, every fifth a deletion.
    async fn write(&mut self, writes: u64) {
        for number in 0..writes {
            let value = number.to_string();
            let invoked = self.clock.now();
            let made = match number % 15 {
                0 | 3 | 6 | 9 | 12 => {
                    let both = Op::put("jobs/a", value.clone());
                    let txn = self.client.txn().then(both).then(Op::put("jobs/b", value));
                    Some(txn.await.unwrap().revision)
                }
                5 | 10 => {
                    let reply = self.client.delete("jobs/b").await.unwrap();
                    (reply.deleted > 0).then_some(reply.revision)
                }
                _ => Some(self.client.put("jobs/a", value).await.unwrap().revision),
            };
            let Some(revision) = made else { continue };
            let returned = self.clock.now();
            self.newest.fetch_max(revision, Ordering::AcqRel);
            self.acks.push(Ack {
                invoked,
                returned,
                revision,
            });
        }
    }

    fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// What one watcher is told through the relay that starts at `start`, while more is written.
    async fn watch(&mut self, relay: &WatchRelay, recorder: Recorder, more: u64) -> Watcher {
        let (due, is_due) = watch::channel(None);
        let connected = Connected::default();
        let stream = RawStream {
            name: "lied to".to_owned(),
            endpoints: vec![relay.address()],
            watchers: 1,
            whims: Whims::None,
            seed: 1,
            clock: self.clock,
            newest: Arc::clone(&self.newest),
            due: is_due,
            connected: connected.clone(),
        };
        let watching = tokio::spawn(stream.run_with(vec![recorder]));
        wait::until("the watch to be there", PATIENCE, async || match connected.watches() {
            1 => Ok(()),
            watches => Err(format!("{watches} watches")),
        })
        .await
        .unwrap();
        self.write(more).await;
        due.send_replace(Some(self.newest()));
        let mut told = tokio::time::timeout(PATIENCE, watching)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        told.remove(0)
    }

    /// Ends the member, and reads what happened from its log.
    async fn truth(mut self) -> (Truth, Acks) {
        let state = self.cluster.wait_for_equal_state().await.unwrap();
        self.client.close().await;
        self.cluster.stop(1).await.unwrap();
        let data = self.cluster.member(1).unwrap().data_directory();
        (replay(&data, &state).unwrap(), Acks::new(self.acks))
    }
}

/// Watches from revision 2 on through a relay with this lie, resumes on another stream, with history compacted meanwhile.
async fn verdict_on(lie: Lie) -> Verdict {
    let mut run = Run::begin().await;
    run.write(60).await;
    let relay = WatchRelay::start(run.cluster.member(1).unwrap().client_address(), lie)
        .await
        .unwrap();
    let first = Recorder::new("w".to_owned(), jobs(), Start::From(2));
    let mut watcher = run.watch(&relay, first, 60).await;
    run.client.compact(run.newest() - 5).await.unwrap();
    let resume = Start::From(run.newest() + 1);
    let resumed = Recorder::new("w".to_owned(), jobs(), resume);
    let resumed = run.watch(&relay, resumed, 60).await;
    watcher.due = resumed.due;
    watcher.incarnations.extend(resumed.incarnations);
    assert_eq!(relay.has_lied(), lie != Lie::None, "{lie:?} was told");
    let (truth, acks) = run.truth().await;
    check(&[watcher], &truth, &acks)
}

#[track_caller]
fn wrong(verdict: Verdict) -> Wrong {
    match verdict {
        Verdict::Illegal(violation) => violation.wrong,
        other => panic!("the lie passed: {other:?}"),
    }
}

#[tokio::test]
async fn without_a_lie_the_run_passes() {
    let summary = verdict_on(Lie::None).await.into_result().unwrap();
    assert!(summary.revisions >= 170 && summary.marks > 0, "{summary:?}");
}

#[tokio::test]
async fn an_event_that_is_left_out_is_found() {
    let found = wrong(verdict_on(Lie::DropRevision).await);
    assert!(matches!(found, Wrong::Reliable { .. }), "{found}");
}

#[tokio::test]
async fn a_duplicate_on_resume_is_found() {
    let found = wrong(verdict_on(Lie::RepeatOnResume).await);
    assert!(matches!(found, Wrong::Unique { .. }), "{found}");
}

#[tokio::test]
async fn a_revision_in_two_is_found() {
    let found = wrong(verdict_on(Lie::SplitRevision).await);
    assert!(matches!(found, Wrong::Atomic { .. }), "{found}");
}

#[tokio::test]
async fn a_mark_that_runs_ahead_is_found() {
    let found = wrong(verdict_on(Lie::MarkAhead).await);
    assert!(matches!(found, Wrong::MarkAhead { .. }), "{found}");
}

#[tokio::test]
async fn an_event_from_before_the_start_is_found() {
    let mut run = Run::begin().await;
    run.write(60).await;
    let lie = Lie::ReplayFromBefore;
    let relay = WatchRelay::start(run.cluster.member(1).unwrap().client_address(), lie)
        .await
        .unwrap();
    let other = Recorder::new("other".to_owned(), jobs(), Start::From(2));
    let other = run.watch(&relay, other, 10).await;
    let late = Recorder::new("late".to_owned(), jobs(), Start::From(run.newest() + 1));
    let late = run.watch(&relay, late, 60).await;
    assert!(relay.has_lied());
    let (truth, acks) = run.truth().await;
    assert!(matches!(check(&[other], &truth, &acks), Verdict::Ok(_)));
    let found = wrong(check(&[late], &truth, &acks));
    assert!(matches!(found, Wrong::BeforeStart { revision: 2, .. }), "{found}");
}
