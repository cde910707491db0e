//! The workload, and its verdict.

use tokio::task::JoinSet;

use super::history::History;
use super::planner::Planner;
use super::record::{AssignmentOperation, Call, Done};
use super::violations;
use super::worker::WorkerClient;
use crate::HarnessError;
use crate::verdict::Verdict;
use crate::watch_check::Truth;
use crate::workloads::coordination::{fault_times, joined};
use crate::workloads::{Facts, Ground, Workload};

/// What is written with a fence.
pub(super) const KEYS: &str = "assignments/written/";

const WORKERS: u64 = 5;
const PLANNERS: u64 = 2;

/// Workers and tasks under faults.
#[derive(Clone, Copy, Debug)]
pub struct Assignments;

/// The name of a worker.
pub(super) fn worker(number: u64) -> String {
    format!("{}/worker-{number}", Assignments::NAME)
}

impl Workload for Assignments {
    const NAME: &'static str = "assignments";
    const KINDS: &'static [&'static str] = &[
        "register",
        "assign",
        "assign pending",
        "list",
        "put",
        "complete",
        "lease",
    ];
    type Call = Call;
    type Answer = Done;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        let mut running = JoinSet::new();
        for number in 0..WORKERS {
            running.spawn(WorkerClient::new(&ground, worker(number)).await?.run());
        }
        for _ in 0..PLANNERS {
            running.spawn(Planner::new(&ground, WORKERS).await?.run());
        }
        joined(running).await
    }

    fn kind(call: &Call) -> &'static str {
        call.kind()
    }

    fn check(operations: &[AssignmentOperation], truth: &Truth, facts: &Facts<'_>) -> Verdict {
        let faults = fault_times(facts);
        let history = History::new(operations, truth, &faults, Assignments::NAME, KEYS);
        let fleet = &history.fleet;
        let assigned = fleet.had.len() as u64;
        let gone = fleet.registrations.iter().filter(|(.., until)| until.is_some()).count() as u64;
        let freed = fleet.had.values().filter(|had| {
            let mut registrations = fleet.registrations.iter();
            had.until.is_some() && registrations.any(|(.., until)| *until == had.until)
        });
        let freed = freed.count() as u64;
        let fenced = operations
            .iter()
            .filter(|operation| operation.answer.done() == Some(&Done::Fenced));
        let fenced = fenced.count() as u64;
        let needed = [
            ("assignments", assigned),
            ("registrations that ended", gone),
            ("tasks whose worker went", freed),
            ("calls refused because the assignment was over", fenced),
        ];
        violations(&history).verdict(&needed, || {
            format!(
                "{assigned} assignments, {gone} registrations ended and {freed} tasks were freed by that; {fenced} calls of \
                 workers that no longer had their task were refused"
            )
        })
    }
}
