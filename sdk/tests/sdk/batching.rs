//! Calls of many tasks travel together.

use futures::future::join_all;

use crate::fake::FakeCluster;

async fn concurrent_puts(callers: usize, each: usize) -> (u64, u64) {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("warm", "up").await.unwrap();
    let member = &cluster.members[0];
    let (messages, calls) = (member.messages(), member.calls());
    let tasks = (0..callers).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for turn in 0..each {
                client.put(format!("{caller}/{turn}"), "v").await.unwrap();
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    assert_eq!(cluster.store.lock().applied, 1 + (callers * each) as u64);
    (member.messages() - messages, member.calls() - calls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_share_far_fewer_messages() {
    let (messages, calls) = concurrent_puts(64, 50).await;
    assert_eq!(calls, 64 * 50);
    assert!(messages * 4 < calls, "{messages} messages carried {calls} calls");
}

#[tokio::test]
async fn callers_on_one_thread_share_messages_too() {
    let (messages, calls) = concurrent_puts(64, 50).await;
    assert!(messages * 8 < calls, "{messages} messages carried {calls} calls");
}

#[tokio::test]
async fn calls_beyond_the_size_of_a_message_travel_in_several() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    // 40 values of 100 kB are four messages of at most 1 MiB.
    let puts = (0..40).map(|index| client.put(format!("k{index}"), vec![7; 100_000]).into_future());
    join_all(puts).await.into_iter().for_each(|reply| {
        reply.unwrap();
    });
    assert!(cluster.members[0].messages() >= 4);
    assert_eq!(cluster.store.lock().applied, 40);
}

#[tokio::test]
async fn callers_beyond_the_limit_of_a_connection_wait_their_turn() {
    let cluster = FakeCluster::start(1).await;
    let builder = quorate::Client::builder()
        .endpoints(cluster.addresses())
        .outstanding_calls(4);
    let client = builder.connect().await.unwrap();
    client.put("warm", "up").await.unwrap();
    let calls = cluster.members[0].calls();
    cluster.members[0].hold();
    let gets = join_all((0..10).map(|_| client.get("k").into_future()));
    let check = async {
        cluster.members[0].has_calls(calls + 4).await;
        // A fifth one would have had the time of all those turns to arrive.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(cluster.members[0].calls(), calls + 4);
        cluster.members[0].release();
    };
    let (replies, ()) = tokio::join!(gets, check);
    assert!(replies.into_iter().all(|reply| reply.is_ok()));
}

#[tokio::test]
async fn large_calls_have_a_connection_of_their_own() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let streams = || {
        cluster.members[0]
            .shared
            .streams
            .load(std::sync::atomic::Ordering::SeqCst)
    };
    client.put("small", "v").await.unwrap();
    client.range(quorate::Keys::prefix("s")).limit(10).await.unwrap();
    assert_eq!(streams(), 1);
    client.put("large", vec![7; 1 << 20]).await.unwrap();
    assert_eq!(streams(), 2, "a large value does not go before small calls");
    client.range(quorate::Keys::prefix("")).await.unwrap();
    client.put("small", "w").await.unwrap();
    assert_eq!(streams(), 2);
}
