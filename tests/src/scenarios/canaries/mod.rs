//! Known bugs are put into the server one by one, and each must be found.
//!
//! The server is a build with the features that `raft-node/src/canary.rs` describes. For each canary the table says
//! which scenario has to find it; that runs against the broken server, with another seed each time, until it fails as it
//! should. The same scenarios then run against the same build with no bug chosen, and must pass: a scenario that always
//! fails finds nothing.

mod report;
mod table;
mod trial;

use std::path::PathBuf;
use std::time::Duration;

use quorate_node::canary::Canary;

pub use report::{CanaryReport, Found};
use table::{Search, search};
use trial::{Ended, Trial};

use crate::HarnessError;
use crate::cluster::{free_ports, run_to_exit_with};

/// A server refuses a name at once.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(20);

/// A scenario without a bug takes as long as it takes.
const CONTROL_DEADLINE: Duration = Duration::from_secs(600);

/// Each canary, until it is found or its time is over; then the control.
#[derive(Clone, Debug)]
pub struct Canaries {
    /// These alone; all if there are none.
    pub only: Vec<Canary>,
    /// How long each is looked for.
    pub deadline: Duration,
    /// The build with the feature.
    pub broken: PathBuf,
    /// The program of this crate, which runs the scenarios.
    pub program: PathBuf,
    /// Everything random comes from it.
    pub seed: u64,
}

impl Canaries {
    /// Runs them; `progress` gets a line for each run of a scenario. Fails if one was not found, or if the control did not
    /// pass; the report is in the error then.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<CanaryReport, HarnessError> {
        self.demand_a_broken_build().await?;
        let chosen = match self.only.as_slice() {
            [] => Canary::ALL.to_vec(),
            only => only.to_vec(),
        };
        let mut report = CanaryReport::default();
        let mut controls: Vec<Search> = Vec::new();
        for canary in chosen {
            let search = search(canary);
            let found = self.find(canary, &search, &mut progress).await?;
            progress(found.to_string());
            report.found.push(found);
            if controls.iter().all(|known| known.scenario != search.scenario) {
                controls.push(search);
            }
        }
        for control in controls {
            let trial = self.trial(&control, None, 0);
            let ended = trial.run(CONTROL_DEADLINE).await?;
            progress(format!("control: {}: {ended}", control.scenario.join(" ")));
            report.controls.push((control.scenario.join(" "), ended));
        }
        match report.is_good() {
            true => Ok(report),
            false => Err(HarnessError::Broken(format!(
                "the harness is not to be trusted\n{report}"
            ))),
        }
    }

    async fn find(
        &self,
        canary: Canary,
        search: &Search,
        progress: &mut impl FnMut(String),
    ) -> Result<Found, HarnessError> {
        let began = std::time::Instant::now();
        let mut runs = 0;
        let scenario = search.scenario.join(" ");
        loop {
            let left = self.deadline.saturating_sub(began.elapsed());
            let trial = self.trial(search, Some(canary), runs);
            runs += 1;
            let ended = trial.run(left).await?;
            progress(format!("{}: run {runs} of {scenario}: {ended}", canary.name()));
            let named = match &ended {
                Ended::Failed(said) => search.says.iter().any(|word| said.contains(word)),
                _ => false,
            };
            // A run that failed for another reason, on a machine that is too slow say, has shown nothing: the next one may.
            let over = began.elapsed() >= self.deadline || matches!(ended, Ended::Skipped(_) | Ended::OutOfTime);
            if named || over {
                return Ok(Found {
                    canary,
                    scenario,
                    runs,
                    took: began.elapsed(),
                    ended,
                    named,
                });
            }
        }
    }

    fn trial(&self, search: &Search, canary: Option<Canary>, run: u64) -> Trial {
        let mut arguments: Vec<String> = search.scenario.iter().map(|word| (*word).to_owned()).collect();
        if search.seeded {
            arguments.extend(["--seed".to_owned(), self.seed.wrapping_add(run).to_string()]);
        }
        Trial {
            program: self.program.clone(),
            arguments,
            broken: self.broken.clone(),
            canary,
        }
    }

    /// A build without the feature would pass everything, and nothing would be known of the harness.
    async fn demand_a_broken_build(&self) -> Result<(), HarnessError> {
        if !self.broken.is_file() {
            return Err(HarnessError::Broken(format!(
                "there is no {}: `make canaries` builds it",
                self.broken.display()
            )));
        }
        let directory = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
        let ports = free_ports(2)?;
        let (data, client, peer) = (directory.path(), ports[0], ports[1]);
        let configuration = format!(
            "member_id = 1\ndata_directory = {data:?}\nlisten_client = \"127.0.0.1:{client}\"\n\
             listen_peer = \"127.0.0.1:{peer}\"\nlisten_http = \"off\"\n[[cluster.members]]\nid = 1\npeer = \"127.0.0.1:{peer}\"\n"
        );
        let environment = [(trial::CANARY, "no-such-canary")];
        let ended = run_to_exit_with(&self.broken, &configuration, &environment, REFUSAL_DEADLINE).await;
        match ended {
            Ok((status, printed)) if !status.success() && printed.contains("names no canary") => Ok(()),
            other => Err(HarnessError::Broken(format!(
                "{} was not built with the feature `canaries`: asked for one that does not exist, it went on: {other:?}",
                self.broken.display()
            ))),
        }
    }
}
