//! What is no call, or more than one may be.

use std::future::poll_fn;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::good_client::{GoodClient, metric, one_member, until};
use super::raw_http2::{
    CONTINUATION, DATA, Ending, HEADERS, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, call, frame, header,
};
use super::slow::{begin, connect, headers_of, refusal};

/// What each connection sends behind the preface, and what comes of it.
async fn ending(address: &str, pieces: Vec<Vec<u8>>, enough: impl Fn(&Ending) -> bool) -> Ending {
    Raw::open(address).await.unwrap().flood(pieces, enough).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_are_too_large_are_refused() {
    let cluster = one_member("header_bytes_max = 8192").await;
    let good = GoodClient::start(&cluster).await;

    // One that is large, and many that are small: HTTP/2 counts 32 bytes for each besides its own.
    let mut requests = connect(&cluster).await;
    for (count, value_bytes) in [(1, 8_000), (230, 1)] {
        poll_fn(|task| requests.poll_ready(task)).await.unwrap();
        let mut request =
            http::Request::post("http://abuse/quorate.v1.Kv/Get").header("content-type", "application/grpc");
        for number in 0..count {
            request = request.header(format!("x-{number}"), "y".repeat(value_bytes));
        }
        let (answer, _) = requests.send_request(request.body(()).unwrap(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 431, "{count} headers of {value_bytes} bytes");
    }
    good.ends("headers that are too large").await;
}

/// They go on and on, in pieces of any size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_never_end_end_the_connection() {
    let cluster = one_member("header_bytes_max = 8192").await;
    let address = cluster.member(1).unwrap().client_address().to_owned();
    let good = GoodClient::start(&cluster).await;
    let resident = metric(&cluster, "quorate_process_resident_bytes", &[]).await;
    for piece_bytes in [1, 100, 16_384] {
        let piece = header("x", &"y".repeat(16_000));
        let begin = frame(HEADERS, 0, 1, &call("/quorate.v1.Kv/Get"));
        let more = piece.chunks(piece_bytes).cycle().take(20_000);
        let more = more.map(|piece| frame(CONTINUATION, 0, 1, piece));
        let pieces: Vec<Vec<u8>> = std::iter::once(begin).chain(more).collect();
        let cut = ending(&address, pieces, |ending| ending.go_away.is_some()).await;
        println!("headers without an end, {piece_bytes} bytes a piece: {cut:?}");
        assert!(cut.go_away.is_some() || cut.closed, "{cut:?}");
    }
    let left = metric(&cluster, "quorate_process_resident_bytes", &[]).await - resident;
    assert!(left < (64 << 20) as f64, "{left} bytes were left");
    good.ends("headers without an end").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_something_else_is_told_what_is_spoken_here() {
    let cluster = one_member("").await;
    let address = cluster.member(1).unwrap().client_address().to_owned();
    let good = GoodClient::start(&cluster).await;
    for said in [
        &b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"\0\0\0\0",
        b"SSH-2.0-x\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("gRPC") && answer.contains("listen_http"), "{answer}");
    }
    let not_http2 = &["side=\"client\"", "reason=\"not_http2\""];
    assert_eq!(
        metric(&cluster, "quorate_connections_refused_total", not_http2).await,
        3.0
    );
    good.ends("other protocols").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_ends_its_own_connection_and_no_other() {
    let cluster = one_member("").await;
    let address = cluster.member(1).unwrap().client_address().to_owned();
    let pid = cluster.member(1).unwrap().pid();
    let good = GoodClient::start(&cluster).await;
    let mut random = SmallRng::seed_from_u64(2026);
    for _ in 0..200 {
        let mut bytes = vec![0; random.random_range(1..4_000)];
        random.fill_bytes(&mut bytes);
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // It may be closed before it is through.
        let _ = stream.write_all(&bytes).await;
    }
    // Frames that are none, behind a beginning that is right: of a kind, of a stream or with contents that cannot be.
    for kind in [DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, CONTINUATION, 77] {
        for stream in [0, 1, 2] {
            let mut payload = vec![0; random.random_range(1..4_000)];
            random.fill_bytes(&mut payload);
            let bytes = frame(kind, random.random(), stream, &payload);
            let raw = Raw::open(&address).await.unwrap();
            // A frame of an unknown kind is to be ignored.
            raw.flood([bytes], |ending| ending.acks > 0).await;
        }
    }
    // A message that says it is 4 GiB, one that says it is packed, and one that is none.
    for (message, code, why) in [
        ([0, 255, 255, 255, 255, 1], "11", "too%20large"),
        ([1, 0, 0, 0, 1, 1], "13", "compressed"),
        ([0, 0, 0, 0, 1, 255], "13", "decode"),
    ] {
        let mut requests = connect(&cluster).await;
        let (answer, mut body) = begin(&mut requests, "/quorate.v1.Kv/Put").await;
        // The member need not wait for what is announced and not there.
        body.send_data(Bytes::copy_from_slice(&message), false).unwrap();
        let headers = headers_of(answer).await;
        let (refused, said) = refusal(&headers);
        assert!(refused == code && said.contains(why), "{message:?}: {headers:?}");
    }
    assert_eq!(cluster.member(1).unwrap().pid(), pid);
    until(&cluster, "quorate_connections", &["side=\"client\""], |open| {
        open < 20.0
    })
    .await;
    good.ends("garbage").await;
}
