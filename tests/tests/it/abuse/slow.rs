//! Clients that send too little, or read too little.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use prost::Message;
use quorate_proto::v1;
use quorate_tests::cluster::Cluster;
use tokio::net::TcpStream;

use super::good_client::{GoodClient, PATIENCE, metric, one_member, until};

const RESIDENT: &str = "quorate_process_resident_bytes";
const CUT: &str = "quorate_requests_cut_total";
pub const MIB: usize = 1 << 20;

/// A connection that takes 64 KiB, and then as much as is read.
pub async fn connect(cluster: &Cluster) -> SendRequest<Bytes> {
    let address = cluster.member(1).unwrap().client_address();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.max_send_buffer_size(8 * MIB);
    let (requests, connection) = builder.handshake(stream).await.unwrap();
    // How it ends shows at its calls.
    tokio::spawn(connection);
    requests
}

pub async fn begin(requests: &mut SendRequest<Bytes>, path: &str) -> (ResponseFuture, SendStream<Bytes>) {
    poll_fn(|task| requests.poll_ready(task)).await.unwrap();
    let request = http::Request::post(format!("http://abuse{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    requests.send_request(request.body(()).unwrap(), false).unwrap()
}

/// As it is on a stream of gRPC.
fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::from(&[0][..]);
    let length = u32::try_from(message.encoded_len()).unwrap();
    bytes.extend_from_slice(&length.to_be_bytes());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}

fn put(key: &str, value_bytes: usize) -> Bytes {
    framed(&v1::PutRequest {
        key: key.to_owned().into(),
        value: vec![7; value_bytes].into(),
        ..Default::default()
    })
}

pub async fn headers_of(answer: ResponseFuture) -> HeaderMap {
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer comes");
    answer.unwrap().into_parts().0.headers
}

/// What a stream of answers says at its end, behind any answers.
pub async fn end_of(answers: &mut RecvStream) -> HeaderMap {
    let ending = async {
        while let Some(data) = answers.data().await {
            let bytes = data.unwrap().len();
            answers.flow_control().release_capacity(bytes).unwrap();
        }
        answers.trailers().await.unwrap().unwrap()
    };
    tokio::time::timeout(PATIENCE, ending).await.expect("the stream ends")
}

/// The code of gRPC and what was said about it, where the answer is nothing else.
pub fn refusal(headers: &HeaderMap) -> (&str, &str) {
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value: &http::HeaderValue| value.to_str().unwrap())
    };
    (text("grpc-status"), text("grpc-message"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_byte_by_byte_is_answered_if_it_is_whole_in_time() {
    let cluster = one_member("").await;
    let good = GoodClient::start(&cluster).await;
    let mut requests = connect(&cluster).await;
    let (answer, mut body) = begin(&mut requests, "/quorate.v1.Kv/Put").await;
    let bytes = put("slow", 100);
    for at in 0..bytes.len() {
        body.send_data(bytes.slice(at..at + 1), at + 1 == bytes.len()).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let headers = headers_of(answer).await;
    assert_eq!(refusal(&headers), ("", ""), "what follows is the answer");
    let client = cluster.client().await.unwrap();
    assert_eq!(client.get("slow").await.unwrap().record.unwrap().value.len(), 100);
    good.ends("a slow request").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_not_whole_in_time_is_refused_with_the_limit() {
    let cluster = one_member("request_arrival_ms_max = 500").await;
    let good = GoodClient::start(&cluster).await;
    let mut requests = connect(&cluster).await;
    let half = put("half", 1_000).slice(..500);
    let mut open = Vec::new();
    for path in [
        "/quorate.v1.Kv/Put",
        "/quorate.v1.Eventual/Write",
        "/quorate.v1.Cluster/Status",
    ] {
        for begun in [half.clone(), Bytes::new()] {
            let (answer, mut body) = begin(&mut requests, path).await;
            body.send_data(begun, false).unwrap();
            open.push((answer, body));
        }
    }
    let begun = open.len();
    for (answer, _body) in open {
        let headers = headers_of(answer).await;
        let (code, said) = refusal(&headers);
        assert_eq!(code, "4", "{headers:?}");
        assert!(
            said.contains("500%20ms") && said.contains("limits.request_arrival_ms_max"),
            "{said}"
        );
    }
    // A stream of calls may say nothing for long, but not stop in the middle.
    for path in ["/quorate.v1.Calls/Open", "/quorate.v1.Eventual/Open"] {
        let (answer, mut body) = begin(&mut requests, path).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut answers = answer.await.unwrap().into_body();
        body.send_data(half.clone(), false).unwrap();
        let trailers = end_of(&mut answers).await;
        let (code, said) = refusal(&trailers);
        assert!(
            code == "4" && said.contains("limits.request_arrival_ms_max"),
            "{path}: {trailers:?}"
        );
    }
    let slow = until(&cluster, CUT, &["too_slow"], |cut| cut > begun as f64).await;
    assert_eq!(slow, begun as f64 + 2.0);
    good.ends("requests without an end").await;
}

/// It says something all the time, and never enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_byte_by_byte_for_too_long_is_refused() {
    let cluster = one_member("request_arrival_ms_max = 500").await;
    let good = GoodClient::start(&cluster).await;
    let mut requests = connect(&cluster).await;
    let (answer, mut body) = begin(&mut requests, "/quorate.v1.Kv/Put").await;
    let bytes = put("trickles", 1_000);
    let trickling = tokio::spawn(async move {
        for at in 0..bytes.len() - 1 {
            // It may be over.
            if body.send_data(bytes.slice(at..at + 1), false).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        body
    });
    // All of it would take 20 s.
    let headers = tokio::time::timeout(Duration::from_secs(10), headers_of(answer)).await;
    let headers = headers.expect("it is refused while it trickles");
    assert_eq!(refusal(&headers).0, "4", "{headers:?}");
    trickling.abort();
    good.ends("a request that trickles").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_that_do_not_end_the_oldest_are_given_up() {
    const HALVES: usize = 60;
    let cluster = one_member("arriving_bytes_max = 8388608").await;
    let good = GoodClient::start(&cluster).await;
    let client = cluster.client().await.unwrap();
    let almost = put("half", MIB - 100);
    let almost = almost.slice(..almost.len() - 1);
    let mut open = Vec::new();
    for _ in 0..HALVES {
        let mut requests = connect(&cluster).await;
        let (answer, mut body) = begin(&mut requests, "/quorate.v1.Kv/Put").await;
        body.send_data(almost.clone(), false).unwrap();
        open.push((requests, answer, body));
        client.put("whole", vec![1; MIB / 2]).await.unwrap();
    }
    until(&cluster, CUT, &["pushed_out"], |cut| cut >= (HALVES - 10) as f64).await;
    let (_requests, first, _body) = open.remove(0);
    let headers = headers_of(first).await;
    let (code, said) = refusal(&headers);
    assert_eq!(code, "8", "{headers:?}");
    assert!(
        said.contains("8388608") && said.contains("limits.arriving_bytes_max"),
        "{said}"
    );
    // The newest may go on.
    let (_requests, last, mut body) = open.pop().unwrap();
    body.send_data(Bytes::from_static(&[7]), true).unwrap();
    let headers = headers_of(last).await;
    assert_eq!(refusal(&headers), ("", ""));
    good.ends("halves of requests").await;
}

/// All records together: 4 MiB, which is a page.
pub async fn fill(cluster: &Cluster) {
    let client = cluster.client().await.unwrap();
    for number in 0..5 {
        client.put(format!("page/{number}"), vec![7; MIB - 100]).await.unwrap();
    }
}

pub fn pages() -> v1::RangeRequest {
    let kind = Some(v1::key_selector::Kind::Prefix("page/".into()));
    v1::RangeRequest {
        keys: Some(v1::KeySelector { kind }),
        ..Default::default()
    }
}

/// One message of a stream of calls.
pub fn batch(requests: impl Iterator<Item = v1::call::Request>) -> Bytes {
    let calls = requests.zip(0..).map(|(request, id)| v1::Call {
        id,
        timeout_ms: 0,
        request: Some(request),
    });
    framed(&v1::CallBatch { calls: calls.collect() })
}

/// Calls on one stream whose answers together would be 8 GiB.
async fn ask_for_pages(requests: &mut SendRequest<Bytes>) -> (RecvStream, SendStream<Bytes>) {
    let (answer, mut body) = begin(requests, "/quorate.v1.Calls/Open").await;
    let request = || v1::call::Request::Range(pages());
    body.send_data(batch((0..2_000).map(|_| request())), false).unwrap();
    (answer.await.unwrap().into_body(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_not_made() {
    let cluster = one_member("").await;
    fill(&cluster).await;
    let good = GoodClient::start(&cluster).await;
    let before = metric(&cluster, RESIDENT, &[]).await;
    let mut requests = connect(&cluster).await;
    let (mut answers, _body) = ask_for_pages(&mut requests).await;
    until(&cluster, "quorate_answers_unread_bytes", &[], |bytes| {
        bytes > (4 * MIB) as f64
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let unread = metric(&cluster, "quorate_answers_unread_bytes", &[]).await;
    let grown = metric(&cluster, RESIDENT, &[]).await - before;
    println!("{unread} bytes are unread, memory grew by {grown}");
    assert!(unread < (64 * MIB) as f64, "{unread} bytes are unread");
    assert!(grown < (256 * MIB) as f64, "memory grew by {grown}");

    // It has not been forgotten: once it reads, they come.
    let mut came = 0;
    while came < 64 * MIB {
        let data = tokio::time::timeout(PATIENCE, answers.data())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        answers.flow_control().release_capacity(data.len()).unwrap();
        came += data.len();
    }
    good.ends("unread answers").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_much_is_unread_the_connection_goes_whose_client_reads_nothing() {
    let cluster = one_member("answers_unread_bytes_max = 33554432").await;
    fill(&cluster).await;
    let good = GoodClient::start(&cluster).await;
    let client = cluster.client().await.unwrap();
    let before = metric(&cluster, RESIDENT, &[]).await;
    let mut deaf = Vec::new();
    for _ in 0..40 {
        // Some ask on a stream of calls, some each page for itself.
        let mut requests = connect(&cluster).await;
        let stream = ask_for_pages(&mut requests).await;
        let mut singles = Vec::new();
        for _ in 0..4 {
            let (answer, mut body) = begin(&mut requests, "/quorate.v1.Kv/Range").await;
            // The connection may be cut already.
            let _ = body.send_data(framed(&pages()), true);
            singles.push((answer, body));
        }
        deaf.push((requests, stream, singles));
        let page = client.range(quorate::Keys::prefix("page/")).await.unwrap();
        assert!(!page.records.is_empty());
    }
    let unread = until(&cluster, "quorate_answers_unread_bytes", &[], |bytes| {
        bytes < (64 * MIB) as f64
    })
    .await;
    let grown = metric(&cluster, RESIDENT, &[]).await - before;
    println!("{unread} bytes are unread, memory grew by {grown}");
    // What is kept for forty connections is little; what answers took while they were made goes back a moment later.
    assert!(grown < (1024 * MIB) as f64, "memory grew by {grown}");
    until(&cluster, RESIDENT, &[], |bytes| bytes - before < (400 * MIB) as f64).await;
    let open = metric(&cluster, "quorate_connections", &["side=\"client\""]).await;
    assert!(open < 30.0, "{open} connections are open");
    good.ends("clients that read nothing").await;
    drop(deaf);
    until(&cluster, "quorate_answers_unread_bytes", &[], |bytes| bytes == 0.0).await;
}
