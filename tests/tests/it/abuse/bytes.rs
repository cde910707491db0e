//! What many requests have together: how much of it a member keeps, and whose places it takes.

use std::time::Duration;

use h2::client::Builder;
use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::kv_client::KvClient;
use quorate_tests::cluster::{MetricsPage, Settings};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

use super::good_client::{GoodClient, metric, one_member, until, with_long_time_outs};
use super::slow::{MIB, batch, begin, connect, end_of, fill, pages, refusal};

const BYTES: &str = "quorate_requests_bytes";
const UNREAD: &str = "quorate_answers_unread_bytes";

fn put(bytes: usize) -> v1::PutRequest {
    v1::PutRequest {
        key: "much".into(),
        value: vec![7; bytes].into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_their_turn_have_no_more_bytes_than_the_limit() {
    const LIMIT: usize = 8 * MIB;
    let mut settings = Settings::of(3);
    settings.more_toml = format!("[limits]\nrequests_bytes_max = {LIMIT}\n");
    let mut cluster = with_long_time_outs(settings);
    let leader = cluster.wait_for_leader().await.unwrap();
    let member = cluster.member(leader).unwrap();
    let (address, http) = (member.client_address().to_owned(), member.http_address().to_owned());
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    KvClient::new(channel.clone()).put(put(1)).await.unwrap();

    // Nothing can be committed, so all of it stays where it is.
    let followers: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    for id in &followers {
        cluster.pause(*id).await.unwrap();
    }
    let mut puts = JoinSet::new();
    for _ in 0..40 {
        let mut kv = KvClient::new(channel.clone());
        puts.spawn(async move { kv.put(put(MIB / 2)).await.map(drop) });
    }
    let mut refused = 0;
    let refusing = async {
        // 15 of them fit.
        while refused < 40 - 15 {
            let status = puts.join_next().await.unwrap().unwrap().unwrap_err();
            let error = v1::Error::decode(status.details()).unwrap();
            assert_eq!(error.limit, LIMIT as u64, "{status:?}");
            assert!(error.value > error.limit, "{status:?}");
            assert!(status.message().contains("limits.requests_bytes_max"), "{status:?}");
            refused += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), refusing)
        .await
        .expect("they are refused at once");
    let held = MetricsPage::of(&http).await.unwrap().sum(BYTES, &[]).unwrap();
    assert!(held > (LIMIT / 2) as f64 && held <= LIMIT as f64, "{held}");

    for id in &followers {
        cluster.resume(*id).unwrap();
    }
    puts.join_all().await;
    let client = cluster.client().await.unwrap();
    client.put("room again", vec![7; MIB / 2]).await.unwrap();
    for id in cluster.ids() {
        let page = MetricsPage::of(cluster.member(id).unwrap().http_address())
            .await
            .unwrap();
        assert!(page.sum(BYTES, &[]).unwrap() < MIB as f64, "it is given back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_take_nobodys_place_among_the_calls() {
    const CALLS: usize = 3_000;
    let cluster = one_member("calls_outstanding_max = 1000").await;
    let good = GoodClient::start(&cluster).await;
    let address = cluster.member(1).unwrap().client_address();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = Builder::new();
    // Not one byte of an answer can be sent to it.
    builder.initial_window_size(0);
    let (mut requests, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (_answer, mut body) = begin(&mut requests, "/quorate.v1.Calls/Open").await;
    let get = || {
        v1::call::Request::Get(v1::GetRequest {
            key: "good".into(),
            ..Default::default()
        })
    };
    body.send_data(batch((0..CALLS).map(|_| get())), false).unwrap();
    let counted = ["method=\"Kv/Get\""];
    until(&cluster, "quorate_rpc_total", &counted, |calls| calls >= CALLS as f64).await;
    until(&cluster, "quorate_rpc_in_flight", &[], |calls| calls < 100.0).await;
    assert!(metric(&cluster, UNREAD, &[]).await > (CALLS * 100) as f64);
    cluster.client().await.unwrap().put("k", "1").await.unwrap();
    good.ends("answers that nobody reads").await;
}

/// Their clients read nothing, so the member does not look at what they ask next; and it does not keep all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests_that_cannot_be_looked_at_the_oldest_are_given_up() {
    const LIMIT: usize = 8 * MIB;
    let cluster = one_member(&format!("requests_bytes_max = {LIMIT}")).await;
    fill(&cluster).await;
    let good = GoodClient::start(&cluster).await;
    let mut deaf = Vec::new();
    for number in 1..=6_usize {
        let mut requests = connect(&cluster).await;
        let (answer, mut body) = begin(&mut requests, "/quorate.v1.Calls/Open").await;
        let range = || v1::call::Request::Range(pages());
        let before = metric(&cluster, UNREAD, &[]).await;
        body.send_data(batch((0..10).map(|_| range())), false).unwrap();
        // One page is on its way, and there is room for two more on a stream.
        let much = before + 2.95 * (4 * MIB) as f64;
        until(&cluster, UNREAD, &[], |bytes| bytes >= much).await;
        let puts = (0..3).map(|_| v1::call::Request::Put(put(MIB - 100)));
        body.send_data(batch(puts), false).unwrap();
        let there = (number.min(2) * 3 * (MIB - 100)) as f64;
        until(&cluster, BYTES, &[], |bytes| bytes >= there).await;
        deaf.push((requests, answer.await.unwrap().into_body(), body));
    }
    until(&cluster, BYTES, &[], |bytes| bytes <= LIMIT as f64).await;
    good.ends("requests that cannot be looked at").await;
    let (_requests, mut answers, _body) = deaf.remove(0);
    let end = end_of(&mut answers).await;
    let (code, said) = refusal(&end);
    assert!(code == "8" && said.contains("limits.requests_bytes_max"), "{end:?}");
}
