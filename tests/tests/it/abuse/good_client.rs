//! A client that does nothing wrong, and is there all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quorate::Client;
use quorate_tests::cluster::{Cluster, MetricsPage, Settings};
use quorate_tests::wait;
use tokio::task::JoinHandle;

pub const PATIENCE: Duration = Duration::from_secs(60);
/// Puts and gets that it does at least; it goes on for as long as it is needed.
const ROUNDS_MIN: u64 = 50;

/// Puts and gets, one after the other.
pub struct GoodClient {
    enough: Arc<AtomicBool>,
    working: JoinHandle<(u64, Duration)>,
}

impl GoodClient {
    /// At work already: it has put and got once.
    pub async fn start(cluster: &Cluster) -> GoodClient {
        let client = cluster.client().await.unwrap();
        round(&client, 0).await;
        let enough = Arc::new(AtomicBool::new(false));
        let working = tokio::spawn(work(client, Arc::clone(&enough)));
        GoodClient { enough, working }
    }

    /// Every put and every get has succeeded, or this fails. Says how many there were.
    pub async fn ends(self, meanwhile: &str) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        let (rounds, slowest) = tokio::time::timeout(PATIENCE, self.working).await.unwrap().unwrap();
        println!("{meanwhile}: {rounds} puts and gets of a good client, the slowest in {slowest:?}");
        rounds
    }
}

async fn work(client: Client, enough: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    while rounds < ROUNDS_MIN || !enough.load(Ordering::Relaxed) {
        let began = Instant::now();
        rounds += 1;
        round(&client, rounds).await;
        slowest = slowest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (rounds, slowest)
}

async fn round(client: &Client, number: u64) {
    let value = number.to_string();
    client.put("good", value.clone()).await.unwrap();
    let read = client.get("good").await.unwrap().record.unwrap();
    assert_eq!(read.value, value);
}

/// One member with these limits.
pub async fn one_member(limits: &str) -> Cluster {
    let mut settings = Settings::of(1);
    settings.more_toml = format!("[limits]\n{limits}\n");
    Cluster::start_with(settings).await.unwrap()
}

/// Members that miss a leader after seconds: a machine with much to do lets them wait for tenths of one, strangers or not.
pub fn with_long_time_outs(settings: Settings) -> Cluster {
    let mut cluster = Cluster::prepare(settings).unwrap();
    let times = [
        ("HEARTBEAT_MS", "100"),
        ("ELECTION_MIN_MS", "2000"),
        ("ELECTION_MAX_MS", "3000"),
    ];
    let times = times.map(|(name, value)| (format!("QUORATE_RAFT_{name}"), value.to_owned()));
    for id in cluster.ids() {
        cluster.set_environment(id, times.to_vec()).unwrap();
        cluster.restart(id).unwrap();
    }
    cluster
}

/// Sum of the samples of member 1 with these labels.
pub async fn metric(cluster: &Cluster, name: &str, with: &[&str]) -> f64 {
    let address = cluster.member(1).unwrap().http_address();
    let page = MetricsPage::of(address).await.unwrap();
    page.sum(name, with).unwrap_or_default()
}

/// Waits until it is so.
pub async fn until(cluster: &Cluster, name: &str, with: &[&str], so: impl Fn(f64) -> bool) -> f64 {
    until_within(PATIENCE, cluster, name, with, so).await
}

/// The same, and that it does not take longer.
pub async fn until_within(
    time: Duration,
    cluster: &Cluster,
    name: &str,
    with: &[&str],
    so: impl Fn(f64) -> bool,
) -> f64 {
    let what = format!("{name} {with:?}");
    wait::until(&what, time, async || {
        let value = metric(cluster, name, with).await;
        if so(value) {
            Ok(value)
        } else {
            Err(format!("it is {value}"))
        }
    })
    .await
    .unwrap()
}
