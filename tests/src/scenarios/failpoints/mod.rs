//! One member fails at one place, in each of three ways, while clients read and write; then at the next place.
//!
//! A failpoint is armed by starting the member with it. Then it is brought to where it passes that place, if it can be: it
//! leads, lags behind, is asked for its vote. It may end by itself; the others must go on, and once it is started again
//! without the failpoint it must catch up. At the end every answer is explained and all members have the same state, as in the
//! other rounds. A place at which an error ends the member ends it rightly: what it would have written is not known.

mod load;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use quorate::Client;
use quorate_node::failpoints::{POINTS, Passes, Point};
use tokio::time::{Instant, sleep};

use self::load::Load;
pub use self::report::{FailpointReport, Tried};
use super::run::Run;
use crate::HarnessError;
use crate::cluster::{Cluster, Settings, free_ports, run_to_exit_with};

const VARIABLE: &str = "FAILPOINTS";
/// Late enough to be noticed, and not so late that the member passes for dead each time.
const ACTIONS: [&str; 3] = ["panic", "return", "sleep(40)"];
/// How long a failpoint is waited for.
const HIT_WITHIN: Duration = Duration::from_secs(5);
/// After it was hit.
const LINGER: Duration = Duration::from_millis(500);
/// Longer than an election takes to begin.
const PAUSE: Duration = Duration::from_millis(600);
const POLL: Duration = Duration::from_millis(50);
const CALL: Duration = Duration::from_secs(2);
const REFUSAL_DEADLINE: Duration = Duration::from_secs(20);
/// Nobody has it.
const NO_MEMBER: u64 = 1_000_000;

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
        let mut tried = Vec::new();
        let wanted = |point: &&Point| self.only.is_empty() || self.only.iter().any(|name| name == point.name);
        for (number, point) in POINTS.iter().filter(wanted).enumerate() {
            for (turn, action) in ACTIONS.into_iter().enumerate() {
                if action == "return" && !point.fails {
                    continue;
                }
                let members = run.cluster.ids();
                let victim = members[(number + turn) % members.len()];
                match one(&mut run, &client, *point, action, victim).await {
                    Ok(one) => {
                        progress(one.to_string());
                        tried.push(one);
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
             listen_peer = \"127.0.0.1:{peer}\"\n[[cluster.members]]\nid = 1\npeer = \"127.0.0.1:{peer}\"\n"
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

/// One combination, from the start of the member that has the failpoint until it has caught up without it.
async fn one(
    run: &mut Run,
    client: &Client,
    point: Point,
    action: &'static str,
    victim: u64,
) -> Result<Tried, HarnessError> {
    run.cluster.kill9(victim)?;
    let seen = log_of(&run.cluster, victim)?.len();
    if point.passed_by == Passes::Lagging && point.name != "peer-snapshot-send" {
        others_forget(&run.cluster, victim).await;
    }
    let armed = vec![(VARIABLE.to_owned(), format!("{}={action}", point.name))];
    run.cluster.set_environment(victim, armed)?;
    run.cluster.restart(victim)?;
    run.faults += 1;
    let began = Instant::now();
    let mut hit = false;
    let mut stirred = false;
    while began.elapsed() < HIT_WITHIN && !hit && run.cluster.ended(victim).is_none() {
        hit = is_hit(&run.cluster, victim, seen, point)?;
        if !hit && !stirred && run.cluster.status(victim).await.is_ok() {
            stirred = true;
            stir(run, client, point, victim).await?;
        }
        sleep(POLL).await;
    }
    sleep(LINGER).await;
    hit |= is_hit(&run.cluster, victim, seen, point)?;
    let ended = run.cluster.ended(victim).map(|status| status.to_string());
    run.cluster.kill9(victim)?;
    run.cluster.set_environment(victim, Vec::new())?;
    run.cluster.restart(victim)?;
    run.wait_until_caught_up(victim).await?;
    run.wait_for_writes("after the failpoint").await?;
    run.end_of_round().await?;
    Ok(Tried {
        point: point.name,
        action,
        hit,
        ended,
    })
}

/// Brings the member to where it passes the failpoint, as far as that can be done. What fails on the way may be the failpoint.
async fn stir(run: &mut Run, client: &Client, point: Point, victim: u64) -> Result<(), HarnessError> {
    let lead = async || {
        let _ = tokio::time::timeout(CALL, client.transfer_leader(victim)).await;
    };
    let others: Vec<u64> = run.cluster.running().into_iter().filter(|id| *id != victim).collect();
    match (point.name, point.passed_by) {
        (_, Passes::Anyone | Passes::Starting) => {}
        (_, Passes::Leader) => lead().await,
        ("peer-snapshot-send", _) => {
            lead().await;
            let Some(lagging) = others.first().copied() else {
                return Ok(());
            };
            run.cluster.kill9(lagging)?;
            others_forget(&run.cluster, lagging).await;
            run.cluster.restart(lagging)?;
        }
        (_, Passes::Lagging) => {}
        ("member-add", _) => {
            lead().await;
            let _ = tokio::time::timeout(CALL, client.member_add(NO_MEMBER, "127.0.0.1:1")).await;
        }
        ("peer-identify", _) => identify(&run.cluster, victim).await?,
        (_, Passes::Changing) => {
            // It is handed the lead, hands it on, and then votes on who leads after one that stands still.
            lead().await;
            let Some(other) = others.first().copied() else {
                return Ok(());
            };
            let _ = tokio::time::timeout(CALL, client.transfer_leader(other)).await;
            for id in others {
                run.cluster.pause(id).await?;
                sleep(PAUSE).await;
                run.cluster.resume(id)?;
            }
        }
    }
    Ok(())
}

/// Asks a member who it is, as one does that is about to add it.
async fn identify(cluster: &Cluster, id: u64) -> Result<(), HarnessError> {
    use quorate_proto::internal::IdentifyRequest;
    use quorate_proto::internal::raft_client::RaftClient;
    let address = format!("http://{}", cluster.member(id)?.peer_address());
    if let Ok(mut peer) = RaftClient::connect(address).await {
        let request = IdentifyRequest {
            adopt_cluster_id: 0,
            from: 0,
            expected_member_id: id,
        };
        let _ = tokio::time::timeout(CALL, peer.identify(request)).await;
    }
    Ok(())
}

/// Waits until no member that runs has the entries that follow what this one has: it has stopped.
async fn others_forget(cluster: &Cluster, away: u64) {
    let newest = async |of: fn(&quorate_proto::v1::StatusResponse) -> u64| {
        let mut found = Vec::new();
        for id in cluster.running().into_iter().filter(|id| *id != away) {
            if let Ok(status) = cluster.status(id).await {
                found.push(of(&status));
            }
        }
        found
    };
    let missed = newest(|status| status.log_last_index)
        .await
        .into_iter()
        .max()
        .unwrap_or(0);
    let end = Instant::now() + 2 * HIT_WITHIN;
    while Instant::now() < end {
        let first = newest(|status| status.log_first_index).await;
        if first.iter().all(|first| *first > missed + 1) {
            return;
        }
        sleep(POLL).await;
    }
}

fn is_hit(cluster: &Cluster, victim: u64, seen: usize, point: Point) -> Result<bool, HarnessError> {
    let log = log_of(cluster, victim)?;
    let words = format!("failpoint {} was hit", point.name);
    Ok(String::from_utf8_lossy(log.get(seen..).unwrap_or_default()).contains(&words))
}

fn log_of(cluster: &Cluster, id: u64) -> Result<Vec<u8>, HarnessError> {
    let path = cluster.member(id)?.log();
    std::fs::read(&path).map_err(HarnessError::io(format!("read {}", path.display())))
}

#[cfg(test)]
mod tests;
