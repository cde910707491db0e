//! Much of what costs the sender little: streams that are taken back at once, pings, settings.

use super::good_client::{GoodClient, metric, one_member, until};
use super::raw_http2::{
    END_HEADERS, ENHANCE_YOUR_CALM, Ending, HEADERS, PING, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, call, frame,
};

const RESIDENT: &str = "quorate_process_resident_bytes";
/// What a flood may leave behind in memory: buffers and what the allocator keeps, and nothing for each of its frames.
const LEFT_BYTES_MAX: f64 = (64 << 20) as f64;

/// Of this many connections, one after the other, each sends `pieces`.
async fn flood(
    name: &str,
    connections: usize,
    pieces: impl Fn() -> Vec<Vec<u8>>,
    enough: impl Fn(&Ending) -> bool + Copy,
) -> Vec<Ending> {
    let cluster = one_member("streams_max = 100").await;
    let good = GoodClient::start(&cluster).await;
    let pid = cluster.member(1).unwrap().pid();
    let before = metric(&cluster, RESIDENT, &[]).await;
    let mut endings = Vec::new();
    for _ in 0..connections {
        let raw = Raw::open(cluster.member(1).unwrap().client_address()).await.unwrap();
        endings.push(raw.flood(pieces(), enough).await);
    }
    let left = metric(&cluster, RESIDENT, &[]).await - before;
    good.ends(name).await;
    let last = endings
        .last()
        .map(|ending| (&ending.go_away, ending.answers, ending.resets, ending.acks));
    println!("{name}: {last:?}, {left} bytes left");
    assert_eq!(cluster.member(1).unwrap().pid(), pid, "it is the same process");
    assert!(left < LEFT_BYTES_MAX, "{left} bytes were left");
    until(&cluster, "quorate_rpc_in_flight", &[], |calls| calls == 0.0).await;
    until(&cluster, "quorate_connections", &["side=\"client\""], |open| {
        open < 20.0
    })
    .await;
    endings
}

/// The member had enough. What it said last may be lost, since it closes while more is on its way to it.
#[track_caller]
fn assert_cut(ending: &Ending) {
    let calm = ending
        .go_away
        .as_ref()
        .is_none_or(|(code, _)| *code == ENHANCE_YOUR_CALM);
    assert!(ending.closed && calm, "{ending:?}");
}

/// Odd numbers from 1 on, as clients count.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

/// Each request is complete, and taken back before it can be answered: CVE-2023-44487.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_taken_back_at_once_end_the_connection() {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let headers = call("/quorate.v1.Kv/Get");
    let pieces = || {
        let taken_back = |stream| {
            let mut bytes = frame(HEADERS, END_HEADERS, stream, &headers);
            bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL));
            bytes
        };
        let all: Vec<u8> = streams(10_000).flat_map(taken_back).collect();
        all.chunks(64 << 10).map(<[u8]>::to_vec).collect()
    };
    let endings = flood("reset flood", 10, pieces, |_| false).await;
    for ending in endings {
        assert_cut(&ending);
    }
}

/// Each stream breaks a rule, so that the member has to take it back itself: CVE-2025-8671.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_the_member_is_made_to_take_back_end_the_connection() {
    const MORE_THAN_THERE_CAN_BE: [u8; 4] = [127, 255, 255, 255];
    let headers = call("/quorate.v1.Kv/Get");
    let pieces = || {
        let broken = |stream| {
            let mut bytes = frame(HEADERS, END_HEADERS, stream, &headers);
            bytes.extend(frame(WINDOW_UPDATE, 0, stream, &MORE_THAN_THERE_CAN_BE));
            bytes
        };
        streams(5_000).map(broken).collect()
    };
    let endings = flood("made resets", 3, pieces, |_| false).await;
    for ending in endings {
        assert_cut(&ending);
        assert!(ending.resets <= 2_000, "{} streams were taken back", ending.resets);
    }
}

/// More streams at once than one connection may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_the_limit_of_a_connection_are_refused_and_who_goes_on_is_cut() {
    const STREAMS: u32 = 3_000;
    let headers = call("/quorate.v1.Calls/Open");
    let pieces = || {
        streams(STREAMS)
            .map(|stream| frame(HEADERS, END_HEADERS, stream, &headers))
            .collect()
    };
    let endings = flood("too many streams", 2, pieces, |_| false).await;
    for ending in endings {
        assert!(ending.answers <= 100 + 1 && ending.resets > 0, "{ending:?}");
        assert_cut(&ending);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_and_settings_are_confirmed_one_by_one_and_not_kept() {
    const FRAMES: usize = 50_000;
    let numbers = || 0..FRAMES as u64;
    let pings: Vec<u8> = numbers()
        .flat_map(|number| frame(PING, 0, 0, &number.to_be_bytes()))
        .collect();
    let settings = frame(SETTINGS, 0, 0, &[]).repeat(FRAMES);
    // Each connection begins with settings of its own.
    let acks = FRAMES + 1;
    for all in [pings, settings] {
        let pieces = || all.chunks(64 << 10).map(<[u8]>::to_vec).collect();
        let confirmed = |ending: &Ending| ending.acks >= acks;
        let endings = flood("frames to confirm", 3, pieces, confirmed).await;
        for ending in endings {
            assert_eq!(ending.acks, acks, "closed: {}", ending.closed);
            assert!(ending.pongs.is_empty() || ending.pongs.iter().copied().eq(numbers()));
        }
    }
}

/// The same, by a client that reads nothing: what waits for it must not grow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_no_confirmations_is_not_read_from() {
    use tokio::io::AsyncWriteExt;

    let cluster = one_member("").await;
    let good = GoodClient::start(&cluster).await;
    let before = metric(&cluster, RESIDENT, &[]).await;
    let all = frame(PING, 0, 0, &[7; 8]).repeat(4_096);
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::open(cluster.member(1).unwrap().client_address()).await.unwrap();
        let mut sent = 0_usize;
        // 64 MiB and more fit into no buffer of the system: it stops taking them, or closes the connection.
        while sent < 64 << 20 {
            let sending = tokio::time::timeout(std::time::Duration::from_secs(2), raw.writing.write_all(&all));
            match sending.await {
                Ok(Ok(())) => sent += all.len(),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        assert!(sent < 64 << 20, "it took all of it");
        deaf.push(raw);
    }
    let left = metric(&cluster, RESIDENT, &[]).await - before;
    println!("clients that read no confirmations: {left} bytes");
    assert!(left < LEFT_BYTES_MAX, "{left} bytes were left");
    good.ends("clients that read nothing").await;
}
