//! One member stops dead or fails at one place while clients read and write; then at the next place. And each member in its turn
//! is late at every place at once.
//!
//! A failpoint is armed by starting the member with it. Then it is brought to where it passes that place, if it can be: it
//! leads, lags behind, is asked for its vote. It may end by itself; the others must go on, and once it is started again
//! without the failpoint it must catch up. At the end every answer is explained and all members have the same state, as in the
//! other rounds. A place at which an error ends the member ends it rightly: what it would have written is not known.

mod load;
mod report;
mod stir;

use std::path::PathBuf;
use std::time::Duration;

use quorate::Client;
use quorate_node::failpoints::{POINTS, Passes, Point};
use tokio::time::{Instant, sleep};

use self::load::Load;
pub use self::report::{FailpointReport, Tried};
use self::stir::{SNAPSHOT_SEND, STIRS_MOST, others_forget, stir};
use super::run::Run;
use crate::cluster::{Cluster, Settings, free_ports, run_to_exit_with};
use crate::{HarnessError, wait};

const VARIABLE: &str = "FAILPOINTS";
const PANIC: &str = "panic";
const RETURN: &str = "return";
/// Late enough to be noticed, and not so late, all places of a write together, that the member passes for dead each time.
const DELAY: &str = "sleep(10)";
/// A member that starts beside others that work.
const UP_WITHIN: Duration = Duration::from_secs(15);
/// How long a failpoint is waited for at a member that is where it passes it.
const HIT_WITHIN: Duration = Duration::from_secs(4);
/// After it was hit.
const LINGER: Duration = Duration::from_millis(300);
/// It says where it was before it ends.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
const READ_BACK_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const REFUSAL_DEADLINE: Duration = Duration::from_secs(20);

/// Every failpoint, one after the other.
#[derive(Clone, Debug)]
pub struct Failpoints {
    /// These alone; all if there are none.
    pub only: Vec<String>,
    /// Concurrent clients whose answers are checked.
    pub clients: u64,
    /// The build with the feature.
    pub broken: PathBuf,
    /// Everything random comes from it.
    pub seed: u64,
}

impl Failpoints {
    /// Runs it on three members; `progress` gets a line a combination.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<FailpointReport, HarnessError> {
        self.demand_a_broken_build().await?;
        let settings = Settings {
            binary: Some(self.broken.clone()),
            more_toml: "[compaction]\nkeep_revisions = 4000\nkeep_ms = 1000\ninterval_ms = 500\n".to_owned(),
            ..Settings::of(3).with_early_snapshots()
        };
        let cluster = Cluster::start_with(settings).await?;
        let load = Load::start(&cluster).await?;
        let client = cluster.client().await?;
        let mut run = Run::begin_among_others(cluster, self.clients, self.seed).await?;
        let wanted = |point: &&Point| self.only.is_empty() || self.only.iter().any(|name| name == point.name);
        let points: Vec<Point> = POINTS.iter().filter(wanted).copied().collect();
        let mut tried = match all_are_late(&mut run, &client, &points).await {
            Ok(late) => late,
            Err(error) => return Err(run.explain(error)),
        };
        tried.iter().for_each(|late| progress(late.to_string()));
        for (number, point) in points.iter().enumerate() {
            for (turn, action) in [PANIC, RETURN].into_iter().enumerate() {
                if action == RETURN && !point.fails {
                    continue;
                }
                let members = run.cluster.ids();
                let victim = members[(number + turn) % members.len()];
                let trial = Trial {
                    points: vec![*point],
                    action,
                    victim,
                };
                match trial.run(&mut run, &client).await {
                    Ok(found) => {
                        found.iter().for_each(|one| progress(one.to_string()));
                        tried.extend(found);
                    }
                    Err(error) => {
                        progress(format!("{} {action} at member {victim}: {error}", point.name));
                        return Err(run.explain(error));
                    }
                }
            }
        }
        drop(load);
        let run = run.verdict().await?;
        Ok(FailpointReport { tried, run })
    }

    async fn demand_a_broken_build(&self) -> Result<(), HarnessError> {
        let directory = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
        let (data, ports) = (directory.path(), free_ports(2)?);
        let (client, peer) = (ports[0], ports[1]);
        let configuration = format!(
            "member_id = 1\ndata_directory = {data:?}\nlisten_client = \"127.0.0.1:{client}\"\n\
             listen_peer = \"127.0.0.1:{peer}\"\nlisten_http = \"off\"\n[[cluster.members]]\nid = 1\npeer = \"127.0.0.1:{peer}\"\n"
        );
        let environment = [(VARIABLE, "no-such-failpoint=panic")];
        let ended = run_to_exit_with(&self.broken, &configuration, &environment, REFUSAL_DEADLINE).await;
        match ended {
            Ok((status, printed)) if !status.success() && printed.contains("there is no failpoint") => Ok(()),
            other => Err(HarnessError::Broken(format!(
                "{} was not built with the feature `failpoints`: {other:?}",
                self.broken.display()
            ))),
        }
    }
}

/// Every place of each member in its turn. A place counts as hit if one of them passed it.
async fn all_are_late(run: &mut Run, client: &Client, points: &[Point]) -> Result<Vec<Tried>, HarnessError> {
    let mut late: Vec<Tried> = Vec::new();
    for victim in run.cluster.ids() {
        let trial = Trial {
            points: points.to_vec(),
            action: DELAY,
            victim,
        };
        for one in trial.run(run, client).await? {
            match late.iter_mut().find(|known| known.point == one.point) {
                Some(known) => known.hit |= one.hit,
                None => late.push(one),
            }
        }
    }
    Ok(late)
}

/// A member that is started with failpoints.
struct Trial {
    points: Vec<Point>,
    action: &'static str,
    victim: u64,
}

impl Trial {
    /// From the start of the member with its failpoints until it has caught up without them.
    async fn run(&self, run: &mut Run, client: &Client) -> Result<Vec<Tried>, HarnessError> {
        let victim = self.victim;
        run.cluster.kill9(victim)?;
        let seen = log_of(&run.cluster, victim)?.len();
        let lags = |point: &Point| point.passed_by == Passes::Lagging && point.name != SNAPSHOT_SEND;
        if self.points.iter().any(lags) {
            others_forget(&run.cluster, victim).await;
        }
        let armed: Vec<String> = self
            .points
            .iter()
            .map(|point| format!("{}={}", point.name, self.action))
            .collect();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        // To find the names of a stack takes seconds.
        let environment = vec![variable(VARIABLE, &armed.join(";")), variable("RUST_BACKTRACE", "0")];
        run.cluster.set_environment(victim, environment)?;
        run.cluster.restart(victim)?;
        run.faults += 1;
        self.until_hit(run, client, seen).await?;
        sleep(LINGER).await;
        let log = log_of(&run.cluster, victim)?;
        if self.action == PANIC
            && self
                .points
                .iter()
                .any(|point| is_hit(log.get(seen..).unwrap_or_default(), point))
        {
            // A member that has lost one of its tasks must not go on as if it had not.
            wait::until("a member that panicked to end", ENDS_WITHIN, async || {
                run.cluster.ended(victim).map(drop).ok_or("it runs")
            })
            .await?;
        }
        let ended = run.cluster.ended(victim).map(|status| status.to_string());
        match ended {
            Some(_) => run.cluster.bury(victim).map(drop)?,
            None => run.cluster.kill9(victim)?,
        }
        run.cluster.set_environment(victim, Vec::new())?;
        run.cluster.restart(victim)?;
        run.wait_until_caught_up(victim).await?;
        run.wait_for_writes("after the failpoint").await?;
        // Its reads may meet a change of leaders that the failpoint has left behind.
        wait::until(
            "the revisions of the round to be read back",
            READ_BACK_WITHIN,
            async || run.end_of_round().await,
        )
        .await?;
        let tried = self.points.iter().map(|point| Tried {
            point: point.name,
            action: self.action,
            hit: is_hit(log.get(seen..).unwrap_or_default(), point),
            ended: ended.clone(),
        });
        Ok(tried.collect())
    }

    /// Brings the member to where it passes its failpoints, and waits until it has passed every one, or has ended, or has taken
    /// too long.
    async fn until_hit(&self, run: &mut Run, client: &Client, seen: usize) -> Result<(), HarnessError> {
        let mut end = Instant::now() + UP_WITHIN;
        let mut stirred = false;
        while Instant::now() < end && run.cluster.ended(self.victim).is_none() {
            let log = log_of(&run.cluster, self.victim)?;
            let log = log.get(seen..).unwrap_or_default();
            if self.points.iter().all(|point| is_hit(log, point)) {
                break;
            }
            if !stirred && run.cluster.status(self.victim).await.is_ok() {
                stirred = true;
                // For many points at once: what one stirs, others pass too.
                let one = self.points.len() == 1;
                let stirring = self
                    .points
                    .iter()
                    .filter(|point| one || STIRS_MOST.contains(&point.name));
                for point in stirring {
                    stir(run, client, *point, self.victim).await?;
                }
                end = Instant::now() + HIT_WITHIN;
            }
            sleep(POLL).await;
        }
        Ok(())
    }
}

fn is_hit(log: &[u8], point: &Point) -> bool {
    String::from_utf8_lossy(log).contains(&format!("failpoint {} was hit", point.name))
}

fn log_of(cluster: &Cluster, id: u64) -> Result<Vec<u8>, HarnessError> {
    let path = cluster.member(id)?.log();
    std::fs::read(&path).map_err(HarnessError::io(format!("read {}", path.display())))
}

#[cfg(test)]
mod tests;
