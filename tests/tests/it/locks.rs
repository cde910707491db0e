//! A lock has one holder, whoever dies, and what an earlier holder writes later is refused.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use quorate::{Client, ErrorKind, LockRecord, Op};
use quorate_tests::cluster::{Cluster, server_binary};
use quorate_tests::wait;
use rustix::process::{Pid, Signal, kill_process_group};

const PATIENCE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(1);

/// `quorate` with what it started, in a process group of its own that ends with this.
struct Process(Child);

impl Process {
    fn start(cluster: &Cluster, directory: &Path, arguments: &[&str]) -> Process {
        let binary = server_binary().unwrap();
        let child = Command::new(&binary)
            .args(arguments)
            .current_dir(directory)
            .env("QUORATE_ENDPOINTS", cluster.endpoints().join(","))
            .env("QUORATE", &binary)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(directory.join("errors")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        Process(child)
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process_group(group, signal).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
        wait::until("the process to end", PATIENCE, async || match self.0.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
        .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once it is reaped its group may be another's.
        if let Ok(None) = self.0.try_wait() {
            self.signal(Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

async fn exists(path: &Path) {
    let condition = format!("{} to exist", path.display());
    let look = async || path.exists().then_some(()).ok_or("it does not");
    wait::until(&condition, PATIENCE, look).await.unwrap();
}

/// Waits until the lock, if there is one, is as it should be.
async fn until(client: &Client, name: &str, condition: &str, holds: impl Fn(Option<&LockRecord>) -> bool) {
    wait::until(condition, PATIENCE, async || {
        let found = client.find_lock(name).await.map_err(|error| error.to_string())?;
        holds(found.as_ref()).then_some(()).ok_or(format!("{found:?}"))
    })
    .await
    .unwrap();
}

async fn until_waiting(client: &Client, name: &str, waiting: u64) {
    let condition = format!("{waiting} to wait");
    until(client, name, &condition, |lock| {
        lock.is_some_and(|lock| lock.waiting == waiting)
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_was_paused_beyond_its_time_can_no_longer_write() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = r#"
        trap "" TERM
        "$QUORATE" put k early --fenced && : > ready
        while [ ! -e go ]; do sleep 0.05; done
        "$QUORATE" put k late --fenced 2> refusal
        echo $? > code.part && mv code.part code
    "#;
    let arguments = ["lock", "reports", "--ttl", "1s", "--", "sh", "-c", script];
    let mut holder = Process::start(&cluster, directory.path(), &arguments);
    exists(&directory.path().join("ready")).await;
    let held = client.find_lock("reports").await.unwrap().unwrap();
    let token = held.holders[0].token;

    holder.signal(Signal::STOP);
    let next = client.lock("reports").acquire_within(PATIENCE).await.unwrap().unwrap();
    assert!(next.token() > token);
    client
        .txn()
        .then(next.fence())
        .then(Op::put("k", "next"))
        .await
        .unwrap();

    std::fs::write(directory.path().join("go"), "").unwrap();
    holder.signal(Signal::CONT);
    let code = directory.path().join("code");
    exists(&code).await;
    let refusal = std::fs::read_to_string(directory.path().join("refusal")).unwrap();
    assert_eq!(std::fs::read_to_string(&code).unwrap(), "1\n", "{refusal}");
    assert!(
        refusal.contains("does not hold lock \"reports\"") && refusal.contains(&token.to_string()),
        "{refusal}"
    );
    assert_eq!(client.get("k").await.unwrap().record.unwrap().value, "next");
    // It says so itself, too.
    assert_eq!(holder.ended().await.code(), Some(1));
    let errors = std::fs::read_to_string(directory.path().join("errors")).unwrap();
    assert!(errors.contains("lock \"reports\" was lost"), "{errors}");
    next.renew().await.unwrap();
    next.release().await.unwrap();
}

#[tokio::test]
async fn the_next_has_the_lock_after_its_holder_was_killed() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["lock", "a", "--ttl", "1s", "--", "sleep", "600"];
    let holder = Process::start(&cluster, directory.path(), &arguments);
    until(&client, "a", "the process to hold it", |lock| lock.is_some()).await;
    let token = client.find_lock("a").await.unwrap().unwrap().holders[0].token;
    let waiting = tokio::spawn(client.lock("a").acquire());
    until_waiting(&client, "a", 1).await;
    holder.signal(Signal::KILL);
    let guard = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert!(guard.token() > token);
    let lock = client.find_lock("a").await.unwrap().unwrap();
    assert_eq!((lock.expirations, lock.contended, lock.waiting), (1, 1, 0));
    assert_eq!(lock.holders[0].token, guard.token());
}

#[tokio::test]
async fn holders_and_waiters_outlive_the_leader_and_keep_their_order() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let holder = client.lock("a").acquire().await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut waiters = Vec::new();
    for place in 0..6_u64 {
        let (lock, served) = (client.lock("a"), Arc::clone(&served));
        waiters.push(tokio::spawn(async move {
            let guard = lock.acquire().await?;
            served.lock().push((place, guard.token()));
            guard.release().await
        }));
        until_waiting(&client, "a", place + 1).await;
    }
    cluster.kill9(leader).unwrap();
    wait::until("the lock to be confirmed by the new leader", PATIENCE, async || {
        holder.renew().await
    })
    .await
    .unwrap();
    assert_eq!(client.find_lock("a").await.unwrap().unwrap().waiting, 6);
    assert_eq!(*served.lock(), []);
    let token = holder.token();
    holder.release().await.unwrap();
    for waiter in waiters {
        tokio::time::timeout(PATIENCE, waiter).await.unwrap().unwrap().unwrap();
    }
    let served = served.lock().clone();
    let places: Vec<u64> = served.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    assert!(
        served[0].1 > token && served.is_sorted_by(|a, b| a.1 < b.1),
        "{served:?}"
    );
    until(&client, "a", "the lock to be gone", |lock| lock.is_none()).await;
    cluster.restart(leader).unwrap();
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_process_that_vanishes_while_it_waits_leaves_the_queue() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let holder = client.lock("a").acquire().await.unwrap();
    let arguments = ["lock", "a", "--ttl", "1s", "--", "sh", "-c", ": > held"];
    let vanishing = Process::start(&cluster, directory.path(), &arguments);
    until_waiting(&client, "a", 1).await;
    let behind = tokio::spawn(client.lock("a").acquire());
    until_waiting(&client, "a", 2).await;
    vanishing.signal(Signal::KILL);
    until_waiting(&client, "a", 1).await;
    holder.release().await.unwrap();
    let guard = tokio::time::timeout(PATIENCE, behind).await.unwrap().unwrap().unwrap();
    guard.renew().await.unwrap();
    assert!(!directory.path().join("held").exists());
}

#[tokio::test]
async fn an_acquisition_that_is_dropped_leaves_nothing_behind() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let session = client.session(Duration::from_secs(3600)).await.unwrap();
    let holder = client.lock("held").session(&session).acquire().await.unwrap();
    for lock in [
        client.lock("held").session(&session),
        client.lock("held").ttl(Duration::from_secs(3600)),
    ] {
        let waiting = tokio::spawn(lock.acquire());
        until_waiting(&client, "held", 1).await;
        waiting.abort();
        until_waiting(&client, "held", 0).await;
    }
    // At whatever point it is dropped: before it was sent, before it was answered, when it is held.
    for step in 0..40 {
        let patience = Duration::from_micros(step * 150);
        let free = client.lock("free").session(&session).acquire();
        let _ = tokio::time::timeout(patience, free).await;
        let both = client.locks(["held", "free"]).session(&session).acquire();
        let _ = tokio::time::timeout(patience, both).await;
    }
    until_waiting(&client, "held", 0).await;
    until(&client, "free", "nobody to hold it", |lock| lock.is_none()).await;
    drop(holder);
    until(&client, "held", "nobody to hold it", |lock| lock.is_none()).await;
    assert_eq!(session.loss(), None);
    assert_eq!(client.lease(session.id()).await.unwrap().unwrap().attached, 0);
}

#[tokio::test]
async fn shares_permits_and_several_locks_are_taken_as_asked() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let session = client.session(Duration::from_secs(60)).await.unwrap();

    let first = client.lock("a").session(&session).shared().acquire().await.unwrap();
    let second = client.lock("a").session(&session).shared().try_acquire().await.unwrap();
    assert!(second.is_some());
    assert!(
        client
            .lock("a")
            .session(&session)
            .try_acquire()
            .await
            .unwrap()
            .is_none()
    );
    let soon = Duration::from_millis(50);
    let late = client.lock("a").session(&session).acquire_within(soon).await.unwrap();
    assert!(late.is_none());
    first.release().await.unwrap();
    drop(second);

    let permits = client.semaphore("gpu", 3).session(&session);
    let two = permits.clone().count(2).acquire().await.unwrap();
    assert!(permits.clone().count(2).try_acquire().await.unwrap().is_none());
    let one = permits.try_acquire().await.unwrap().unwrap();
    let other = client
        .semaphore("gpu", 4)
        .session(&session)
        .try_acquire()
        .await
        .unwrap_err();
    assert_eq!(*other.kind(), ErrorKind::LockConflict);
    let shown = client.find_lock("gpu").await.unwrap().unwrap();
    assert_eq!((shown.permits, shown.taken, shown.holders_count), (Some(3), 3, 2));
    two.release().await.unwrap();
    one.release().await.unwrap();

    until(&client, "a", "nobody to hold it", |lock| lock.is_none()).await;
    let both = client.locks(["b", "a", "b"]).session(&session).acquire().await.unwrap();
    let names: Vec<&str> = both.holds().iter().map(|hold| hold.lock.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let listed = client.list_locks("", "", 0).await.unwrap();
    let listed: Vec<&str> = listed.locks.iter().map(|lock| lock.name.as_str()).collect();
    assert_eq!(listed, ["a", "b"]);
    let fenced = both
        .fences()
        .into_iter()
        .fold(client.txn(), |txn, fence| txn.then(fence));
    fenced.then(Op::put("k", "v")).await.unwrap();
    both.release().await.unwrap();
    assert_eq!(client.list_locks("", "", 0).await.unwrap().locks, []);
}

#[tokio::test]
async fn a_lock_that_was_taken_away_is_noticed_by_the_next_fenced_write() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let guard = client.lock("a").acquire().await.unwrap();
    let next = tokio::spawn(client.lock("a").acquire());
    until_waiting(&client, "a", 1).await;
    let done = client.force_release("a", guard.token(), "stuck").await.unwrap();
    assert_eq!((done.holds, done.more), (1, false));
    let next = tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap().unwrap();
    let shown = client.find_lock("a").await.unwrap().unwrap();
    assert_eq!(shown.forced.unwrap().reason, "stuck");

    let write = client.txn().then(guard.fence()).then(Op::put("k", "v"));
    let refused = write.await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Fenced, "{refused}");
    assert_eq!(client.get("k").await.unwrap().record, None);
    assert_eq!(*guard.renew().await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(*guard.release().await.unwrap_err().kind(), ErrorKind::Fenced);
    next.renew().await.unwrap();
}

#[tokio::test]
async fn an_election_is_followed_from_leader_to_leader() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut seen = Box::pin(client.election("e").observe());
    let mut next = async || {
        let leader = tokio::time::timeout(PATIENCE, seen.next()).await.unwrap();
        leader.unwrap().unwrap().map(|leader| (leader.token, leader.value))
    };
    assert_eq!(next().await, None);
    let first = client.election("e").ttl(TTL).campaign("one").await.unwrap();
    assert_eq!(next().await, Some((first.token(), "one".into())));
    first.proclaim("uno").await.unwrap();
    assert_eq!(next().await, Some((first.token(), "uno".into())));
    let second = tokio::spawn(client.election("e").campaign("two"));
    until_waiting(&client, "e", 1).await;
    let leader = cluster.wait_for_leader().await.unwrap();
    cluster.kill9(leader).unwrap();
    // Its own session ends with it.
    drop(first);
    let second = tokio::time::timeout(PATIENCE, second).await.unwrap().unwrap().unwrap();
    assert_eq!(next().await, Some((second.token(), "two".into())));
    let leader = client.election("e").leader().await.unwrap().unwrap();
    assert_eq!((leader.token, &leader.value[..]), (second.token(), &b"two"[..]));
}

#[tokio::test]
async fn the_command_line_runs_commands_under_locks_and_shows_them() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str]| Process::start(&cluster, directory.path(), arguments);
    let script = r#"test -n "$QUORATE_LEASE" && test "$QUORATE_LOCK" = a && test "$QUORATE_FENCE" -gt 0 && exit 7"#;
    assert_eq!(
        start(&["lock", "a", "--", "sh", "-c", script]).ended().await.code(),
        Some(7)
    );
    assert_eq!(client.find_lock("a").await.unwrap(), None);

    let mut leading = start(&["elect", "a", "--value", "me", "--ttl", "1s", "--", "sleep", "600"]);
    until(&client, "a", "the process to lead", |lock| lock.is_some()).await;
    assert_eq!(&client.election("a").leader().await.unwrap().unwrap().value[..], b"me");
    assert_eq!(
        start(&["lock", "a", "--wait", "0s", "--", "true"]).ended().await.code(),
        Some(1)
    );
    assert_eq!(start(&["lock", "holder", "a"]).ended().await.code(), Some(0));
    assert_eq!(start(&["lock", "list", "-o", "json"]).ended().await.code(), Some(0));
    let force = ["lock", "force-release", "a", "--reason", "test"];
    assert_eq!(start(&force).ended().await.code(), Some(0));
    // The command is ended, since the lock is another's now.
    assert_eq!(leading.ended().await.code(), Some(1));
    assert_eq!(start(&force).ended().await.code(), Some(1));
    assert_eq!(start(&["lock", "holder", "a"]).ended().await.code(), Some(1));

    // A signal ends the command, and the lock goes at once.
    let hour = ["lock", "a", "--ttl", "1h", "--", "sleep", "600"];
    let mut ended = start(&hour);
    until(&client, "a", "the process to hold it", |lock| lock.is_some()).await;
    ended.signal(Signal::TERM);
    assert_eq!(ended.ended().await.code(), Some(128 + Signal::TERM.as_raw()));
    assert_eq!(client.find_lock("a").await.unwrap(), None);
}
