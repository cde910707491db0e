//! Items of queues are done once, whoever dies meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use quorate::{
    Claimed, Client, ErrorKind, ItemState, NewItem, Op, OpReply, Queue, QueueConfig, QueueOpReply, SyncQueue,
};
use quorate_tests::cluster::{Cluster, server_binary};
use quorate_tests::scenarios::QueueRounds;
use quorate_tests::wait;
use tokio::sync::Barrier;
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
async fn a_snapshot_is_of_one_revision_though_it_takes_several_pages_and_the_queue_changes() {
    const ITEMS: usize = 2_500;
    const CHANGES: u64 = 20;
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = client.queue("q");
    let all = (0..ITEMS).fold(SyncQueue::new(0), |wanted, number| {
        wanted.enqueue(NewItem::new(number.to_string()))
    });
    let made = queue.sync(all).await.unwrap();
    assert!(made.new && made.pushed.len() == ITEMS);
    let changer = cluster.client().await.unwrap().queue("q");
    let changing = tokio::spawn(async move {
        let mut revision = made.revision;
        // One goes and one comes: a snapshot that is a mixture has one too many or too few, or one that is gone.
        for change in 0..CHANGES {
            let first = changer.peek(ItemState::Ready, 1).await.unwrap().items.remove(0);
            let wanted = SyncQueue::new(revision).remove(&first);
            let wanted = wanted.enqueue(NewItem::new(format!("new {change}")));
            revision = changer.sync(wanted).await.unwrap().revision;
        }
        revision
    });
    let mut last = 0;
    while !changing.is_finished() {
        match queue.snapshot().await {
            Ok(snapshot) => {
                let ids: Vec<u64> = snapshot.items.iter().map(|item| item.item).collect();
                let first = ids[0];
                let expected: Vec<u64> = (first..first + ITEMS as u64).collect();
                assert_eq!(ids, expected, "at {}", snapshot.revision);
                assert!(snapshot.revision >= last);
                last = snapshot.revision;
            }
            // It changed faster than it could be read.
            Err(changed) => assert_eq!(*changed.kind(), ErrorKind::Conflict),
        }
    }
    let revision = changing.await.unwrap();
    let snapshot = queue.snapshot().await.unwrap();
    assert_eq!((snapshot.revision, snapshot.items[0].item), (revision, CHANGES + 1));
    assert_eq!(snapshot.stats.unwrap().changed_revision, revision);
    let nothing = client.queue("none").snapshot().await.unwrap();
    assert_eq!((nothing.revision, nothing.stats, nothing.items.len()), (0, None, 0));
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn of_programs_that_sync_what_they_read_one_wins_each_time_and_none_undoes_another() {
    const PROGRAMS: usize = 6;
    let cluster = Cluster::start(3).await.unwrap();
    let all_have_read = Barrier::new(PROGRAMS);
    let programs = (0..PROGRAMS).map(async |program| {
        let queue = cluster.client().await.unwrap().queue("q");
        for attempt in 1.. {
            let snapshot = queue.snapshot().await.unwrap();
            if attempt == 1 {
                all_have_read.wait().await;
            }
            let wanted = SyncQueue::new(snapshot.revision).worker(format!("p{program}"));
            // Everybody wants what it saw, claimed, and one item more.
            let wanted = snapshot.in_state(ItemState::Ready).fold(wanted, SyncQueue::claim);
            match queue.sync(wanted.enqueue(NewItem::new(format!("{program}")))).await {
                Ok(synced) => return (attempt, synced.claimed),
                Err(changed) => assert_eq!(*changed.kind(), ErrorKind::Conflict, "{changed}"),
            }
        }
        unreachable!()
    });
    let done = join_all(programs).await;
    let at_once = done.iter().filter(|(attempts, _)| *attempts == 1).count();
    assert_eq!(at_once, 1, "all had read the same");
    let queue = cluster.client().await.unwrap().queue("q");
    let stats = queue.stats().await.unwrap().unwrap();
    // Each claimed what the one before had added; nobody claimed the last one's.
    assert_eq!(
        (stats.depth(), stats.ready, stats.claimed),
        (PROGRAMS as u64, 1, PROGRAMS as u64 - 1)
    );
    let claimed: usize = done.iter().map(|(_, claimed)| claimed.len()).sum();
    assert_eq!(claimed, PROGRAMS - 1);
    for receipt in done.into_iter().flat_map(|(_, claimed)| claimed) {
        queue.ack(receipt).await.unwrap();
    }
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_sync_in_a_transaction_takes_items_from_their_workers_or_does_nothing() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let queue = queue_of(&client, "q").await;
    queue.push_all(["a", "b", "c"].map(NewItem::new)).await.unwrap();
    let (first, second) = (claim_one(&queue).await, claim_one(&queue).await);
    let snapshot = queue.snapshot().await.unwrap();
    let third = snapshot.in_state(ItemState::Ready).next().unwrap();
    let wanted = SyncQueue::new(snapshot.revision)
        .remove(first.item())
        .give_back(second.id())
        .claim(third)
        .enqueue_claimed(NewItem::new("d"))
        .visibility(PATIENCE);
    let plan = || {
        client
            .txn()
            .then(queue.sync_op(wanted.clone()))
            .then(Op::put("plan", "done"))
    };
    let reply = plan().await.unwrap();
    let OpReply::Queue(QueueOpReply::Synced(synced)) = &reply.results[0] else {
        panic!("{reply:?}");
    };
    assert_eq!((synced.revision, synced.visibility), (reply.revision, PATIENCE));
    assert_eq!(
        synced.claimed.iter().map(|one| one.item).collect::<Vec<_>>(),
        [third.item, 4]
    );
    assert_eq!(*first.ack().await.unwrap_err().kind(), ErrorKind::UnknownItem);
    assert_eq!(*second.ack().await.unwrap_err().kind(), ErrorKind::Fenced);
    let refused = plan().await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Conflict);
    let (expected, now) = (snapshot.revision.to_string(), reply.revision.to_string());
    assert!(
        refused.message().contains(&expected) && refused.message().contains(&now),
        "{refused}"
    );
    assert_eq!(claim_one(&queue).await.id(), second.id());
    for receipt in &synced.claimed {
        queue.ack(*receipt).await.unwrap();
    }
}

#[tokio::test]
async fn every_item_is_acknowledged_once_whatever_happens_to_workers_and_leaders() {
    let rounds = QueueRounds {
        items: 5000,
        workers: 20,
        seed: 7,
        program: PathBuf::from(env!("CARGO_BIN_EXE_quorate-tests")),
    };
    let report = rounds.run(|line| println!("{line}")).await.unwrap();
    println!("{report}");
    assert!(report.leader_kills >= 2 && report.worker_kills >= 20, "{report}");
}
