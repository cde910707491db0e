//! A real Prometheus scrapes real members, and answers what rules and dashboards ask.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quorate::{NewItem, QueueConfig};
use quorate_tests::cluster::{Cluster, free_ports};
use quorate_tests::wait;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::queries::{Query, dashboards, rules};

const PATIENCE: Duration = Duration::from_secs(60);

/// What has no samples in a cluster that is well, has no certificates and whose clients keep no count.
const NOTHING_TO_SHOW: &[&str] = &[
    "quorate_tls_certificate_expiry_timestamp_seconds",
    "quorate_evictions_total",
    "quorate_eventual_conflicts_total",
    "quorate_memory_limit_bytes",
    "code!=\"OK\"",
];

/// A Prometheus of the test's own, killed with it.
struct Prometheus {
    process: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// None if it is not installed.
    fn start(directory: &Path, targets: &[&str]) -> Option<Prometheus> {
        let rules = super::deployed("prometheus/rules/quorate.yaml").canonicalize().unwrap();
        let configuration = directory.join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: quorate\n    static_configs: [{{ targets: {targets:?} }}]\n"
        );
        std::fs::write(&configuration, text).unwrap();
        let address = format!("127.0.0.1:{}", free_ports(1).unwrap()[0]);
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(process) => Some(Prometheus { process, address }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: Prometheus is not installed");
                None
            }
            Err(error) => panic!("{command:?}: {error}"),
        }
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let failed = |error: std::io::Error| format!("{path}: {error}");
        let mut connection = TcpStream::connect(&self.address).await.map_err(failed)?;
        // HTTP/1.0: the answer is not cut into chunks, and ends with the connection.
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        connection.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut text = String::new();
        connection.read_to_string(&mut text).await.map_err(failed)?;
        let (_, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("{path}: {text}"))?;
        let answer: Value = serde_json::from_str(body).map_err(|error| format!("{path}: {error}: {text}"))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(format!("{path}: {text}")),
        }
    }

    /// How many series answer a query.
    async fn answers(&self, query: &str) -> Result<usize, String> {
        let data = self.get(&format!("/api/v1/query?query={}", in_address(query))).await?;
        data["result"].as_array().map(Vec::len).ok_or(data.to_string())
    }
}

/// Every byte that is more than a letter or a digit, as `%` and two hexadecimal digits.
fn in_address(text: &str) -> String {
    let letter = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// A query of a dashboard as Grafana would ask it, with all members chosen.
fn as_asked(query: &Query) -> String {
    query.text.replace("$instance", ".*").replace("$__rate_interval", "10s")
}

async fn load(cluster: &Cluster) -> impl Sized {
    let client = cluster.client().await.unwrap();
    let watch = client.watch("k/*").await.unwrap();
    for number in 0..50 {
        client.put(format!("k/{number}"), "v").await.unwrap();
    }
    let lock = client.lock("l").acquire_within(PATIENCE).await.unwrap().unwrap();
    let queue = client.queue("work");
    queue.create(QueueConfig::default()).await.unwrap();
    queue
        .push_all((0..3).map(|number| NewItem::new(number.to_string())))
        .await
        .unwrap();
    let claimed = queue.claim(2).await.unwrap();
    claimed[0].nack().await.unwrap();
    claimed[1].nack().dead().await.unwrap();
    client.eventual().put("e", "v").await.unwrap();
    (client, watch, lock)
}

#[tokio::test]
async fn every_query_is_answered_by_a_prometheus_that_scrapes_three_members() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let targets: Vec<&str> = cluster
        .ids()
        .into_iter()
        .map(|id| cluster.member(id).unwrap().http_address())
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let Some(prometheus) = Prometheus::start(directory.path(), &targets) else {
        return;
    };
    let kept = load(&cluster).await;

    wait::until("all members to have been scraped", PATIENCE, async || {
        let up = prometheus.answers("up{job=\"quorate\"} == 1").await?;
        // Rates need two scrapes of everything that the load has made.
        let twice = prometheus
            .answers("count_over_time(quorate_eventual_entries[1m]) > 2")
            .await?;
        (up == 3 && twice >= 3)
            .then_some(())
            .ok_or(format!("{up} members are up, {twice} were scraped with the load"))
    })
    .await
    .unwrap();

    let mut silent = BTreeSet::new();
    for query in dashboards() {
        if query.text.starts_with("label_values(") || query.text.contains("quorate_client_") {
            continue;
        }
        let answers = prometheus.answers(&as_asked(&query)).await;
        let series = answers.unwrap_or_else(|error| panic!("{}: {}: {error}", query.place, query.text));
        if series == 0 && !NOTHING_TO_SHOW.iter().any(|word| query.text.contains(word)) {
            silent.insert(format!("{}: {}", query.place, query.text));
        }
    }
    assert!(silent.is_empty(), "nothing answers: {silent:#?}");

    wait::until("all rules to have been evaluated", PATIENCE, async || {
        let groups = prometheus.get("/api/v1/rules").await?;
        let groups = groups["groups"].as_array().cloned().unwrap_or_default();
        let all: Vec<Value> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect();
        let bad: Vec<&Value> = all.iter().filter(|rule| rule["health"] != "ok").collect();
        (bad.is_empty() && all.len() == rules().len())
            .then_some(())
            .ok_or(format!("{bad:?}"))
    })
    .await
    .unwrap();
    let firing = prometheus
        .answers("ALERTS{alertstate=\"firing\",severity=\"critical\"}")
        .await
        .unwrap();
    assert_eq!(firing, 0, "a cluster that is well wakes nobody");
    drop(kept);
}
