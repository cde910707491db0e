//! Strangers at the port of the members.

use std::time::Duration;

use quorate_tests::cluster::{Cluster, MetricsPage, Settings};
use quorate_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::good_client::{GoodClient, with_long_time_outs};
use super::raw_http2::Raw;

/// More than a member keeps.
const STRANGERS: usize = 3_000;

/// Those who have not said anything yet, 512 at most and for seconds; strangers, 128; those whom nobody has taken yet; and
/// members.
const THERE_MAX: f64 = 512.0 + 128.0 + 64.0 + 40.0;

/// Of them, without those who never say anything.
const STAYING_MAX: f64 = 128.0 + 64.0 + 40.0;

const PATIENCE: Duration = Duration::from_secs(30);

async fn connections(cluster: &Cluster, id: u64) -> f64 {
    let page = MetricsPage::of(cluster.member(id).unwrap().http_address())
        .await
        .unwrap();
    page.sum("quorate_connections", &["side=\"peer\""]).unwrap()
}

async fn term_of(cluster: &Cluster, id: u64) -> u64 {
    cluster.status(id).await.unwrap().header.unwrap().raft_term
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_connect_many_times_do_not_keep_members_from_each_other() {
    let mut cluster = with_long_time_outs(Settings::of(3));
    let leader = cluster.wait_for_leader().await.unwrap();
    let term = term_of(&cluster, leader).await;
    let follower = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let good = GoodClient::start(&cluster).await;
    let port = cluster.member(leader).unwrap().peer_address().to_owned();
    let mut strangers = JoinSet::new();
    let mut silent = Vec::new();
    for number in 0..STRANGERS {
        strangers.spawn(Raw::open(&port).await.unwrap().idle());
        if number % 3 == 0 {
            silent.push(TcpStream::connect(&port).await.unwrap());
        }
    }
    let open = connections(&cluster, leader).await;
    println!("{STRANGERS} strangers at the port of members, {open} are there");
    assert!(open < THERE_MAX, "{open} are there");
    wait::until("those who say nothing to be gone", PATIENCE, async || {
        let open = connections(&cluster, leader).await;
        if open < STAYING_MAX { Ok(()) } else { Err(open) }
    })
    .await
    .unwrap();

    // A member that comes back finds the way to the one with the strangers, and it to the member.
    cluster.kill9(follower).unwrap();
    cluster.restart(follower).unwrap();
    cluster.wait_for_equal_state().await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..200 {
        client.put("k", number.to_string()).await.unwrap();
    }
    good.ends("strangers at the port of members").await;
    cluster.wait_for_equal_state().await.unwrap();
    assert_eq!(
        term_of(&cluster, leader).await,
        term,
        "nobody had to stand for election"
    );
    assert_eq!(cluster.leader().await, Some(leader));
    drop((strangers, silent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_something_else_at_the_port_of_members_is_told_so() {
    let cluster = Cluster::start(1).await.unwrap();
    let mut stream = TcpStream::connect(cluster.member(1).unwrap().peer_address())
        .await
        .unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("listen_http"),
        "{answer}"
    );
}
