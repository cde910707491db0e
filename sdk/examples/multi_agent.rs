//! Agents work on one task, each tells how far it is, and one waits for all:
//! `cargo run -p quorate --example multi_agent [HOST:PORT]`.

use std::time::Duration;

use quorate::{Memory, MemoryChange, Record, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Agent {
    role: String,
    status: String,
    files: Vec<String>,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let coordinator = memory("coordinator").await?;
    let roles = ["coder", "tester", "reviewer"];
    let agents = futures::future::try_join_all(roles.map(agent));
    tokio::try_join!(coordinate(&coordinator, "task-123", &roles), agents)?;

    let told = coordinator.get_task_agents::<Agent>("task-123").await?;
    for (name, agent) in &told {
        println!("{name}: {}, {:?}", agent.status, agent.files);
    }
    assert_eq!(told.len(), 3);
    assert!(
        told.values()
            .all(|agent| agent.status == "completed" && agent.files.len() == 2)
    );
    coordinator.shutdown().await
}

/// Tells the agents to begin, and who they are, and returns when all have completed.
async fn coordinate(memory: &Memory, task: &str, roles: &[&str]) -> Result<()> {
    let (changed, mut changes) = mpsc::unbounded_channel();
    let tell = move |change: &MemoryChange| drop(changed.send(change.key.clone()));
    let agents = memory.key(format!("tasks/{task}/agents/*"));
    let subscription = memory.subscribe(agents).on_change(tell).await?;
    let context = json!({"status": "running", "agents": roles});
    memory.sync_task_state(task, &context).await?;
    // Whatever was told before the subscription is read once; from then on every change comes.
    loop {
        let told = memory.get_task_agents::<Agent>(task).await?;
        let completed = |role: &&str| told.get(*role).is_some_and(|agent| agent.status == "completed");
        if roles.iter().all(completed) {
            break;
        }
        let key = changes.recv().await.expect("the subscription lives");
        println!("{key} has news");
    }
    memory.unsubscribe(subscription);
    Ok(())
}

/// What one agent does.
async fn agent(role: &'static str) -> Result<()> {
    let memory = memory(role).await?;
    let state = memory.key("tasks/task-123/state");
    let is_there = |record: Option<&Record>| record.is_some();
    let state = memory.client().wait_for(state, is_there, PATIENCE).await?;
    let context: Value = serde_json::from_slice(&state.expect("it is there").value).expect("states are JSON");
    let agents = context["agents"].as_array().expect("the coordinator named them");
    assert!(agents.contains(&json!(role)));
    let mut agent = Agent {
        role: role.to_owned(),
        status: "working".to_owned(),
        files: Vec::new(),
    };
    for file in ["a.rs", "b.rs"] {
        agent.files.push(file.to_owned());
        memory.sync_agent_coordination("task-123", role, &agent).await?;
    }
    agent.status = "completed".to_owned();
    memory.sync_agent_coordination("task-123", role, &agent).await?;
    memory.shutdown().await
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/agents/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}
