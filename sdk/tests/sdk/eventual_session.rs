//! What a client has seen goes with it from member to member, and from client to client.

use std::time::Duration;

use quorate::{CausalToken, Client, Consistency, ErrorKind};
use quorate_proto::v1;

use crate::fake::{Behaviour, FakeCluster};

async fn quick_client(cluster: &FakeCluster) -> Client {
    let builder = Client::builder().endpoints(cluster.addresses());
    builder
        .call_timeout(Duration::from_millis(300))
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_client_that_moves_to_another_member_waits_there_for_what_it_wrote() {
    let mut cluster = FakeCluster::start(2).await;
    let client = quick_client(&cluster).await;
    let eventual = client.eventual();
    assert_eq!(eventual.put("k", "mine").await.unwrap().member, 1);
    cluster.members[0].kill().await;
    let error = eventual.get("k").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Stale { limit: 0, value: 0 });
    assert!(error.is_retryable());
    cluster.replicate();
    let reply = eventual.get("k").await.unwrap();
    assert_eq!((reply.entry.unwrap().value, reply.member), ("mine".into(), 2));
}

#[tokio::test]
async fn what_was_read_at_one_member_is_not_older_at_the_next() {
    let mut cluster = FakeCluster::start(3).await;
    let writer = Client::builder()
        .endpoints([&cluster.members[2].address])
        .connect()
        .await
        .unwrap();
    writer.eventual().put("k", "new").await.unwrap();
    {
        let third = cluster.members[2].eventual();
        cluster.members[0].eventual().learn_from(&third);
    }
    let reader = quick_client(&cluster).await;
    assert!(reader.eventual().get("k").await.unwrap().entry.is_some());
    cluster.members[0].kill().await;
    cluster.members[2].kill().await;
    let error = reader.eventual().get("k").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Stale { .. }), "{error:?}");
    cluster.replicate();
    assert_eq!(reader.eventual().get("k").await.unwrap().entry.unwrap().value, "new");
}

#[tokio::test]
async fn a_client_that_stays_where_it_is_sends_no_token() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    for index in 0..5 {
        client.eventual().put(format!("k{index}"), "v").await.unwrap();
        client.eventual().get(format!("k{index}")).await.unwrap();
    }
    let store = cluster.members[0].eventual();
    assert!(
        store
            .reads
            .iter()
            .all(|options| options.token.is_empty() && options.timeout_ms == 0)
    );
    assert!(store.requests.iter().all(|request| request.token.is_empty()));
    assert_eq!((store.reads.len(), cluster.members[1].eventual_traffic().1), (5, 0));
}

#[tokio::test]
async fn a_token_that_is_handed_over_makes_the_other_client_wait_for_it() {
    let cluster = FakeCluster::start(2).await;
    let writer = Client::builder()
        .endpoints([&cluster.members[0].address])
        .connect()
        .await
        .unwrap();
    writer.put("strong", "v").await.unwrap();
    writer.eventual().put("k", "v").await.unwrap();
    let text = writer.causal_token().to_string();
    let token: CausalToken = text.parse().unwrap();
    assert_eq!((token.revision(), token.to_string()), (2, text));
    let builder = Client::builder().endpoints([&cluster.members[1].address]);
    let reader = builder
        .call_timeout(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    assert_eq!(
        reader.eventual().get("k").await.unwrap().entry,
        None,
        "it knows of nothing yet"
    );
    reader.observe(&token);
    let error = reader.eventual().get("k").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Stale { .. }));
    cluster.replicate();
    assert_eq!(reader.eventual().get("k").await.unwrap().entry.unwrap().value, "v");
    let waits = cluster.members[1].eventual().reads.last().unwrap().clone();
    assert!(
        !waits.token.is_empty() && (1..200).contains(&waits.timeout_ms),
        "{waits:?}"
    );
    reader.eventual().get("k").await.unwrap();
    assert!(
        cluster.members[1].eventual().reads.last().unwrap().token.is_empty(),
        "it has it now"
    );
    assert_eq!(reader.causal_token().revision(), 2);
}

#[tokio::test]
async fn after_a_process_that_had_the_only_copy_is_gone_the_client_is_told_once_and_goes_on() {
    let cluster = FakeCluster::start(2).await;
    let client = quick_client(&cluster).await;
    let eventual = client.eventual();
    eventual.put("k", "v").await.unwrap();
    cluster.members[0].restart_eventual();
    cluster.members[0].break_streams();
    for member in &cluster.members {
        member.eventual().gone.insert(101);
    }
    let error = eventual.get("k").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::ContextLost);
    assert!(error.is_retryable());
    assert_eq!(eventual.get("k").await.unwrap().entry, None);
}

#[tokio::test]
async fn what_others_gave_survives_the_loss_of_a_process() {
    let cluster = FakeCluster::start(2).await;
    let other = Client::builder()
        .endpoints([&cluster.members[1].address])
        .connect()
        .await
        .unwrap();
    other.eventual().put("theirs", "v").await.unwrap();
    let client = quick_client(&cluster).await;
    client.eventual().put("mine", "v").await.unwrap();
    client.observe(&other.causal_token());
    cluster.members[0].restart_eventual();
    cluster.members[0].break_streams();
    cluster.members[0].eventual().gone.insert(101);
    cluster.members[1].eventual().gone.insert(101);
    let error = client.eventual().get("theirs").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::ContextLost);
    // Wherever it reads next, the other client's write is there or awaited.
    assert_eq!(client.eventual().get("theirs").await.unwrap().entry.unwrap().value, "v");
}

#[tokio::test]
async fn a_read_that_must_be_fresh_is_answered_by_a_member_that_is() {
    let cluster = FakeCluster::start(2).await;
    let client = quick_client(&cluster).await;
    let eventual = client.eventual();
    eventual.put("k", "v").await.unwrap();
    cluster.replicate();
    cluster.members[0].eventual().age_ms = Some(5_000);
    let reply = eventual.get("k").max_age(Duration::from_millis(100)).await.unwrap();
    assert_eq!((reply.member, reply.age), (2, Some(Duration::ZERO)));
    cluster.members[1].eventual().age_ms = None;
    let error = eventual.get("k").max_age(Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Stale { .. }));
}

#[tokio::test]
async fn the_nearest_member_is_used_while_it_is_there() {
    let mut cluster = FakeCluster::start(3).await;
    let nearest = cluster.members[2].address.clone();
    let builder = Client::builder().endpoints(cluster.addresses()).nearest(nearest);
    let client = builder.connect().await.unwrap();
    assert_eq!(client.eventual().put("k", "v").await.unwrap().member, 3);
    cluster.replicate();
    cluster.members[2].kill().await;
    let elsewhere = client.eventual().put("k", "v").await.unwrap().member;
    assert_ne!(elsewhere, 3);
    assert_eq!(
        client.eventual().put("k", "v").await.unwrap().member,
        elsewhere,
        "and it stays there"
    );
}

#[tokio::test]
async fn what_becomes_of_strong_calls_does_not_move_the_client() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    client.eventual().put("k", "v").await.unwrap();
    let mut unavailable = v1::Error::default();
    unavailable.set_code(v1::ErrorCode::Unavailable);
    cluster.members[0].script([Behaviour::Refuse(unavailable)]);
    // The second member answers it, and strong calls prefer that one from now on.
    client.get("k").consistency(Consistency::Local).await.unwrap();
    assert_eq!(cluster.members[1].calls(), 1);
    assert_eq!(client.eventual().get("k").await.unwrap().member, 1);
    assert_eq!(cluster.members[1].eventual_traffic(), (0, 0), "it went there at once");
}

#[tokio::test]
async fn the_token_of_one_answer_makes_another_client_wait_for_that_and_no_more() {
    let cluster = FakeCluster::start(2).await;
    let at = |index: usize| {
        let builder = Client::builder().endpoints([&cluster.members[index].address]);
        builder.call_timeout(Duration::from_millis(300)).connect()
    };
    let (writer, reader, other) = (at(1).await.unwrap(), at(0).await.unwrap(), at(0).await.unwrap());
    let first = writer.eventual().put("k", "1").await.unwrap().token();
    {
        let second = cluster.members[1].eventual();
        cluster.members[0].eventual().learn_from(&second);
    }
    writer.eventual().put("k", "2").await.unwrap();
    let read = writer.eventual().get("k").await.unwrap().token();

    reader.observe(&first);
    assert_eq!(reader.eventual().get("k").await.unwrap().entry.unwrap().value, "1");
    other.observe(&read.to_string().parse().unwrap());
    let error = other.eventual().get("k").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Stale { .. }), "{error:?}");
    cluster.replicate();
    assert_eq!(other.eventual().get("k").await.unwrap().entry.unwrap().value, "2");
}

#[tokio::test]
async fn each_answer_of_the_strong_tier_has_a_token_too() {
    let cluster = FakeCluster::start(1).await;
    let (writer, reader) = (cluster.client().await, cluster.client().await);
    let put = writer.put("k", "v").await.unwrap();
    let get = writer.get("k").await.unwrap();
    let page = writer.range(quorate::Keys::prefix("k")).await.unwrap();
    let txn = writer.txn().then(quorate::Op::put("j", "w")).await.unwrap();
    let deleted = writer.delete("j").await.unwrap();
    let tokens = [put.token(), get.token(), page.token(), txn.token(), deleted.token()];
    assert_eq!(tokens.each_ref().map(CausalToken::revision), [2, 2, 2, 3, 4]);
    // A local read of another client waits for what the token names.
    reader.observe(&deleted.token().to_string().parse().unwrap());
    let _ = reader.get("k").consistency(Consistency::Local).await.unwrap();
    let asked = cluster.store.lock().requests.last().cloned();
    let Some(v1::call::Request::Get(asked)) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(asked.read.unwrap().min_revision, 4);
}
