//! A run, from its first process to its report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::plan::Campaign;
use super::report::{Outcome, Report};
use super::stage;
use super::watcher::{Progress, Standing};
use crate::journal::{End, Fault, Header, Journal, JournalFile};
use crate::nemesis::{Ability, FaultKind, FaultRecord, Nemesis, Pace};
use crate::watchers::Clock;
use crate::workloads::{Endpoints, Ground, Registered, Turns};
use crate::{HarnessError, wait};

/// Operations between two steps of a fault, answered by a majority.
const STEP: u64 = 40;

/// Elections, restarts and a slow machine together stay far below.
const PATIENCE: Duration = Duration::from_secs(60);

/// If a planned fault has not happened in time: how many times longer it may take, and how long it may take at least for
/// each kind. Most take 2 to 5 s, a few ten times as long on a busy machine.
const LONGER: u32 = 3;
const LONGER_EACH: Duration = Duration::from_secs(20);

impl Pace for Journal {
    async fn wait_for_more(&self, moment: &str) -> Result<(), HarnessError> {
        let goal = self.answered_by_majority() + STEP;
        wait::until(&format!("operations {moment}"), PATIENCE, async || {
            match self.answered_by_majority() {
                now if now >= goal => Ok(()),
                now => Err(format!("{} are missing", goal - now)),
            }
        })
        .await
    }
}

impl Campaign {
    /// Runs it. An error is a run that could not go on; its journal is kept, and has no end.
    pub async fn run(self, mut progress: impl Progress) -> Result<Report, HarnessError> {
        self.validate()?;
        let (faults, lacking) = Ability::of_this_machine().divide(&self.faults, self.members);
        for (kind, why) in lacking {
            progress.say(&format!("no {kind}, since this machine refuses it: {why}"));
        }
        let names: Vec<&str> = self.workloads.iter().map(|workload| workload.name).collect();
        progress.say(&format!(
            "seed {}: {} on {} members, {} kinds of fault, {} s",
            self.seed,
            names.join(", "),
            self.members,
            faults.len(),
            self.seconds
        ));
        let path = self.journal.clone().unwrap_or_else(|| temporary_path(self.seed));
        let played = Run::begin(&self, faults, path.clone(), &mut progress)
            .await?
            .play()
            .await;
        let report = match played {
            Ok(()) => Report::of(&JournalFile::open(&path)?)?,
            Err(error) => {
                progress.say(&format!("the journal is kept: {}", path.display()));
                return Err(error);
            }
        };
        if self.journal.is_none() && report.outcome() == Outcome::Passed {
            std::fs::remove_file(&path).map_err(HarnessError::io(format!("remove {}", path.display())))?;
        } else {
            progress.say(&format!("the journal is kept: {}", path.display()));
        }
        Ok(report)
    }
}

/// A run that goes on.
struct Run<'a, P> {
    nemesis: Nemesis,
    faults: Vec<FaultKind>,
    ground: Ground,
    workloads: &'a [Registered],
    stop: watch::Sender<bool>,
    running: JoinSet<(&'static str, Result<(), HarnessError>)>,
    progress: Mutex<&'a mut P>,
    overcome: AtomicU64,
    faults_min: u64,
    members: u64,
    time: Duration,
    began: Duration,
}

impl<'a, P: Progress> Run<'a, P> {
    async fn begin(
        campaign: &'a Campaign,
        faults: Vec<FaultKind>,
        path: PathBuf,
        progress: &'a mut P,
    ) -> Result<Run<'a, P>, HarnessError> {
        let cluster = stage::set(campaign.members, &faults).await?;
        let client = cluster.client().await?;
        let base = client
            .get("base")
            .await
            .map_err(HarnessError::call("read the first revision"))?;
        client.close().await;
        let header = Header {
            journal: Header::FORMAT,
            seed: campaign.seed,
            workloads: campaign
                .workloads
                .iter()
                .map(|workload| workload.name.to_owned())
                .collect(),
            faults: faults.iter().map(FaultKind::to_string).collect(),
            faults_min: campaign.faults_min,
            members: campaign.members,
            seconds: campaign.seconds,
            base_revision: base.revision,
            version: version(),
        };
        let clock = Clock::default();
        let (stop, stopped) = watch::channel(false);
        let endpoints = Endpoints::default();
        endpoints.set(cluster.endpoints());
        let numbers = Arc::new(AtomicU64::new(0));
        let share = (campaign.rate / campaign.workloads.len() as u64).max(1);
        let ground = Ground::new(
            endpoints,
            clock,
            Arc::new(Journal::create(&path, &header)?),
            stopped,
            campaign.seed,
            Turns::new(share),
            numbers,
        );
        Ok(Run {
            nemesis: Nemesis::new(cluster, Some(stage::witness(campaign.members)), clock, campaign.seed),
            faults,
            ground,
            workloads: &campaign.workloads,
            stop,
            running: JoinSet::new(),
            progress: Mutex::new(progress),
            overcome: AtomicU64::new(0),
            faults_min: campaign.faults_min,
            members: campaign.members,
            time: Duration::from_secs(campaign.seconds),
            began: clock.now(),
        }
        .started(share))
    }

    /// Every workload has turns of its own: one that has to wait keeps no other from its work.
    fn started(mut self, share: u64) -> Self {
        for workload in self.workloads {
            let ground = self.ground.with_turns(Turns::new(share));
            let (name, playing) = (workload.name, workload.run(ground));
            self.running.spawn(async move { (name, playing.await) });
        }
        self
    }

    async fn play(mut self) -> Result<(), HarnessError> {
        let mut running = std::mem::take(&mut self.running);
        let broken = async {
            match running.join_next().await {
                Some(ended) => Err(too_early(ended)),
                None => std::future::pending().await,
            }
        };
        let standing = Standings {
            progress: &self.progress,
            journal: &self.ground.journal,
            overcome: &self.overcome,
            planned: self.time,
        };
        let faults = Faults {
            nemesis: &mut self.nemesis,
            plan: &self.faults,
            each: self.faults_min,
            ground: &self.ground,
            progress: &self.progress,
            overcome: &self.overcome,
        };
        tokio::select! {
            done = faults.inflict(self.time) => done?,
            broken = broken => broken?,
            () = standing.tell() => {}
        }
        let stopped = self.ground.clock.now();
        self.stop.send_replace(true);
        while let Some(ended) = running.join_next().await {
            ended
                .map_err(|error| HarnessError::Broken(format!("a workload stopped: {error}")))?
                .1?;
        }
        for workload in self.workloads {
            workload.finish(self.ground.clone()).await?;
        }
        self.progress.lock().say("the faults are over, and the log is read");
        let (cluster, _) = self.nemesis.end();
        let (truth, state) = stage::truth(cluster, self.members).await?;
        let end = End {
            applied_index: state.applied_index,
            state_hash: state.state_hash,
            revision: state.revision,
            operations: 0,
            began_us: whole_us(self.began),
            stopped_us: whole_us(stopped),
        };
        self.ground.journal.finish(&truth, end)
    }
}

struct Faults<'a, 'p, P> {
    nemesis: &'a mut Nemesis,
    plan: &'a [FaultKind],
    /// How often each has to happen.
    each: u64,
    ground: &'a Ground,
    progress: &'a Mutex<&'p mut P>,
    overcome: &'a AtomicU64,
}

impl<P: Progress> Faults<'_, '_, P> {
    /// One fault after the other until the time is over and each has happened often enough.
    async fn inflict(self, time: Duration) -> Result<(), HarnessError> {
        let began = Instant::now();
        let journal = &self.ground.journal;
        journal.wait_for_more("before the first fault").await?;
        if self.plan.is_empty() {
            tokio::time::sleep_until(began + time).await;
        }
        let kinds = u32::try_from(self.plan.len()).unwrap_or(u32::MAX);
        let longest = (time * LONGER).max(LONGER_EACH.saturating_mul(kinds));
        while !self.plan.is_empty() && began.elapsed() < longest {
            if began.elapsed() >= time && self.nemesis.tally().has_each(self.plan, self.each) {
                break;
            }
            let record = self.nemesis.next(self.plan, journal.as_ref()).await?;
            let fault = fault(record);
            journal.fault(&fault);
            self.overcome.fetch_add(1, Ordering::AcqRel);
            self.ground.endpoints.set(self.nemesis.cluster().endpoints());
            self.progress.lock().fault(&fault);
        }
        Ok(())
    }
}

struct Standings<'a, 'p, P> {
    progress: &'a Mutex<&'p mut P>,
    journal: &'a Journal,
    overcome: &'a AtomicU64,
    planned: Duration,
}

impl<P: Progress> Standings<'_, '_, P> {
    /// Tells how it stands for as long as somebody waits for it.
    async fn tell(self) {
        let began = Instant::now();
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        let mut before = 0;
        loop {
            seconds.tick().await;
            let operations = self.journal.operations();
            self.progress.lock().stand(Standing {
                elapsed: began.elapsed(),
                planned: self.planned,
                operations,
                per_second: operations - before,
                faults: self.overcome.load(Ordering::Acquire),
            });
            before = operations;
        }
    }
}

fn fault(record: FaultRecord) -> Fault {
    Fault {
        fault: record.kind.to_string(),
        victims: record.victims,
        leader_hit: record.leader_hit,
        began_us: whole_us(record.began),
        ended_us: whole_us(record.ended),
        evidence: record.evidence,
    }
}

fn too_early(ended: Result<(&'static str, Result<(), HarnessError>), tokio::task::JoinError>) -> HarnessError {
    match ended {
        Ok((_, Err(error))) => error,
        Ok((name, Ok(()))) => HarnessError::Broken(format!("workload {name} ended before it was told to")),
        Err(error) => HarnessError::Broken(format!("a workload stopped: {error}")),
    }
}

fn whole_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn temporary_path(seed: u64) -> PathBuf {
    std::env::temp_dir().join(format!("quorate-journal-{seed}-{}.jsonl", std::process::id()))
}

/// The version, and the commit where there is one.
fn version() -> String {
    let git = std::process::Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])
        .output();
    let commit = git.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = env!("CARGO_PKG_VERSION");
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}
