//! Connections that want nothing.

use std::sync::Arc;
use std::time::Duration;

use quorate::Client;
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::good_client::{GoodClient, PATIENCE, metric, one_member, until};
use super::raw_http2::{ENHANCE_YOUR_CALM, Raw};

const OPEN: (&str, &[&str]) = ("quorate_connections", &["side=\"client\""]);
const TOO_MANY: (&str, &[&str]) = (
    "quorate_connections_refused_total",
    &["side=\"client\"", "reason=\"too_many\""],
);
const SILENT: (&str, &[&str]) = (
    "quorate_connections_refused_total",
    &["side=\"client\"", "reason=\"silent\""],
);
/// Connections that are made at a time.
const AT_A_TIME: usize = 64;

/// Connections that answer when the member asks whether they are there, and do nothing else. One that is lost, as happens where a
/// machine has too much to do, is made again.
async fn idle(address: &str, count: usize) -> JoinSet<()> {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut idle = JoinSet::new();
    for _ in 0..count {
        let (address, turns) = (address.to_owned(), Arc::clone(&turns));
        idle.spawn(async move {
            loop {
                let turn = turns.acquire().await.unwrap();
                let opened = Raw::open(&address).await;
                drop(turn);
                if let Ok(raw) = opened {
                    let _ = raw.idle().await;
                }
            }
        });
    }
    idle
}

fn address(cluster: &Cluster) -> String {
    cluster.member(1).unwrap().client_address().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_delay_nobody() {
    const CONNECTIONS: usize = 10_000;
    const RESIDENT: &str = "quorate_process_resident_bytes";
    let cluster = one_member("").await;
    let good = GoodClient::start(&cluster).await;
    let before = metric(&cluster, RESIDENT, &[]).await;
    let mut crowd = idle(&address(&cluster), CONNECTIONS).await;
    until(&cluster, OPEN.0, OPEN.1, |open| open >= CONNECTIONS as f64).await;
    // The member asks every 10 s who is there, and gives 5 s for the answer.
    tokio::time::sleep(Duration::from_secs(16)).await;
    let open = until(&cluster, OPEN.0, OPEN.1, |open| open >= CONNECTIONS as f64).await;
    let each = (metric(&cluster, RESIDENT, &[]).await - before) / open;
    println!("{open} idle connections take {each:.0} bytes each");
    Client::builder()
        .endpoints(cluster.endpoints())
        .connect()
        .await
        .unwrap()
        .put("another", "1")
        .await
        .unwrap();
    good.ends("idle connections").await;
    assert_eq!(metric(&cluster, TOO_MANY.0, TOO_MANY.1).await, 0.0);
    crowd.abort_all();
    while crowd.join_next().await.is_some() {}
    until(&cluster, OPEN.0, OPEN.1, |open| open < 100.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_too_many_is_told_the_limit_and_who_was_there_goes_on() {
    let cluster = one_member("connections_max = 40").await;
    let good = GoodClient::start(&cluster).await;
    let own = metric(&cluster, OPEN.0, OPEN.1).await;
    let mut crowd = idle(&address(&cluster), 40 - own as usize).await;
    until(&cluster, OPEN.0, OPEN.1, |open| open >= 40.0).await;

    let refused = Raw::open(&address(&cluster)).await.unwrap();
    let ending = refused.flood([], |_| false).await;
    let (code, said) = ending.go_away.unwrap();
    assert_eq!(code, ENHANCE_YOUR_CALM);
    assert!(
        said.contains("40 connections") && said.contains("limits.connections_max"),
        "{said}"
    );
    assert!(metric(&cluster, TOO_MANY.0, TOO_MANY.1).await >= 1.0);
    // The reason is lost where the connection ends before the SDK has begun its first call.
    wait::until("the SDK to say why", PATIENCE, async || {
        let client = Client::builder()
            .endpoints(cluster.endpoints())
            .call_timeout(Duration::from_secs(2));
        let error = client.connect().await.map(drop).unwrap_err().to_string();
        match error.contains("limits.connections_max") {
            true => Ok(()),
            false => Err(error),
        }
    })
    .await
    .unwrap();

    crowd.abort_all();
    while crowd.join_next().await.is_some() {}
    until(&cluster, OPEN.0, OPEN.1, |open| open < 20.0).await;
    cluster.client().await.unwrap().put("room", "1").await.unwrap();
    good.ends("too many connections").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_are_few_and_soon_gone() {
    // Together they would take every place there is.
    let cluster = one_member("connections_max = 1000").await;
    let good = GoodClient::start(&cluster).await;
    let mut silent = Vec::new();
    for _ in 0..2_000 {
        silent.push(TcpStream::connect(address(&cluster)).await.unwrap());
    }
    cluster.client().await.unwrap().put("let in", "1").await.unwrap();
    until(&cluster, SILENT.0, SILENT.1, |closed| closed >= 2_000.0).await;
    until(&cluster, OPEN.0, OPEN.1, |open| open < 20.0).await;
    assert_eq!(metric(&cluster, TOO_MANY.0, TOO_MANY.1).await, 0.0);
    good.ends("silent connections").await;
}
