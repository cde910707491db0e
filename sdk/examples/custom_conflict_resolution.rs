//! Two agents write the same thing at the same time, and a rule of the program's own makes one of it:
//! `cargo run -p quorate --example custom_conflict_resolution [HOST:PORT]`.

use std::collections::BTreeSet;

use quorate::resolvers::{last_write_wins, max_value, merge_arrays, merge_objects};
use quorate::{ClockOrder, ConflictEntry, Memory, MemoryEvent, Resolution, Result, VectorClock};
use serde_json::json;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let (one, other) = (memory("worker-1").await?, memory("worker-2").await?);

    // Neither has seen what the other one writes: both values are kept, and the next read asks the rule.
    let (first, second) = (["build", "test"], ["test", "ship"]);
    one.sync_agent_coordination("task-1", "planner", &first).await?;
    other.sync_agent_coordination("task-1", "planner", &second).await?;
    let mut events = one.events();
    let tasks = one
        .get_agent_coordination::<Vec<String>>("task-1", "planner")
        .await?
        .expect("it was written");
    assert_eq!(tasks.into_value(), ["build", "ship", "test"]);
    if let Some(MemoryEvent::ConflictResolved {
        key,
        resolution,
        entries,
    }) = events.next().await
    {
        println!(
            "{key}: {entries} values became {} by {}",
            resolution.resolved, resolution.strategy
        );
    }
    assert_eq!(one.get_metrics().conflicts, 1);
    // It was written back: there is nothing left to resolve, for anybody.
    let tasks = other
        .get_agent_coordination::<Vec<String>>("task-1", "planner")
        .await?
        .expect("it was written");
    assert_eq!((tasks.len(), other.get_metrics().conflicts), (3, 0));

    // The same rule, for entries that come from elsewhere. One whose writer was seen by another is discarded first.
    let old = VectorClock::from_iter([("worker-1", 1)]);
    let new = VectorClock::from_iter([("worker-1", 1), ("worker-2", 1)]);
    assert_eq!(old.compare(&new), ClockOrder::Before);
    let resolution = one.resolve_conflict([
        ConflictEntry::new(&["dropped"])?.clock(old),
        ConflictEntry::new(&["kept"])?.clock(new),
    ])?;
    println!("{} stays, {:?} is discarded", resolution.resolved, resolution.discarded);
    assert_eq!(resolution.resolved, json!(["kept"]));

    // What the rules that are there make of the same, where no clock says which of them is older.
    let entries = [
        ConflictEntry::new(&["b"])?,
        ConflictEntry::new(&["a", "b"])?.written_at(1),
    ];
    for rule in [last_write_wins, merge_arrays, merge_objects, max_value, united] {
        let Resolution { resolved, strategy, .. } = rule(&entries);
        println!("{strategy}: {resolved}");
    }
    assert_eq!(merge_arrays(&entries).resolved, json!(["b", "a"]));

    other.shutdown().await?;
    one.shutdown().await
}

/// Lists of tasks are united.
fn united(entries: &[ConflictEntry]) -> Resolution {
    let lists = entries.iter().filter_map(|entry| entry.value.as_array());
    let tasks: BTreeSet<&str> = lists.flatten().filter_map(|task| task.as_str()).collect();
    Resolution::new(tasks.into_iter().collect::<Vec<_>>(), "united")
}

async fn memory(worker: &str) -> Result<Memory> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let prefix = format!("examples/conflicts/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.conflict_resolver(united).connect().await
}
