//! A fleet for tests: three members, a memory at each, and what a test does with them in one line.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use quorate::{
    Cache, CacheSettings, Client, ConflictEntry, Consistency, ErrorKind, Heartbeat, Memory, MemoryChange, MemoryRead,
    MemoryValue, QueueState, Resolution, Result, Source, TaskLock, Tier, resolvers,
};
use quorate_tests::cluster::{Cluster, MetricsPage};
use quorate_tests::wait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::restore::restore;

pub const PATIENCE: Duration = Duration::from_secs(20);
/// Of a lock that is not to run out.
const TTL: Duration = Duration::from_secs(30);
/// A worker that stops is dead after three of them.
const BEAT: Duration = Duration::from_millis(300);
/// What one worker puts into the queue.
const ITEMS: usize = 10;

/// Three members and a memory at each: `worker-1` to `worker-3`, which merge what agents tell at the same time.
pub async fn fleet() -> (Cluster, [Memory; 3]) {
    let cluster = Cluster::start(3).await.unwrap();
    let memory = async |id: u64| {
        let client = cluster.client_of(id).await.unwrap();
        let builder = Memory::builder().client(client).worker_id(format!("worker-{id}"));
        let builder = builder
            .heartbeat_interval(BEAT)
            .conflict_resolver(resolvers::merge_objects);
        builder.connect().await.unwrap()
    };
    let memories = [memory(1).await, memory(2).await, memory(3).await];
    (cluster, memories)
}

/// A memory with a client, and so a cache, of its own: `reader`.
pub async fn with_cache(cluster: &Cluster) -> Memory {
    let builder = Memory::builder().endpoints(cluster.endpoints());
    builder.worker_id("reader").connect().await.unwrap()
}

/// The same with another cache.
pub async fn with_cache_of(cluster: &Cluster, settings: CacheSettings) -> Memory {
    let client = Client::builder().endpoints(cluster.endpoints()).cache(settings);
    let builder = Memory::builder().client(client.connect().await.unwrap());
    builder.worker_id("reader").connect().await.unwrap()
}

/// One whose batch waits that long.
pub async fn with_batch_interval(cluster: &Cluster, interval: Duration) -> Memory {
    let builder = Memory::builder().endpoints(cluster.endpoints()).worker_id("writer");
    builder.batch_interval(interval).connect().await.unwrap()
}

/// One whose calls outlive the restart of a member.
pub async fn patient(cluster: &Cluster) -> Memory {
    let client = Client::builder().endpoints(cluster.endpoints());
    let client = client.call_timeout(PATIENCE).connect().await.unwrap();
    let builder = Memory::builder().client(client).worker_id("patient");
    builder.connect().await.unwrap()
}

/// What the other one has seen is seen here. The clock goes as a word, as between two processes.
pub fn hand_over(from: &Memory, to: &Memory) {
    let seen = from.client().causal_token().to_string();
    to.client().observe(&seen.parse().unwrap());
}

pub async fn register(memory: &Memory, capacity: u32) {
    let status = json!({"state": "active", "capacity": capacity});
    memory.sync_worker_status(memory.worker_id(), &status).await.unwrap();
}

/// Nothing is renewed any more, as if the process had been killed.
pub async fn dies(memory: &Memory) {
    memory.client().close().await;
}

/// Names of the workers that live.
pub async fn active(memory: &Memory) -> Vec<String> {
    let workers = memory.get_active_workers().await.unwrap();
    workers.into_iter().map(|worker| worker.worker).collect()
}

/// How many heartbeats a worker has made.
pub async fn beats(memory: &Memory, worker: &str) -> u64 {
    let key = memory.key(format!("workers/{worker}/heartbeat"));
    let read = memory.read::<Heartbeat>(key).await.unwrap();
    read.map_or(0, |heartbeat| heartbeat.beat)
}

/// The lock of a task for a long time; none: somebody has it.
pub async fn lock(memory: &Memory, task: &str) -> Option<TaskLock> {
    memory.acquire_task_lock(task, TTL).await.unwrap()
}

/// The queue becomes this, whatever it was.
pub async fn set_queue(memory: &Memory, pending: &[&str], processing: &[&str]) {
    let wanted = QueueState::new(pending.iter().copied(), processing.iter().copied());
    memory.sync_queue(&wanted).await.unwrap();
}

/// Enqueues ten items, and then dequeues and completes whatever there is until there is nothing: what that was.
pub async fn fill_and_empty(memory: &Memory) -> Result<Vec<Bytes>> {
    let (queue, mut done) = (memory.queue(), Vec::new());
    for number in 0..ITEMS {
        queue.push(format!("{}/{number}", memory.worker_id())).await?;
    }
    while let Some(item) = queue.claim(1).await?.pop() {
        item.ack().await?;
        done.push(item.payload().clone());
    }
    Ok(done)
}

/// Says of so many tasks how far they are. It is taken by the batch.
pub async fn report(memory: &Memory, tasks: usize) {
    for task in 0..tasks {
        let task = task.to_string();
        memory.sync_task_progress(&task, 50, "half").await.unwrap();
    }
}

/// Of how many tasks it was said.
pub async fn reported(memory: &Memory) -> usize {
    found(memory, "task-sentinel/tasks/*/progress").await.len()
}

/// What a search finds.
pub async fn found(memory: &Memory, pattern: &str) -> Vec<(String, Tier)> {
    let found = memory.search_keys(pattern).await.unwrap();
    found.into_iter().map(|found| (found.key, found.tier)).collect()
}

/// Two tell something of a task as the agent `coder` without having seen each other, and a third one has seen both.
pub async fn disagree(writers: [&Memory; 2], task: &str, told: [Value; 2], reader: &Memory) {
    for (writer, value) in writers.into_iter().zip(told) {
        let write = writer.sync_agent_coordination(task, "coder", &value);
        write.await.unwrap();
        // Whoever comes next is later by the clocks of members, which count milliseconds.
        let written = SystemTime::now();
        until(true, async || {
            written.elapsed().is_ok_and(|since| since.as_millis() >= 2)
        })
        .await;
        hand_over(writer, reader);
    }
}

/// What the agent `coder` tells.
pub async fn told(memory: &Memory, task: &str) -> Value {
    let read = memory.get_agent_coordination(task, "coder").await.unwrap();
    read.map(MemoryValue::into_value).unwrap_or_default()
}

/// How many values of it stand beside each other.
pub async fn values(memory: &Memory, task: &str) -> usize {
    let key = memory.key(format!("tasks/{task}/agents/coder"));
    let entry = memory.client().eventual().get(key).await.unwrap().entry.unwrap();
    // They are listed where there are several.
    entry.siblings.len().max(1)
}

/// What two that disagree tell is made one by this resolver, and counted.
pub async fn resolved(
    (cluster, writers): (&Cluster, [&Memory; 2]),
    resolver: fn(&[ConflictEntry]) -> Resolution,
    values: [Value; 2],
) -> Value {
    let client = cluster.client_of(3).await.unwrap();
    let reader = Memory::builder().client(client).worker_id("reader");
    let reader = reader.conflict_resolver(resolver).connect().await.unwrap();
    let task = values[0].to_string();
    disagree(writers, &task, values, &reader).await;
    let resolved = told(&reader, &task).await;
    assert_eq!(reader.get_metrics().conflicts, 1);
    resolved
}

/// The newest value of a key of the strong tier.
pub async fn strongly<T: DeserializeOwned>(memory: &Memory, key: impl Into<String>) -> Option<T> {
    let read: MemoryRead<'_, T> = memory.read(key).consistency(Consistency::Strong);
    read.await.unwrap().map(MemoryValue::into_value)
}

/// The newest state of a task, if it is text.
pub async fn state(memory: &Memory, task: &str) -> String {
    let key = memory.key(format!("tasks/{task}/state"));
    strongly(memory, key).await.unwrap_or_default()
}

/// Why a call was refused.
pub fn refusal<T: Debug>(ended: Result<T>) -> ErrorKind {
    ended.unwrap_err().kind().clone()
}

/// Looks until there is what is wanted.
pub async fn until<T, W>(wanted: W, mut look: impl AsyncFnMut() -> T)
where
    T: PartialEq<W> + Debug,
    W: Debug,
{
    wait::until(&format!("{wanted:?}"), PATIENCE, async || {
        let seen = look().await;
        if seen == wanted {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await
    .unwrap();
}

/// Reads the state of a task until the cache answers.
pub async fn until_cached(memory: &Memory, task: &str) {
    until(Some(Source::Cache), async || {
        let read = memory.get_task_state::<Value>(task).await.unwrap();
        read.map(|read| read.source)
    })
    .await;
}

/// These tasks have a state, 1, and the cache of the other one has read it.
pub async fn cached<const N: usize>(writer: &Memory, reader: &Memory, tasks: [&str; N]) {
    for task in tasks {
        writer.sync_task_state(task, &1).await.unwrap();
        // Or it would hold for a moment that there is none.
        hand_over(writer, reader);
        until_cached(reader, task).await;
    }
}

/// What a cache holds of these keys; empty: nothing.
pub fn held(cache: &Cache, keys: &[String]) -> Vec<String> {
    let held = keys.iter().map(|key| cache.get_local("", key));
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    held.map(|read| {
        read.as_ref()
            .and_then(|read| read.value())
            .map(text)
            .unwrap_or_default()
    })
    .collect()
}

/// What a callback was called with.
pub type Calls<B> = Arc<Mutex<Vec<<B as ToOwned>::Owned>>>;

/// A callback, and what it was called with.
pub fn collecting<B>() -> (impl FnMut(&B) + Send + 'static, Calls<B>)
where
    B: ToOwned<Owned: Send> + ?Sized + 'static,
{
    let calls = Calls::<B>::default();
    let collected = Arc::clone(&calls);
    (move |call: &B| collected.lock().push(call.to_owned()), calls)
}

/// Waits until it was told that a key behind the prefix has this value; none: that it is gone.
pub async fn until_told(changes: &Mutex<Vec<MemoryChange>>, key: &str, value: Option<Value>) {
    let wanted = (format!("task-sentinel/{key}"), value);
    wait::until(&format!("{wanted:?}"), PATIENCE, async || {
        let changes = changes.lock();
        let mut told = changes
            .iter()
            .map(|change| (change.key.clone(), change.read().unwrap()));
        told.any(|told| told == wanted)
            .then_some(())
            .ok_or(format!("{changes:?}"))
    })
    .await
    .unwrap();
}

/// Workers, items that wait and items that are worked on, as the page of a member says.
pub async fn shown(cluster: &Cluster, id: u64) -> [Option<f64>; 3] {
    let address = cluster.member(id).unwrap().http_address();
    let page = MetricsPage::of(address).await.unwrap();
    let items = |state: &str| {
        let state = format!("state=\"{state}\"");
        page.sum("quorate_queue_items", &["task-sentinel/coordination/queue", &state])
    };
    [page.sum("quorate_workers", &[]), items("ready"), items("claimed")]
}

/// How often somebody connects to an address, and is shut out, while this goes on.
pub async fn knocks<T>(address: &str, during: impl Future<Output = T>) -> (u64, T) {
    let door = TcpListener::bind(address).await.unwrap();
    let mut knocks = 0;
    let during = tokio::select! {
        during = during => during,
        never = async { loop { drop(door.accept().await.unwrap()); knocks += 1; } } => never,
    };
    (knocks, during)
}

/// Saves what the only member has, as far as it is.
pub async fn save(cluster: &Cluster, memory: &Memory, directory: &Path) {
    let member = cluster.member(1).unwrap().client_address();
    let saved = memory.client().snapshot_save(member, directory, |_| {});
    saved.await.unwrap();
}

/// The only member loses what it has and gets what was saved.
pub async fn start_from(cluster: &mut Cluster, saved: &Path) {
    cluster.stop(1).await.unwrap();
    cluster.wipe(1).unwrap();
    restore(cluster, saved, &[]).unwrap();
    cluster.restart(1).unwrap();
    cluster.wait_for_leader().await.unwrap();
}
