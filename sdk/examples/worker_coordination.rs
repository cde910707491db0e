//! Workers register, are assigned tasks, and leave: `cargo run -p quorate --example worker_coordination [HOST:PORT]`.

use quorate::{Assignments, Consistency, ErrorKind, Memory, MemoryChange, Result, WorkerOp};
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let run = std::process::id();
    let names = [format!("worker-1-{run}"), format!("worker-2-{run}")];
    let tasks = ["a", "b", "c", "d"].map(|task| format!("{task}-{run}"));
    let coordinator = memory("coordinator").await?;
    let mut states = follow_states(&coordinator).await?;
    let (one, mut of_one) = join(&names[0]).await?;
    let (two, mut of_two) = join(&names[1]).await?;

    // Who is to do what is set in one step, and each worker is told what is its own.
    let wanted = [(&names[0], &tasks[..2]), (&names[1], &tasks[2..3])];
    coordinator.sync_assignments(wanted).only_workers().await?;
    assert_eq!(gained(&mut of_one).await?, tasks[..2]);
    assert_eq!(gained(&mut of_two).await?, tasks[2..3]);

    // One more goes to the worker that has room for it, and whoever follows the states is told.
    assign(&coordinator, &tasks[3], &names[1]).await?;
    assert_eq!(gained(&mut of_two).await?, tasks[3..]);
    let (key, state) = states.recv().await.expect("the subscription lives");
    println!("{key}: {state}");
    assert_eq!(state["worker"], json!(names[1]));

    // Capacity is checked where the tasks are kept, not where they are handed out. What is refused leaves nothing behind.
    let too_many = format!("e-{run}");
    let refused = assign(&coordinator, &too_many, &names[0]).await.unwrap_err();
    println!("three for one that can do two: {refused}");
    assert!(matches!(refused.kind(), ErrorKind::NoCapacity { limit: 2, .. }));
    let state = coordinator.get_task_state::<Value>(&too_many);
    assert!(state.consistency(Consistency::Strong).await?.is_none());
    coordinator.sync_worker_capacity(&names[0], 3).await?;
    assign(&coordinator, &too_many, &names[0]).await?;

    // A worker that leaves is gone for everybody; its tasks wait for another one.
    one.shutdown().await?;
    let active = coordinator.get_active_workers().await?;
    for worker in &active {
        println!("{} has {} of {} tasks", worker.worker, worker.assigned, worker.capacity);
    }
    assert!(active.iter().any(|worker| worker.worker == names[1]));
    assert!(active.iter().all(|worker| worker.worker != names[0]));
    let left = coordinator.get_assignments().await?;
    let waiting: Vec<&String> = left.pending().map(|task| &task.task).collect();
    assert!(
        [&tasks[0], &tasks[1], &too_many]
            .iter()
            .all(|task| waiting.contains(task))
    );
    println!("{} has left, its tasks wait", names[0]);

    for task in tasks.iter().chain([&too_many]) {
        coordinator.client().cancel_task(task, None).await?;
    }
    two.shutdown().await?;
    coordinator.shutdown().await
}

/// A worker comes: what it says of itself registers it and starts its heartbeats. It is told what it is assigned.
async fn join(name: &str) -> Result<(Memory, Assignments)> {
    let memory = memory(name).await?;
    let status = json!({"state": "active", "capacity": 2});
    memory.sync_worker_status(name, &status).await?;
    let worker = memory.worker().await.expect("it is registered");
    Ok((memory, worker.assignments()))
}

/// The next tasks that a worker is given.
async fn gained(assignments: &mut Assignments) -> Result<Vec<String>> {
    let changes = assignments.next().await?.expect("it is registered");
    Ok(changes.gained.into_iter().map(|task| task.task).collect())
}

/// The states of tasks as they are written, by key.
async fn follow_states(coordinator: &Memory) -> Result<mpsc::UnboundedReceiver<(String, Value)>> {
    let (tell, told) = mpsc::unbounded_channel();
    let on_change = move |change: &MemoryChange| {
        if let Ok(Some(state)) = change.read() {
            let _ = tell.send((change.key.clone(), state));
        }
    };
    let states = coordinator.key("tasks/*/state");
    coordinator.subscribe(states).on_change(on_change).await?;
    Ok(told)
}

/// Gives a task to a worker and says so in its state: both at one revision, or neither.
async fn assign(coordinator: &Memory, task: &str, worker: &str) -> Result<()> {
    let state = json!({"status": "assigned", "worker": worker});
    let to_worker = WorkerOp::assign(task).to(worker);
    coordinator.sync_task_state(task, &state).with(to_worker).await?;
    Ok(())
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/workers/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}
