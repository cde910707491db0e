//! The SDK's examples run to their end against one node with nothing configured, and what they assert holds.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use quorate_tests::cluster::{Cluster, server_binary};

/// The longest that an example takes, many times over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those that show what a fleet shares.
pub const OF_A_FLEET: [&str; 7] = [
    "worker_coordination",
    "task_execution",
    "multi_agent",
    "queue",
    "custom_conflict_resolution",
    "monitoring",
    "batch_operations",
];

/// The others that exit by themselves.
const OTHERS: [&str; 7] = [
    "quickstart",
    "memory_tour",
    "progress",
    "leader_election",
    "fair_queue",
    "cached_configuration",
    "agent_handoff",
];

/// Examples are built beside the server.
fn example(name: &str) -> PathBuf {
    let mut path = server_binary().unwrap();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.is_file(),
        "{} is missing: build the workspace with --all-targets",
        path.display()
    );
    path
}

async fn run(name: &'static str, endpoints: Vec<String>) -> Output {
    let mut command = tokio::process::Command::from(Command::new(example(name)));
    let running = command.args(endpoints).kill_on_drop(true).output();
    let ended = tokio::time::timeout(PATIENCE, running).await;
    ended.unwrap_or_else(|_| panic!("{name} does not end")).unwrap()
}

/// Runs each to its end.
pub async fn run_all(cluster: &Cluster, names: &[&'static str]) {
    for name in names {
        let output = run(name, cluster.endpoints()).await;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{name}: {}\n{out}\n{err}", output.status);
        assert!(!out.is_empty(), "{name} shows something");
    }
}

#[tokio::test]
async fn every_example_runs_to_its_end_against_one_node() {
    let cluster = Cluster::start(1).await.unwrap();
    run_all(&cluster, &OF_A_FLEET).await;
    run_all(&cluster, &OTHERS).await;
}

/// Those of a fleet do so in `features`.
#[tokio::test]
async fn every_other_example_runs_to_its_end_against_three_members() {
    run_all(&Cluster::start(3).await.unwrap(), &OTHERS).await;
}
