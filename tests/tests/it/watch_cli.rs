//! `quorate watch` and `quorate wait`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use quorate_tests::cluster::{Cluster, server_binary};
use quorate_tests::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::watch::PATIENCE;

/// `quorate` with its output in files; killed if it still runs when this is dropped.
struct Process {
    child: Child,
    output: PathBuf,
    errors: PathBuf,
}

impl Process {
    fn start(directory: &Path, endpoints: &[String], arguments: &[&str]) -> Process {
        let (output, errors) = (directory.join("output"), directory.join("errors"));
        let child = Command::new(server_binary().unwrap())
            .args(arguments)
            .env("QUORATE_ENDPOINTS", endpoints.join(","))
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        Process { child, output, errors }
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    async fn until(&self, condition: &str, holds: impl Fn(&Self) -> bool) {
        let look = async || holds(self).then_some(()).ok_or_else(|| self.said() + &self.printed());
        wait::until(condition, PATIENCE, look).await.unwrap();
    }

    fn interrupt(&self) {
        let process = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(process, Signal::INT).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
        wait::until("the process to end", PATIENCE, async || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
        .unwrap()
    }

    async fn code(&mut self) -> i32 {
        self.ended().await.code().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_watch_shows_a_line_for_each_event_until_it_has_enough() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["watch", "jobs/*", "--previous", "--count", "3"];
    let mut watch = Process::start(directory.path(), &cluster.endpoints(), &arguments);
    watch
        .until("the watch to be there", |watch| {
            watch.said().contains("watching from revision 2")
        })
        .await;
    client.put("jobs/1", "a").await.unwrap();
    watch
        .until("the first line", |watch| watch.printed().ends_with('\n'))
        .await;
    client.put("jobs/1", "b").await.unwrap();
    client.delete("jobs/1").await.unwrap();
    assert_eq!(watch.code().await, 0);
    let printed = watch.printed();
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    let put = |revision| vec![revision, "put", "jobs/1"];
    let expected = [
        [put("2"), vec!["a"]].concat(),
        [put("3"), vec!["b", "(was", "a)"]].concat(),
        vec!["4", "delete", "jobs/1", "(was", "b)"],
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn the_json_of_a_watch_is_an_object_a_line_with_stable_names() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("jobs/1", "a").await.unwrap();
    client.delete("jobs/1").await.unwrap();
    let mail = client.queue("mail");
    mail.create(quorate::QueueConfig::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let endpoints = cluster.endpoints();
    let objects = async |arguments: &[&str]| {
        let mut watch = Process::start(directory.path(), &endpoints, arguments);
        assert_eq!(watch.code().await, 0, "{}", watch.said());
        let mut objects: Vec<Value> = watch
            .printed()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for object in &mut objects {
            assert!(object["time"].take().is_string());
        }
        objects
    };
    let keys = objects(&[
        "watch",
        "jobs/*",
        "--rev",
        "1",
        "--previous",
        "--count",
        "2",
        "-o",
        "json",
    ])
    .await;
    let record = json!({"key": "jobs/1", "value": "a", "create_revision": 2, "mod_revision": 2, "version": 1});
    let expected = [
        json!({
            "revision": 2, "time": null, "space": "keys", "kind": "put", "domain": "default", "key": "jobs/1",
            "record": record,
        }),
        json!({
            "revision": 3, "time": null, "space": "keys", "kind": "delete", "domain": "default", "key": "jobs/1",
            "previous": record,
        }),
    ];
    assert_eq!(keys, expected);
    let queues = objects(&["watch", "**", "--queues", "--rev", "1", "--count", "1", "-o", "json"]).await;
    let created = json!({"revision": 4, "time": null, "space": "queues", "kind": "created", "queue": "mail"});
    assert_eq!(queues, [created]);
}

#[tokio::test]
async fn a_watch_ends_well_when_it_is_interrupted_or_its_time_is_over() {
    let cluster = Cluster::start(1).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut watch = Process::start(directory.path(), &cluster.endpoints(), &["watch", "k"]);
    watch
        .until("the watch to be there", |watch| watch.said().contains("watching"))
        .await;
    watch.interrupt();
    assert_eq!(watch.code().await, 0);
    let mut watch = Process::start(directory.path(), &cluster.endpoints(), &["watch", "k", "--for", "50ms"]);
    assert_eq!(watch.code().await, 0);
}

#[tokio::test]
async fn a_watch_that_no_member_has_answered_ends_when_it_is_interrupted() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoints = [silent.local_addr().unwrap().to_string()];
    let directory = tempfile::tempdir().unwrap();
    let mut watch = Process::start(directory.path(), &endpoints, &["watch", "k", "--timeout", "10m"]);
    // It is on its way once it has connected.
    let _connection = tokio::time::timeout(PATIENCE, silent.accept()).await.unwrap().unwrap();
    watch.interrupt();
    assert_eq!(watch.code().await, 0);
}

#[tokio::test]
async fn an_event_is_one_line_whatever_is_in_a_name_or_a_reason() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let name = "a\nb\x1b[2J";
    let lock = client.lock(name).acquire().await.unwrap();
    client.force_release(name, lock.token(), "it\nhangs").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["watch", "**", "--locks", "--rev", "1", "--count", "2"];
    let mut watch = Process::start(directory.path(), &cluster.endpoints(), &arguments);
    assert_eq!(watch.code().await, 0, "{}", watch.said());
    let printed = watch.printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(
        lines.iter().all(|line| line.contains(r"  a\nb\u{1b}[2J  ")),
        "{printed}"
    );
    assert!(lines[1].ends_with(r"forced: it\nhangs"), "{printed}");
}

#[tokio::test]
async fn a_watch_of_what_was_compacted_says_where_to_start() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    for _ in 0..9 {
        client.put("k", "v").await.unwrap();
    }
    client.compact(8).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut watch = Process::start(directory.path(), &cluster.endpoints(), &["watch", "k", "--rev", "2"]);
    assert_eq!(watch.code().await, 1);
    assert!(watch.said().contains("--rev 8"), "{}", watch.said());
}

#[tokio::test]
async fn a_wait_ends_with_what_was_wanted_or_with_a_code_that_says_why_not() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("jobs/7", "begun").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let endpoints = cluster.endpoints();
    let start = |endpoints: &[String], arguments: &[&str]| {
        let arguments: Vec<&str> = ["wait", "jobs/7", "-o", "json"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        Process::start(directory.path(), endpoints, &arguments)
    };
    assert_eq!(start(&endpoints, &[]).code().await, 0);
    let late = ["--value", "done", "--timeout", "200ms"];
    let mut wait = start(&endpoints, &late);
    assert_eq!(wait.code().await, 1);
    assert!(
        wait.said().contains("was not as wanted within 200ms"),
        "{}",
        wait.said()
    );
    let mut wait = start(&endpoints, &["--value", "done", "--timeout", "30s"]);
    client.put("jobs/7", "done").await.unwrap();
    assert_eq!(wait.code().await, 0);
    let printed: Value = serde_json::from_str(&wait.printed()).unwrap();
    assert_eq!(printed["record"]["value"], "done");
    let mut wait = start(&endpoints, &["--absent", "--timeout", "30s"]);
    client.delete("jobs/7").await.unwrap();
    assert_eq!(wait.code().await, 0);
    assert_eq!(wait.printed().trim(), r#"{"record":null}"#);
    let nobody = ["127.0.0.1:1".to_owned()];
    assert_eq!(start(&nobody, &late).code().await, 3);
}
