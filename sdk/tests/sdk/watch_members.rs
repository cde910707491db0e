//! Members that a watch cannot be opened at, or that are slow to say how they are.

use prost::Message;
use quorate::{Client, ErrorKind};
use quorate_proto::v1;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::fake::{FakeCluster, WatchScript, refusal};
use crate::watch::{quick_client, revisions, until, write};

/// The address of something that takes in `bytes` of each connection, and closes it.
async fn hangs_up_after(bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut taken = vec![0; bytes];
            let _ = connection.read_exact(&mut taken).await;
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_ends_while_a_stream_is_opened_is_a_member_that_was_lost() {
    // At once, in the greeting, and when the stream has been asked for.
    for bytes in [0, 24, 100] {
        let cluster = FakeCluster::start(1).await;
        let mut addresses = cluster.addresses();
        addresses.push(hangs_up_after(bytes).await);
        let client = Client::builder().endpoints(addresses).connect().await.unwrap();
        // Sent away by the one, it tries the other.
        let refused = refusal(v1::ErrorCode::Unavailable, 0);
        cluster.members[0].script_watches(|script| script.refuse.push_back(refused));
        let mut watch = client.watch("jobs/*").await.unwrap();
        assert!(client.stats().watch_retries >= 2, "after {bytes} bytes");
        write(&client, 1).await;
        assert_eq!(revisions(&mut watch, 1).await, [2]);
    }
}

#[tokio::test]
async fn a_stream_that_is_refused_without_a_reason_of_the_member_is_opened_again() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let member = &cluster.members[0];
    let mut watch = client.watch("jobs/*").await.unwrap();
    let codes = [
        Code::Unknown,
        Code::Internal,
        Code::ResourceExhausted,
        Code::InvalidArgument,
        Code::PermissionDenied,
    ];
    for (code, revision) in codes.into_iter().zip(2..) {
        member.script_watches(|script| script.fail_open.push_back(Status::new(code, "by a proxy")));
        member.break_streams();
        until("the stream is asked for again", || {
            member.shared.watches.lock().fail_open.is_empty()
        })
        .await;
        write(&client, 1).await;
        assert_eq!(revisions(&mut watch, 1).await, [revision], "{code:?}");
    }
}

#[tokio::test]
async fn calls_go_on_at_an_address_where_streams_of_watches_are_refused() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let script = || cluster.members[0].shared.watches.lock();
    script().fail_open = vec![Status::permission_denied("by a proxy"); 1_000].into();
    let opening = tokio::spawn(client.watch("jobs/*").into_future());
    until("the stream is refused again and again", || {
        script().fail_open.len() < 996
    })
    .await;
    let last = write(&client, 3).await;
    assert_eq!(client.stats().retries, 0);
    script().fail_open.clear();
    let mut watch = opening.await.unwrap().unwrap();
    write(&client, 1).await;
    assert_eq!(revisions(&mut watch, 1).await, [last + 1]);
}

#[tokio::test]
async fn a_members_own_answer_to_a_stream_is_believed() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let details = refusal(v1::ErrorCode::WrongCluster, 0).encode_to_vec();
    let wrong = Status::with_details(Code::FailedPrecondition, "of another cluster", details.into());
    let unknown = Status::unimplemented("an older version");
    for (status, kind) in [(wrong, ErrorKind::WrongCluster), (unknown, ErrorKind::Unimplemented)] {
        cluster.members[0].script_watches(|script| script.fail_open.push_back(status));
        let error = client.watch("jobs/*").await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{error:?}");
    }
}

#[tokio::test]
async fn a_member_where_watches_read_up_on_history_for_long_is_not_left() {
    let cluster = FakeCluster::start(3).await;
    let client = quick_client(&cluster).await;
    for member in &cluster.members {
        member.script_watches(|script| script.catching_up = true);
    }
    write(&client, 3).await;
    let mut watch = client.watch("jobs/*").from(1).await.unwrap();
    let serves = |script: &WatchScript| script.streams == 1;
    let member = cluster
        .members
        .iter()
        .find(|member| serves(&member.shared.watches.lock()));
    let member = member.unwrap();
    until("it has been asked again and again", || {
        member.shared.watches.lock().probes() >= 5
    })
    .await;
    assert_eq!((client.stats().watch_retries, watch.position()), (0, 0));
    member.script_watches(|script| script.catching_up = false);
    assert_eq!(revisions(&mut watch, 3).await, [2, 3, 4]);
    assert_eq!(client.stats().watch_retries, 0);
}
