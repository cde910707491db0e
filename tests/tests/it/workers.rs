//! Workers lose their tasks with their session, whole, and what they still write is refused.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use quorate::{Client, ErrorKind, Op, SyncAssignments, Worker, WorkerOp, WorkerState};
use quorate_tests::cluster::{Cluster, server_binary};
use quorate_tests::wait;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Calls outstanding at a time where there are many to make.
const AT_ONCE: usize = 64;

async fn register(client: &Client, worker: &str, capacity: u32) -> Worker {
    let session = client.session(HOUR).await.unwrap();
    let register = client.register_worker(worker, &session);
    register.label("zone", "a").capacity(capacity).await.unwrap()
}

async fn wait_until_offline(client: &Client, workers: usize) {
    wait::until("the workers to be offline", PATIENCE, async || {
        let found = client.workers().state(WorkerState::Offline).await;
        let offline = found.map_err(|error| error.to_string())?.len();
        (offline == workers).then_some(()).ok_or(format!("{offline} are"))
    })
    .await
    .unwrap();
}

/// Workers `w0`, `w1` and so on, each with a session and a key, of a client that has a runtime to itself: as a process of
/// its own does when it is killed, it stops all at once and says nothing.
struct Process {
    kill: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Process {
    async fn start(cluster: &Cluster, workers: usize, ttl: Duration) -> Process {
        let endpoints = cluster.endpoints();
        let (kill, killed) = mpsc::channel();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let workers = runtime.block_on(open(endpoints, workers, ttl));
            ready.send(()).unwrap();
            // An error is a test that ended without killing it.
            let _ = killed.recv();
            runtime.shutdown_background();
            drop(workers);
        });
        is_ready.await.unwrap();
        Process { kill, thread }
    }

    async fn kill(self) {
        self.kill.send(()).unwrap();
        tokio::task::spawn_blocking(|| self.thread.join().unwrap())
            .await
            .unwrap();
    }
}

async fn open(endpoints: Vec<String>, workers: usize, ttl: Duration) -> Vec<Worker> {
    let client = Client::builder().endpoints(endpoints).connect().await.unwrap();
    let opened = stream::iter(0..workers).map(async |at| {
        let session = client.session(ttl).await?;
        client.put(format!("k{at}"), "here").lease(session.id()).await?;
        client.register_worker(format!("w{at}"), &session).await
    });
    opened.buffer_unordered(AT_ONCE).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_worker_is_told_of_its_tasks_and_does_each_under_its_assignment() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let worker = register(&client, "w", 4).await;
    let mut assignments = worker.assignments();
    let waiting = tokio::spawn(async move {
        let changes = assignments.next().await;
        (assignments, changes)
    });
    let assigned = client.assign("t").label("zone", "a").data("what to do").await.unwrap();
    assert_eq!(assigned.worker.as_deref(), Some("w"));
    let (mut assignments, changes) = waiting.await.unwrap();
    let [task] = changes.unwrap().unwrap().gained.try_into().unwrap();
    assert_eq!((task.task.as_str(), task.generation), ("t", assigned.generation));
    assert_eq!(task.data, "what to do");

    let done = client.txn().then(task.complete_op()).then(Op::put("result", "42"));
    done.await.unwrap();
    let changes = assignments.next().await.unwrap().unwrap();
    assert_eq!((changes.gained.len(), changes.ended.len()), (0, 1));
    assert_eq!(changes.ended[0].generation, assigned.generation);
    assert_eq!(client.task("t").await.unwrap(), None);

    assert_eq!(worker.drain().await.unwrap(), 0);
    assert!(assignments.next().await.unwrap().unwrap().draining);
    let refused = client.assign("u").await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::NoWorker);
    let refused = client.assign("u").to("w").await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::WorkerDraining);
    assert_eq!(worker.deregister().await.unwrap(), 0);
    assert_eq!(assignments.next().await.unwrap(), None);
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn assignments_are_made_what_a_planner_wants_of_them_and_workers_are_told() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let (v, w) = (register(&client, "v", 2).await, register(&client, "w", 2).await);
    let snapshot = client.assignments().snapshot().await.unwrap();
    assert_eq!((snapshot.revision, snapshot.assignments.len()), (0, 0));
    let wanted = SyncAssignments::new(0).worker("v", ["t1", "t2"]).worker("w", ["t3"]);
    let first = client.sync_assignments(wanted.clone()).await.unwrap();
    assert_eq!(
        (first.assigned, first.moved, first.unassigned, first.kept),
        (3, 0, 0, 0)
    );
    let (mut of_v, mut of_w) = (v.assignments(), w.assignments());
    assert_eq!(of_v.next().await.unwrap().unwrap().gained.len(), 2);
    assert_eq!(of_w.next().await.unwrap().unwrap().gained.len(), 1);

    // Somebody has planned meanwhile.
    let refused = client.sync_assignments(wanted).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Conflict);
    let snapshot = client.assignments().snapshot().await.unwrap();
    assert_eq!(snapshot.revision, first.revision);
    assert_eq!(
        snapshot.by_worker(),
        [("v", vec!["t1", "t2"]), ("w", vec!["t3"])].into()
    );
    let anew = || SyncAssignments::new(snapshot.revision);
    let too_many = anew().worker("v", ["t1", "t2", "t3"]);
    let refused = client.sync_assignments(too_many).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::NoCapacity { limit: 2, value: 3 });
    assert!(refused.message().contains("\"v\""), "{refused}");
    let refused = client
        .sync_assignments(anew().worker("nobody", ["t1"]))
        .await
        .unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::UnknownWorker);

    // With what else is planned in the same transaction.
    let wanted = anew().worker("v", ["t1"]).worker("w", ["t2", "t4"]);
    let reply = client
        .txn()
        .then(WorkerOp::sync(wanted))
        .then(Op::put("plan", "2"))
        .await
        .unwrap();
    let changes = of_v.next().await.unwrap().unwrap();
    assert_eq!((changes.gained.len(), changes.ended[0].task.as_str()), (0, "t2"));
    let changes = of_w.next().await.unwrap().unwrap();
    let gained: Vec<_> = changes.gained.iter().map(|task| task.task.as_str()).collect();
    assert_eq!((gained, changes.ended[0].task.as_str()), (vec!["t2", "t4"], "t3"));
    let t1 = client.task("t1").await.unwrap().unwrap();
    assert_eq!(t1.generation, first.generation, "it is where it was");
    client.complete(&changes.gained[0]).await.unwrap();
    let snapshot = client.assignments().snapshot().await.unwrap();
    assert!(snapshot.revision > reply.revision);
    let waiting: Vec<_> = snapshot.pending().map(|task| task.task.as_str()).collect();
    assert_eq!(waiting, ["t3"]);

    let only = SyncAssignments::new(snapshot.revision)
        .worker("w", Vec::<String>::new())
        .only_workers();
    let left = client.sync_assignments(only).await.unwrap();
    assert_eq!((left.unassigned, left.kept), (1, 0));
    assert_eq!(client.task("t1").await.unwrap().unwrap().worker.as_deref(), Some("v"));
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_waits_is_told_of_a_task_though_the_leader_dies() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let worker = register(&client, "w", 4).await;
    let mut assignments = worker.assignments();
    client.assign("before").await.unwrap();
    assert_eq!(assignments.next().await.unwrap().unwrap().gained.len(), 1);
    let waiting = tokio::spawn(async move { assignments.next().await });
    let leader = cluster.leader().await.unwrap();
    cluster.kill9(leader).unwrap();
    client.assign("after").data("d").await.unwrap();
    let changes = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    let [task] = changes.unwrap().unwrap().gained.try_into().unwrap();
    assert_eq!((task.task.as_str(), task.data.as_ref()), ("after", &b"d"[..]));
}

#[tokio::test]
async fn a_worker_that_is_gone_can_write_no_more_and_its_task_goes_to_another() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let process = Process::start(&cluster, 1, Duration::from_secs(2)).await;
    client.assign("t").to("w0").data("shard 7").await.unwrap();
    let before = client.task("t").await.unwrap().unwrap();
    process.kill().await;
    wait_until_offline(&client, 1).await;

    let task = client.task("t").await.unwrap().unwrap();
    assert_eq!((task.worker.as_deref(), task.data.as_ref()), (None, &b"shard 7"[..]));
    assert!(task.generation > before.generation);
    let late = client.txn().then(before.fence_op()).then(Op::put("result", "late"));
    let refused = late.await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Fenced);
    assert!(refused.message().contains("that assignment is over"), "{refused}");
    assert_eq!(client.get("result").await.unwrap().record, None);

    let worker = register(&client, "next", 2).await;
    let placed = client.assign_pending().await.unwrap();
    assert_eq!(placed.len(), 1);
    assert_eq!((placed[0].task.as_str(), placed[0].worker.as_str()), ("t", "next"));
    let changes = worker.assignments().next().await.unwrap().unwrap();
    assert_eq!(changes.gained[0].generation, placed[0].generation);
    client.complete(&changes.gained[0]).await.unwrap();
    let again = client.complete(&changes.gained[0]).await.unwrap_err();
    assert_eq!(*again.kind(), ErrorKind::UnknownTask);
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_thousand_sessions_that_stop_being_renewed_at_once_go_in_one_revision_each() {
    const WORKERS: usize = 1000;
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let process = Process::start(&cluster, WORKERS, Duration::from_secs(10)).await;
    let assigned =
        stream::iter(0..WORKERS).map(|at| client.assign(format!("t{at}")).to(format!("w{at}")).into_future());
    let assigned: Vec<_> = assigned.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    assert_eq!(assigned.len(), WORKERS);
    assert_eq!(
        client.workers().state(WorkerState::Active).await.unwrap().len(),
        WORKERS
    );
    let before = client.put("the last write", "").await.unwrap().revision;
    process.kill().await;
    wait_until_offline(&client, WORKERS).await;

    let after = client.get("the last write").await.unwrap().revision;
    let workers = client.workers().await.unwrap();
    let ends: BTreeSet<u64> = workers.iter().map(|worker| worker.changed_revision).collect();
    assert_eq!(workers.len(), WORKERS);
    assert!(ends.first() > Some(&before) && ends.last() == Some(&after), "{ends:?}");
    assert_eq!(ends.len() as u64, after - before, "no other revision was made");
    let client = &client;
    let checks = stream::iter(&workers).map(async |worker| {
        let at = worker.worker.trim_start_matches('w');
        let key = format!("k{at}");
        let end = worker.changed_revision;
        let until = client.get(&key).at_revision(end - 1).await.unwrap().record;
        let from = client.get(&key).at_revision(end).await.unwrap().record;
        assert!(until.is_some() && from.is_none(), "{key} did not go at {end}");
        let task = client.task(format!("t{at}")).await.unwrap().unwrap();
        assert_eq!((task.worker, task.since), (None, worker.since), "task t{at}");
    });
    let checked: Vec<()> = checks.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(checked.len(), WORKERS);
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_plan_evens_loads_and_leaves_alone_what_has_changed_since() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let full = register(&client, "full", 8).await;
    for task in 0..6 {
        client.assign(format!("t{task}")).await.unwrap();
    }
    let idle = register(&client, "idle", 8).await;
    let plan = client.rebalance().await.unwrap();
    assert_eq!((plan.moves.len(), plan.complete), (3, true));
    let changed = client.task(plan.moves[1].task.clone()).await.unwrap().unwrap();
    client.complete(&changed).await.unwrap();
    let applied = plan.apply().await.unwrap();
    assert_eq!(applied.moved, 2);
    let [(refused, error)] = applied.refused.try_into().unwrap();
    assert_eq!((refused, error.kind()), (plan.moves[1].clone(), &ErrorKind::Conflict));
    let loads = async || {
        let workers = client.workers().await.unwrap();
        workers.iter().map(|worker| worker.assigned).collect::<Vec<_>>()
    };
    assert_eq!(loads().await, [3, 2]);

    assert_eq!(full.drain().await.unwrap(), 3);
    let applied = client.rebalance().await.unwrap().apply().await.unwrap();
    assert_eq!((applied.moved, applied.refused.len()), (3, 0));
    assert_eq!(loads().await, [0, 5]);
    let refused = idle.set_capacity(4).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::NoCapacity { limit: 4, value: 5 });
}

/// The exit code and the JSON that the command wrote.
fn quorate(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(server_binary().unwrap())
        .args(arguments)
        .args(["-o", "json", "--endpoints", &cluster.endpoints().join(",")])
        .output()
        .unwrap();
    let written = match output.status.success() {
        true => &output.stdout,
        false => &output.stderr,
    };
    let json = serde_json::from_slice(written).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), json)
}

#[tokio::test]
async fn the_command_line_assigns_drains_and_rebalances() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let _a = register(&client, "a", 2).await;
    let run = |arguments: &[&str]| {
        let (code, json) = quorate(&cluster, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {json}");
        json
    };
    assert_eq!(run(&["assign", "t1", "--data", "d"])["worker"], "a");
    assert_eq!(run(&["assign", "t2", "--to", "a"])["worker"], "a");
    assert_eq!(run(&["assign", "t3", "--or-wait"])["worker"], Value::Null);
    let (code, refused) = quorate(&cluster, &["assign", "t4", "--label", "zone=b"]);
    assert_eq!((code, &refused["error"]["kind"]), (Some(1), &json!("no_worker")));
    assert_eq!(run(&["assign", "show", "t1"])["data"], "d");

    let _b = register(&client, "b", 4).await;
    assert_eq!(run(&["assign", "pending"])["placed"][0]["worker"], "b");
    assert_eq!(run(&["worker", "drain", "a"])["assigned"], 2);
    assert_eq!(
        run(&["worker", "list", "--state", "draining"])["workers"][0]["worker"],
        "a"
    );
    assert_eq!(run(&["assign", "plan"])["moves"].as_array().unwrap().len(), 2);
    assert_eq!(run(&["assign", "rebalance"])["moved"], 2);
    assert_eq!(run(&["worker", "show", "b"])["tasks"].as_array().unwrap().len(), 3);
    run(&["assign", "complete", "t1"]);
    run(&["assign", "unassign", "t2"]);
    assert_eq!(run(&["assign", "list", "--pending"])["tasks"][0]["task"], "t2");
    run(&["assign", "cancel", "t2"]);
    assert_eq!(run(&["assign", "list"])["tasks"].as_array().unwrap().len(), 1);
    run(&["worker", "resume", "a"]);
    let (code, refused) = quorate(&cluster, &["worker", "forget", "a"]);
    assert_eq!((code, &refused["error"]["kind"]), (Some(1), &json!("worker_exists")));
}
