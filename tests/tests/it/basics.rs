//! Each operation once, on three members.

use bytes::Bytes;
use quorate::{Compare, Keys, Op, OpReply};
use quorate_tests::cluster::Cluster;

#[tokio::test]
async fn a_key_lives_from_put_to_delete() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();

    let empty = client.get("k").await.unwrap();
    assert_eq!(empty.record, None);
    assert_eq!(empty.revision, 1, "the empty store is at revision 1");

    let first = client.put("k", "one").await.unwrap();
    assert_eq!((first.revision, first.previous), (2, None));
    let second = client.put("k", "two").previous().await.unwrap();
    assert_eq!(second.revision, 3);
    assert_eq!(second.previous.unwrap().value, Bytes::from("one"));

    let record = client.get("k").await.unwrap().record.unwrap();
    assert_eq!(record.value, Bytes::from("two"));
    assert_eq!((record.create_revision, record.mod_revision, record.version), (2, 3, 2));
    let before = client.get("k").at_revision(2).await.unwrap().record.unwrap();
    assert_eq!((before.value, before.version), (Bytes::from("one"), 1));

    let deleted = client.delete("k").await.unwrap();
    assert_eq!((deleted.revision, deleted.deleted), (4, 1));
    let again = client.delete("k").await.unwrap();
    assert_eq!(
        (again.revision, again.deleted),
        (4, 0),
        "deleting nothing makes no revision"
    );
    assert_eq!(client.get("k").await.unwrap().record, None);

    let reborn = client.put("k", "three").await.unwrap();
    let record = client.get("k").await.unwrap().record.unwrap();
    assert_eq!((record.create_revision, record.version), (reborn.revision, 1));
    cluster.check_nobody_ended().unwrap();
}

#[tokio::test]
async fn a_range_is_read_page_by_page_at_one_revision() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..25 {
        client
            .put(format!("list/{number:02}"), format!("{number}"))
            .await
            .unwrap();
    }
    client.put("other", "x").await.unwrap();

    let page = client.range(Keys::prefix("list/")).limit(10).await.unwrap();
    assert_eq!((page.records.len(), page.count, page.more), (10, 25, true));
    client.put("list/99", "written between two pages").await.unwrap();
    let mut keys: Vec<Bytes> = page.records.iter().map(|record| record.key.clone()).collect();
    let mut page = page;
    while let Some(next) = page.next_page().await.unwrap() {
        let after = 25 - keys.len() as u64;
        assert_eq!(next.count, after, "what follows the page before, at its revision");
        keys.extend(next.records.iter().map(|record| record.key.clone()));
        page = next;
    }
    let expected: Vec<Bytes> = (0..25).map(|number| Bytes::from(format!("list/{number:02}"))).collect();
    assert_eq!(keys, expected);

    let last = client
        .range(Keys::prefix("list/"))
        .descending()
        .limit(1)
        .keys_only()
        .await
        .unwrap();
    assert_eq!(last.records[0].key, Bytes::from("list/99"));
    assert!(last.records[0].value.is_empty(), "only keys were asked for");
    let some = client.range(Keys::interval("list/05", "list/08")).await.unwrap();
    assert_eq!(some.records.len(), 3, "the end of an interval does not belong to it");
}

#[tokio::test]
async fn a_transaction_does_one_branch_at_one_revision() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let start = client.put("account/a", "10").await.unwrap().revision;

    let moved = client
        .txn()
        .when(Compare::value("account/a").equals("10"))
        .when(Compare::is_missing("account/b"))
        .then(Op::put("account/a", "7"))
        .then(Op::put("account/b", "3"))
        .then(Op::get("account/a"))
        .otherwise(Op::get("account/a"))
        .await
        .unwrap();
    assert!(moved.succeeded);
    assert_eq!(moved.revision, start + 1, "two writes, one revision");
    assert_eq!(moved.results.len(), 3);
    let seen = moved.results[2].record().unwrap();
    assert_eq!(seen.value, Bytes::from("7"), "a transaction sees what it wrote");

    let refused = client
        .txn()
        .when(Compare::mod_revision("account/a").equals(start))
        .then(Op::delete("account/a"))
        .otherwise(Op::get("account/a"))
        .await
        .unwrap();
    assert!(!refused.succeeded);
    assert_eq!(
        refused.revision, moved.revision,
        "a branch that only reads makes no revision"
    );
    assert!(matches!(&refused.results[0], OpReply::Range { count: 1, .. }));

    let both = client.range(Keys::prefix("account/")).await.unwrap();
    assert!(both.records.iter().all(|record| record.mod_revision == moved.revision));
}

#[tokio::test]
async fn compare_and_swap_has_one_winner() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let created = client.compare_and_swap("leader", 0, "me").await.unwrap();
    assert!(created.swapped, "revision 0 means that the key does not exist");

    let mut contenders = tokio::task::JoinSet::new();
    for number in 0..16 {
        let client = cluster.client().await.unwrap();
        contenders.spawn(async move {
            client
                .compare_and_swap("leader", created.revision, format!("contender {number}"))
                .await
                .unwrap()
        });
    }
    let replies = contenders.join_all().await;
    let winners: Vec<u64> = replies
        .iter()
        .filter(|reply| reply.swapped)
        .map(|reply| reply.revision)
        .collect();
    assert_eq!(winners.len(), 1);
    for lost in replies.iter().filter(|reply| !reply.swapped) {
        assert_eq!(lost.current.as_ref().unwrap().mod_revision, winners[0]);
    }
}

#[tokio::test]
async fn every_member_ends_in_the_same_state() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..100 {
        client
            .put(format!("k{}", number % 7), format!("{number}"))
            .await
            .unwrap();
    }
    let state = cluster.wait_for_equal_state().await.unwrap();
    assert_eq!(state.revision, 101);
    assert_ne!(state.state_hash, 0);
}
