//! Agents work on one task, each tells how far it is, and one waits for all:
//! `cargo run -p quorate --example multi_agent [HOST:PORT]`.

use std::time::Duration;

use quorate::{Memory, MemoryChange, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

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
    let agents = tokio::spawn(async move {
        let worked = roles.map(|role| tokio::spawn(agent(role)));
        futures::future::try_join_all(worked)
            .await
            .expect("no agent panics")
            .into_iter()
            .collect::<Result<Vec<_>>>()
    });
    coordinate(&coordinator, "task-123", &roles).await?;
    agents.await.expect("they do not panic")?;

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

/// Tells the agents to begin, and returns when all have completed.
async fn coordinate(memory: &Memory, task: &str, roles: &[&str]) -> Result<()> {
    let (changed, mut changes) = mpsc::unbounded_channel();
    let agents = memory.key(format!("tasks/{task}/agents/*"));
    let on_change = move |change: &MemoryChange| {
        let _ = changed.send(change.clone());
    };
    let subscription = memory.subscribe(agents).on_change(on_change).await?;
    memory.sync_task_state(task, "running").await?;
    // Whatever was told before the subscription is read once; from then on every change comes.
    loop {
        let told = memory.get_task_agents::<Agent>(task).await?;
        if roles
            .iter()
            .all(|role| told.get(*role).is_some_and(|agent| agent.status == "completed"))
        {
            break;
        }
        let change = changes.recv().await.expect("the subscription lives");
        println!("{} has news", change.key);
    }
    memory.unsubscribe(subscription);
    Ok(())
}

/// What one agent does.
async fn agent(role: &'static str) -> Result<()> {
    let memory = memory(role).await?;
    let state = memory.key("tasks/task-123/state");
    let running = |record: Option<&quorate::Record>| record.is_some_and(|record| record.value == "\"running\"");
    memory
        .client()
        .wait_for(state, running, Duration::from_secs(10))
        .await?;
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
    Memory::builder()
        .endpoints([member])
        .worker_id(worker)
        .prefix(prefix)
        .connect()
        .await
}
