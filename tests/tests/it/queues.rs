//! Items of queues are done once, whoever dies meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use quorate::{Claimed, Client, ErrorKind, ItemState, NewItem, Op, OpReply, Queue, QueueConfig, QueueOpReply};
use quorate_tests::cluster::{Cluster, server_binary};
use quorate_tests::scenarios::QueueRounds;
use quorate_tests::wait;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);
/// A waiter that nobody wakes looks again after this time.
const ROUND: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_secs(1);

async fn queue_of(client: &Client, name: &str) -> Queue {
    let queue = client.queue(name);
    assert!(queue.create(QueueConfig::default()).await.unwrap());
    queue
}

async fn claim_one(queue: &Queue) -> Claimed {
    let mut claimed = queue.claim(1).wait(PATIENCE).await.unwrap();
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

#[tokio::test]
async fn waiting_claims_are_woken_by_a_push_one_for_each_item() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let waiter = cluster.client().await.unwrap();
        let before = waiter.stats().calls;
        let claiming = waiter.queue("q");
        waiting.push(tokio::spawn(async move { claim_one(&claiming).await.id() }));
        // The claim itself, and then the read that waits.
        wait::until("a claim to wait", PATIENCE, async || {
            let calls = waiter.stats().calls - before;
            (calls >= 2).then_some(()).ok_or(format!("{calls} calls"))
        })
        .await
        .unwrap();
    }
    let pushed = Instant::now();
    let items = (0..5).map(|number| NewItem::new(format!("{number}")));
    let mut expected: Vec<u64> = queue
        .push_all(items)
        .await
        .unwrap()
        .iter()
        .map(|one| one.item)
        .collect();
    let mut claimed = Vec::new();
    for waiter in waiting {
        claimed.push(waiter.await.unwrap());
    }
    assert!(
        pushed.elapsed() < ROUND / 2,
        "they were not woken: {:?}",
        pushed.elapsed()
    );
    expected.sort_unstable();
    claimed.sort_unstable();
    assert_eq!(claimed, expected);
}

#[tokio::test]
async fn a_claim_gives_up_when_its_wait_is_over() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    let began = Instant::now();
    assert!(queue.claim(1).wait(SHORT).await.unwrap().is_empty());
    assert!(began.elapsed() >= SHORT);
    let unknown = client.queue("other").claim(1).wait(PATIENCE).await.unwrap_err();
    assert_eq!(*unknown.kind(), ErrorKind::UnknownQueue);
}

#[tokio::test]
async fn an_item_comes_back_when_its_worker_dies_and_the_old_receipt_is_worth_nothing() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    // One worker is known by a lease that nobody renews, the other by the time-out of its claim alone.
    for lease in [client.grant_lease(SHORT).await.unwrap().lease, 0] {
        queue.push("work").await.unwrap();
        let visibility = if lease == 0 { SHORT } else { Duration::from_secs(3600) };
        let claim = queue.claim(1).lease(lease).visibility(visibility).worker("dies");
        let first = claim.await.unwrap().remove(0);
        assert_eq!((first.attempt(), first.checkpoint()), (1, None));
        first.save_checkpoint("half").await.unwrap();

        let second = claim_one(&queue).await;
        assert_eq!((second.id(), second.attempt()), (first.id(), 2));
        assert_eq!(second.checkpoint().map(|data| data.as_ref()), Some(b"half".as_slice()));
        assert!(second.receipt().token > first.receipt().token);
        for refused in [
            first.ack().await,
            first.extend(SHORT).await,
            first.save_checkpoint("x").await,
        ] {
            assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Fenced);
        }
        second.ack().await.unwrap();
        let gone = second.ack().await.unwrap_err();
        assert_eq!(*gone.kind(), ErrorKind::UnknownItem);
    }
}

#[tokio::test]
async fn a_transaction_acknowledges_records_and_pushes_the_next_step_or_does_none_of_it() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let fetch = queue_of(&client, "fetch").await;
    let index = queue_of(&client, "index").await;
    fetch.push("page").await.unwrap();
    let step = async |item: &Claimed| {
        client
            .txn()
            .then(Op::put("title", "Page"))
            .then(index.push_op(NewItem::new("page")))
            .then(item.ack_op())
            .await
    };
    let stale = claim_one(&fetch).await;
    assert_eq!(stale.nack().reason("not now").await.unwrap(), ItemState::Ready);
    let current = claim_one(&fetch).await;
    let before = client.get("title").await.unwrap();
    let refused = step(&stale).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Fenced);
    let after = client.get("title").await.unwrap();
    assert_eq!((after.record, after.revision), (None, before.revision));
    assert_eq!(index.stats().await.unwrap().unwrap().depth(), 0);

    let reply = step(&current).await.unwrap();
    assert_eq!(reply.revision, before.revision + 1);
    assert_eq!(reply.results[2], OpReply::Queue(QueueOpReply::Acked));
    assert_eq!(fetch.stats().await.unwrap().unwrap().depth(), 0);
    assert_eq!(claim_one(&index).await.payload().as_ref(), b"page");
    assert!(client.get("title").await.unwrap().record.is_some());
}

#[tokio::test]
async fn a_claim_is_extended_while_the_work_goes_on() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    queue.push("long").await.unwrap();
    let item = queue.claim(1).visibility(SHORT).await.unwrap().remove(0);
    let claimed = Instant::now();
    let work = wait::until("extensions", PATIENCE, async || {
        let deadline = item.deadline();
        (deadline > claimed + 3 * SHORT)
            .then_some(())
            .ok_or(format!("{deadline:?}"))
    });
    item.extend_while(work).await.unwrap().unwrap();
    item.ack().await.unwrap();

    queue.push("hopeless").await.unwrap();
    let item = claim_one(&queue).await;
    item.nack().dead().reason("by hand").await.unwrap();
    let dead = queue.peek(ItemState::Dead, 10).await.unwrap();
    assert_eq!(dead.items[0].reason, "by hand");
}

#[tokio::test]
async fn work_is_dropped_when_its_claim_is_lost() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    queue.push("work").await.unwrap();
    let item = queue.claim(1).visibility(SHORT).await.unwrap().remove(0);
    queue.nack(item.receipt()).await.unwrap();
    let lost = tokio::time::timeout(PATIENCE, item.extend_while(std::future::pending::<()>())).await;
    assert_eq!(*lost.unwrap().unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn create_replaces_the_configuration_and_create_if_missing_does_not() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = client.queue("q");
    let limit = async || queue.stats().await.unwrap().unwrap().config.attempts_max;
    assert!(
        queue
            .create_if_missing(QueueConfig::default().attempts_max(2))
            .await
            .unwrap()
    );
    assert!(!queue.create_if_missing(QueueConfig::default()).await.unwrap());
    assert_eq!(limit().await, 2);
    assert!(!queue.create(QueueConfig::default()).await.unwrap());
    assert_eq!(limit().await, 5);
}

#[tokio::test]
async fn a_shell_works_through_a_queue_and_failures_are_tried_again() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    for payload in ["a", "b", "c"] {
        queue.push(payload).await.unwrap();
    }
    // The first time, "b" fails.
    let script = "test \"$(cat)\" != b || test $QUORATE_ATTEMPT -gt 1";
    let run = tokio::process::Command::new(server_binary().unwrap())
        .args([
            "run",
            "--queue",
            "q",
            "--concurrency",
            "2",
            "--until-empty",
            "--retry-delay",
            "100ms",
        ])
        .args(["-o", "json", "--endpoints", &cluster.endpoints().join(",")])
        .args(["--", "sh", "-c", script])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, serde_json::json!({ "acked": 3, "failed": 1, "lost": 0 }));
    assert_eq!(queue.stats().await.unwrap().unwrap().depth(), 0);
}

#[tokio::test]
async fn every_item_is_acknowledged_once_whatever_happens_to_workers_and_leaders() {
    let rounds = QueueRounds {
        items: 2000,
        workers: 20,
        seed: 7,
        program: PathBuf::from(env!("CARGO_BIN_EXE_quorate-tests")),
    };
    let report = rounds.run(|line| println!("{line}")).await.unwrap();
    println!("{report}");
    assert!(report.leader_kills >= 2 && report.worker_kills >= 20, "{report}");
}
