//! What a member of the eventual tier takes from those who say that they are its peers, and what not.

use std::time::Duration;

use quorate_proto::internal as proto;
use quorate_proto::internal::eventual_client::EventualClient;
use quorate_proto::internal::push_message::Message;
use quorate_proto::internal::raft_client::RaftClient;
use quorate_tests::cluster::{Cluster, Network, Settings};
use quorate_tests::wait;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const PATIENCE: Duration = Duration::from_secs(20);

/// Who a member is.
async fn identity(cluster: &Cluster, id: u64) -> proto::IdentifyResponse {
    let mut raft = RaftClient::new(channel(cluster, id).await);
    let request = proto::IdentifyRequest {
        adopt_cluster_id: 0,
        from: 0,
        expected_member_id: id,
    };
    raft.identify(request).await.unwrap().into_inner()
}

async fn channel(cluster: &Cluster, id: u64) -> Channel {
    let address = format!("http://{}", cluster.member(id).unwrap().peer_address());
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

/// A call as `from` would make it to `to`.
fn stamped<T>(message: T, cluster_id: u64, from: &proto::IdentifyResponse, to: &proto::IdentifyResponse) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("quorate-cluster-id", cluster_id.into());
    metadata.insert("quorate-from", from.member_id.into());
    metadata.insert("quorate-from-directory", from.directory_id.into());
    metadata.insert("quorate-to", to.member_id.into());
    metadata.insert("quorate-to-directory", to.directory_id.into());
    request
}

/// Opens a stream, sends this behind a hello, and returns how the stream ended.
async fn push(
    cluster: &Cluster,
    cluster_id: u64,
    from: &proto::IdentifyResponse,
    to: &proto::IdentifyResponse,
    message: Message,
) -> Status {
    let mut client = EventualClient::new(channel(cluster, to.member_id).await);
    let hello = Message::Hello(proto::PushHello { process: 4711 });
    let (outbox, messages) = tokio::sync::mpsc::channel(2);
    for message in [hello, message] {
        let sent = outbox.send(proto::PushMessage { message: Some(message) }).await;
        sent.unwrap();
    }
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let opened = client.push(stamped(messages, cluster_id, from, to)).await;
    let mut answers = match opened {
        Ok(answers) => answers.into_inner(),
        Err(status) => return status,
    };
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            match answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok("it was closed"),
                Err(status) => return status,
            }
        }
    });
    // The side that sends stays open all the while.
    let status = ended.await.unwrap();
    drop(outbox);
    status
}

fn damaged_frames() -> Message {
    // A length, a checksum that is none of the body, and a body.
    let frames = [&8_u32.to_le_bytes()[..], &[0; 8], &[1; 8]].concat();
    Message::Frames(frames.into())
}

#[tokio::test]
async fn a_damaged_frame_ends_the_stream_and_the_next_one_brings_what_is_missing() {
    let mut cluster = Cluster::start(2).await.unwrap();
    let (one, two) = (identity(&cluster, 1).await, identity(&cluster, 2).await);
    let client = cluster.client_of(1).await.unwrap();
    let before = client.eventual().put("before", "v").acks(2).await.unwrap();
    assert_eq!(before.acked, 2);
    cluster.kill9(2).unwrap();
    let ended = push(&cluster, one.cluster_id, &two, &one, damaged_frames()).await;
    assert_eq!(ended.code(), Code::DataLoss, "{ended}");
    let log = std::fs::read_to_string(cluster.member(1).unwrap().log()).unwrap();
    assert!(log.contains("a frame of a peer cannot be used"), "{log}");
    client.eventual().put("meanwhile", "w").await.unwrap();

    cluster.restart(2).unwrap();
    let other = wait::until("the member to be back", PATIENCE, async || cluster.client_of(2).await);
    let other = other.await.unwrap();
    wait::until("what was written meanwhile", PATIENCE, async || {
        let reply = other
            .eventual()
            .get("meanwhile")
            .await
            .map_err(|error| error.to_string())?;
        reply.entry.map(|entry| entry.value).ok_or("it is not there".to_owned())
    })
    .await
    .unwrap();
    let entry = other.eventual().get("before").await.unwrap().entry.unwrap();
    assert_eq!(entry.value, "v");
    let endpoint = cluster.member(1).unwrap().client_address();
    assert_eq!(
        client
            .eventual_admin()
            .sync_status(endpoint)
            .await
            .unwrap()
            .diverged_shards,
        0
    );
}

#[tokio::test]
async fn frames_before_a_hello_and_messages_of_nothing_end_the_stream() {
    let mut cluster = Cluster::start(2).await.unwrap();
    let (one, two) = (identity(&cluster, 1).await, identity(&cluster, 2).await);
    cluster.kill9(2).unwrap();
    let mut client = EventualClient::new(channel(&cluster, 1).await);
    for message in [Some(damaged_frames()), None] {
        let messages = tokio_stream::iter([proto::PushMessage { message }]);
        let request = stamped(messages, one.cluster_id, &two, &one);
        let mut answers = client.push(request).await.unwrap().into_inner();
        let ended = loop {
            match answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it was taken"),
                Err(status) => break status,
            }
        };
        assert!(
            matches!(ended.code(), Code::InvalidArgument | Code::DataLoss),
            "{ended}"
        );
    }
}

#[tokio::test]
async fn a_peer_of_another_cluster_or_of_another_directory_is_refused() {
    let cluster = Cluster::start(2).await.unwrap();
    let (one, two) = (identity(&cluster, 1).await, identity(&cluster, 2).await);
    let foreign = push(&cluster, one.cluster_id + 1, &two, &one, damaged_frames()).await;
    assert_eq!(foreign.code(), Code::FailedPrecondition, "{foreign}");
    assert!(foreign.message().contains("cluster"), "{foreign}");
    let copied = proto::IdentifyResponse {
        directory_id: two.directory_id + 1,
        ..two.clone()
    };
    let refused = push(&cluster, one.cluster_id, &copied, &one, damaged_frames()).await;
    assert!(
        matches!(refused.code(), Code::FailedPrecondition | Code::PermissionDenied),
        "{refused}"
    );
    let stranger = proto::IdentifyResponse { member_id: 9, ..two };
    let unknown = push(&cluster, one.cluster_id, &stranger, &one, damaged_frames()).await;
    assert_eq!(unknown.code(), Code::Unavailable, "{unknown}");
}

#[tokio::test]
async fn what_a_dead_process_wrote_is_not_lost_while_one_member_has_it_and_comes_to_all_when_they_say_that_they_are_even()
 {
    if let Err(reason) = Network::possible() {
        eprintln!("skipped: {reason}");
        return;
    }
    let mut cluster = Cluster::start_with(Settings::of(3).in_own_network()).await.unwrap();
    let mut clients = Vec::new();
    for id in cluster.ids() {
        clients.push(cluster.client_of(id).await.unwrap());
    }
    let admin = clients[1].eventual_admin();
    let address = |cluster: &Cluster, id| cluster.member(id).unwrap().client_address().to_owned();
    let (one, two) = (address(&cluster, 1), address(&cluster, 2));
    wait::until("the members to be even", PATIENCE, async || {
        admin.sync_force(&two, Duration::from_secs(2)).await
    })
    .await
    .unwrap();
    cluster.cut(1, &[2]).unwrap();
    wait::until("2 to be out of reach", PATIENCE, async || {
        let status = admin.sync_status(&one).await.map_err(|error| error.to_string())?;
        let apart = status.peers.iter().any(|peer| peer.member == 2 && !peer.connected);
        apart.then_some(()).ok_or(format!("{status:?}"))
    })
    .await
    .unwrap();
    // Volatile, so that it does not come back with the process.
    let put = clients[0]
        .eventual_in("cache")
        .put("k", "at 1 and 3")
        .acks(2)
        .await
        .unwrap();
    assert_eq!(put.acked, 2);
    clients[1].observe(&clients[0].causal_token());
    cluster.kill9(1).unwrap();
    cluster.heal().unwrap();
    cluster.restart(1).unwrap();

    let (forced, read) = tokio::join!(
        wait::until("the members to be even", PATIENCE, async || {
            admin.sync_force(&two, Duration::from_secs(2)).await
        }),
        async {
            let get = clients[1].eventual_in("cache").get("k");
            get.timeout(PATIENCE).await
        },
    );
    forced.unwrap();
    let without_token = cluster.client_of(2).await.unwrap();
    let plain = without_token.eventual_in("cache").get("k").await.unwrap().entry;
    assert_eq!(
        plain.map(|entry| entry.value),
        Some("at 1 and 3".into()),
        "2 says that it is even"
    );
    assert_eq!(read.unwrap().entry.unwrap().value, "at 1 and 3");
}
