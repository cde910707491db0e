//! What calls of the eventual tier send, and what they make of the answer.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use quorate::{Consistency, ErrorKind, EventualContext, EventualType, Keys, Outcome, Strategy};
use quorate_proto::v1;

use crate::fake::FakeCluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_share_far_fewer_messages() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.eventual().put("warm", "up").await.unwrap();
    let before = cluster.members[0].eventual_traffic();
    let tasks = (0..64).map(|caller| {
        let eventual = client.eventual();
        tokio::spawn(async move {
            for turn in 0..50 {
                eventual.put(format!("{caller}/{turn}"), "v").await.unwrap();
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    let after = cluster.members[0].eventual_traffic();
    let (messages, calls) = (after.0 - before.0, after.1 - before.1);
    assert_eq!(calls, 64 * 50);
    assert!(messages * 4 < calls, "{messages} messages carried {calls} calls");
    assert_eq!(cluster.members[0].eventual().applied, 1 + 64 * 50);
}

#[tokio::test]
async fn a_put_is_read_back_with_its_context_and_its_time_to_live() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual_in("progress");
    let put = eventual
        .put("task/1", "40")
        .strategy(Strategy::LastWrite)
        .ttl(Duration::from_secs(9));
    let written = put.written_at(77).await.unwrap();
    assert_eq!(
        (written.superseded, written.siblings, written.acked, written.member),
        (false, 1, 1, 1)
    );
    let reply = eventual.get("task/1").await.unwrap();
    let entry = reply.entry.unwrap();
    assert_eq!(
        (entry.value, entry.strategy),
        (Bytes::from("40"), Some(Strategy::LastWrite))
    );
    assert_eq!(
        (entry.context, reply.context),
        (written.context.clone(), written.context)
    );
    assert_eq!((entry.expires_at_ms, entry.written_at_ms), (Some(9_000), 77));
    assert_eq!((reply.age, reply.member), (Some(Duration::ZERO), 1));
    assert_eq!(cluster.members[0].eventual().requests[0].domain, "progress");
}

#[tokio::test]
async fn a_value_that_is_older_than_what_is_there_is_superseded() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    eventual.put("k", "new").written_at(9).await.unwrap();
    assert!(eventual.put("k", "old").written_at(8).await.unwrap().superseded);
    assert_eq!(eventual.get("k").await.unwrap().entry.unwrap().value, "new");
}

#[tokio::test]
async fn many_keys_are_read_in_order_and_those_that_do_not_exist_are_absent() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    eventual.put("a", "1").await.unwrap();
    eventual.put("c", "3").await.unwrap();
    let reply = eventual.get_many(["a", "b", "c"]).await.unwrap();
    let values: Vec<Option<Bytes>> = reply.entries.into_iter().map(|entry| Some(entry?.value)).collect();
    assert_eq!(values, [Some("1".into()), None, Some("3".into())]);
    let error = eventual.get_many(Vec::<Bytes>::new()).await.unwrap_err();
    assert_eq!(error.message(), "keys is 0; it may be 1 to 4096");
    let error = eventual.get_many(vec!["k"; 4_097]).await.unwrap_err();
    assert_eq!(
        (error.message(), error.outcome()),
        ("keys is 4097; it may be 1 to 4096", Outcome::NotAMutation)
    );
}

#[tokio::test]
async fn a_scan_goes_from_page_to_page_until_there_is_nothing_more() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    for index in 0..7 {
        eventual.put(format!("in/{index}"), "v").await.unwrap();
    }
    eventual.put("out", "v").await.unwrap();
    eventual.counter("in/counter").add(1).await.unwrap();
    let page = eventual.scan(Keys::prefix("in/")).limit(3).await.unwrap();
    assert_eq!((page.entries.len(), page.next.is_some()), (3, true));
    assert_eq!(
        eventual
            .scan(Keys::pattern("in/*"))
            .limit(3)
            .all(7)
            .await
            .unwrap()
            .len(),
        7
    );
    let error = eventual.scan(Keys::prefix("in/")).limit(3).all(5).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge { limit: 5, value: 6, .. }),
        "{error:?}"
    );
    let counters = eventual
        .scan(Keys::prefix("in/"))
        .of(EventualType::Counter)
        .await
        .unwrap();
    assert_eq!(counters.entries[0].counter, 1);
    let error = eventual.scan("one key").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "keys"));
}

#[tokio::test]
async fn counters_sets_maps_and_flags_change_a_part_at_a_time() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let counter = eventual.counter("n");
    assert_eq!(counter.get().await.unwrap(), 0);
    counter.add(5).await.unwrap();
    counter.add(-7).await.unwrap();
    assert_eq!(counter.get().await.unwrap(), -2);
    let set = eventual.set("n");
    set.add(["a", "b"]).await.unwrap();
    set.remove(["a"]).await.unwrap();
    assert_eq!(set.members().await.unwrap(), ["b"]);
    let map = eventual.map("n");
    map.put("x", "1").await.unwrap();
    map.put("y", "2").await.unwrap();
    map.remove(["x"]).await.unwrap();
    assert_eq!(map.fields().await.unwrap(), [("y".into(), "2".into())]);
    let flag = eventual.flag("n");
    assert!(!flag.get().await.unwrap());
    flag.enable().await.unwrap();
    assert!(flag.get().await.unwrap());
    flag.disable().await.unwrap();
    assert!(!flag.get().await.unwrap());
    counter.delete().await.unwrap();
    assert_eq!(
        (counter.get().await.unwrap(), set.members().await.unwrap().len()),
        (0, 1)
    );
}

#[tokio::test]
async fn siblings_are_merged_by_the_program_and_written_over_exactly_what_it_saw() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    for value in ["b", "a", "c"] {
        eventual.put("k", value).strategy(Strategy::Siblings).await.unwrap();
    }
    let resolved = eventual
        .resolve_with("k", |entry| {
            let mut values: Vec<Bytes> = entry.siblings.iter().map(|sibling| sibling.value.clone()).collect();
            values.sort();
            values.concat().into()
        })
        .await
        .unwrap();
    assert_eq!(resolved.resolved, Some("abc".into()));
    assert_eq!(
        (resolved.strategy, resolved.discarded, resolved.rounds),
        (Some(Strategy::Siblings), 3, 1)
    );
    let entry = eventual.get("k").await.unwrap().entry.unwrap();
    assert_eq!((entry.value, entry.siblings.len()), (Bytes::from("abc"), 0));
    let untouched = eventual
        .resolve_with("k", |_| unreachable!("there is one value"))
        .await
        .unwrap();
    assert_eq!((untouched.resolved, untouched.rounds), (Some("abc".into()), 0));
    let absent = eventual
        .resolve_with("none", |_| unreachable!("there is no value"))
        .await
        .unwrap();
    assert_eq!(absent.resolved, None);
}

#[tokio::test]
async fn a_value_written_while_siblings_are_merged_stays_and_is_merged_next() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let eventual = client.eventual();
    for value in ["a", "b"] {
        eventual.put("k", value).strategy(Strategy::Siblings).await.unwrap();
    }
    let mut rounds = 0;
    let resolved = eventual
        .resolve_with("k", |entry| {
            rounds += 1;
            if rounds == 1 {
                // Another client, between the read and the write.
                let mut put = v1::EventualPut {
                    value: "late".into(),
                    ..Default::default()
                };
                put.set_strategy(v1::EventualStrategy::Siblings);
                let write = v1::EventualWrite {
                    key: "k".into(),
                    change: Some(v1::eventual_write::Change::Put(put)),
                    ..Default::default()
                };
                let _ = cluster.members[0].eventual().write(v1::EventualWriteRequest {
                    writes: vec![write],
                    stamp: Some(v1::EventualStamp {
                        session: 1,
                        sequence: 1,
                        first_process: 0,
                    }),
                    ..Default::default()
                });
            }
            let values: Vec<Bytes> = entry
                .siblings
                .iter()
                .rev()
                .map(|sibling| sibling.value.clone())
                .collect();
            values.join(&b'+').into()
        })
        .await
        .unwrap();
    assert_eq!((resolved.resolved, resolved.rounds), (Some("late+a+b".into()), 2));
}

#[tokio::test]
async fn a_write_that_too_few_members_have_is_an_error_that_says_how_many() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let error = eventual.put("k", "v").acks(2).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::UnderReplicated { limit: 2, value: 1 });
    assert_eq!(
        error.outcome(),
        Outcome::Unknown,
        "it is there, and not to be repeated as a new write"
    );
    assert_eq!(
        error.to_string(),
        "there is only one",
        "a person is not told that it may be lost"
    );
    assert_eq!(eventual.get("k").await.unwrap().entry.unwrap().value, "v");
}

#[tokio::test]
async fn a_write_that_is_refused_was_not_applied() {
    let cluster = FakeCluster::start(1).await;
    let error = cluster.client().await.eventual().put("", "v").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }));
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotApplied, 1));
}

#[tokio::test]
async fn the_level_eventual_puts_reads_and_deletes_in_the_other_tier() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let put = client
        .put("k", "v")
        .consistency(Consistency::Eventual)
        .ttl(Duration::from_secs(1));
    assert_eq!(put.await.unwrap().revision, 0);
    assert_eq!(
        client.get("k").await.unwrap().record,
        None,
        "the strong tier has it not"
    );
    let reply = client.get("k").consistency(Consistency::Eventual).await.unwrap();
    let record = reply.record.unwrap();
    assert_eq!((record.value, record.expires_at_ms), (Bytes::from("v"), Some(1_000)));
    assert_eq!((record.mod_revision, record.version, reply.revision), (0, 0, 0));
    assert_eq!(reply.staleness, Duration::ZERO);
    let delete = || client.delete("k").consistency(Consistency::Eventual);
    assert_eq!(delete().await.unwrap().deleted, 1);
    assert_eq!(delete().await.unwrap().deleted, 0);
    cluster.members[0].eventual().age_ms = None;
    let reply = client.get("k").consistency(Consistency::Eventual).await.unwrap();
    assert_eq!((reply.record, reply.staleness), (None, Duration::MAX));
}

#[tokio::test]
async fn options_that_the_eventual_tier_cannot_give_are_refused_by_name_before_anything_is_sent() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let eventual = Consistency::Eventual;
    let put = || client.put("k", "v").consistency(eventual);
    let refused = [
        ("lease", put().lease(7).await.unwrap_err()),
        ("tags", put().tags(["t"]).await.unwrap_err()),
        ("previous", put().previous().await.unwrap_err()),
        (
            "keys",
            client
                .delete(Keys::prefix("k"))
                .consistency(eventual)
                .await
                .unwrap_err(),
        ),
        (
            "previous",
            client.delete("k").consistency(eventual).previous().await.unwrap_err(),
        ),
        (
            "at_revision",
            client.get("k").consistency(eventual).at_revision(3).await.unwrap_err(),
        ),
        (
            "consistency",
            client.range(Keys::all()).consistency(eventual).await.unwrap_err(),
        ),
    ];
    for (option, error) in refused {
        assert_eq!(error.kind(), &ErrorKind::TierMismatch, "{option}: {error}");
        assert!(error.message().starts_with(&format!("{option}: ")), "{error}");
        assert_ne!(error.outcome(), Outcome::Unknown, "{option}");
    }
    let error = client.put("k", "v").consistency(Consistency::Local).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "consistency"));
    assert_eq!(cluster.members[0].eventual_traffic(), (0, 0));
}

#[tokio::test]
async fn a_context_survives_being_stored() {
    let cluster = FakeCluster::start(1).await;
    let eventual = cluster.client().await.eventual();
    let first = eventual.put("k", "1").strategy(Strategy::Siblings).await.unwrap();
    let stored = first.context.as_bytes().to_vec();
    let put = eventual.put("k", "2").strategy(Strategy::Siblings);
    assert_eq!(
        put.context(&EventualContext::from_bytes(stored))
            .await
            .unwrap()
            .siblings,
        1
    );
}

#[tokio::test]
async fn a_member_says_how_far_it_is_and_what_it_has_in_memory() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.eventual().put("k", "v").await.unwrap();
    let (admin, address) = (client.eventual_admin(), cluster.addresses().remove(0));
    let status = admin.sync_status(&address).await.unwrap();
    assert_eq!((status.member, status.process, status.unsent_operations), (1, 101, 1));
    assert_eq!(
        (
            status.peers[0].member,
            status.peers[0].behind_ms,
            status.peers[0].process
        ),
        (2, Some(4), None)
    );
    let forced = admin.sync_force(&address, Duration::from_millis(250)).await.unwrap();
    assert_eq!(forced[0].behind_ms, Some(250));
    let memory = admin.memory(&address).await.unwrap();
    assert_eq!(
        (
            memory.domains[0].entries,
            memory.domains[0].bytes_max,
            memory.unreachable
        ),
        (3, None, None)
    );
    let all = admin.cluster_memory(&address).await.unwrap();
    assert_eq!(all[1].unreachable.as_deref(), Some("no route"));
    let error = admin.memory("127.0.0.1:1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::ConnectionLost, Outcome::NotAMutation)
    );
}
