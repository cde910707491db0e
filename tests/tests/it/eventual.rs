//! The eventual tier of real members: one thing at a time.

use std::time::Duration;

use quorate::{Client, Error, ErrorKind, EventualContext, HealReport, Strategy, SyncStatus};
use quorate_proto::v1;
use quorate_proto::v1::eventual_client::EventualClient;
use quorate_proto::v1::eventual_write::Change;
use quorate_proto::v1::eventual_write_result::Result as WireResult;
use quorate_tests::cluster::{Cluster, Network, Settings};
use quorate_tests::wait;
use tonic::transport::Channel;

const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster whose members can be cut off from one another; none where the machine does not allow it, which is no pass.
async fn three_in_a_network() -> Option<Cluster> {
    if let Err(reason) = Network::possible() {
        eprintln!("skipped: {reason}");
        return None;
    }
    Some(Cluster::start_with(Settings::of(3).in_own_network()).await.unwrap())
}

async fn clients(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for id in cluster.ids() {
        clients.push(cluster.client_of(id).await.unwrap());
    }
    clients
}

/// Waits until a member has a key with this value.
async fn until_it_reads(client: &Client, key: &str, value: &str) -> Result<(), quorate_tests::HarnessError> {
    wait::until(&format!("{key} to be {value}"), PATIENCE, async || {
        let reply = client.eventual().get(key).await.map_err(|error| error.to_string())?;
        match reply.entry {
            Some(entry) if entry.value == value => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test]
async fn what_is_written_at_one_member_is_read_at_every_other() {
    let cluster = Cluster::start(3).await.unwrap();
    let clients = clients(&cluster).await;
    for (number, writer) in clients.iter().enumerate() {
        let (key, value) = (format!("k{number}"), format!("v{number}"));
        let written = writer.eventual().put(key.clone(), value.clone()).acks(3).await.unwrap();
        assert_eq!(written.acked, 3);
        for reader in &clients {
            let entry = reader.eventual().get(key.clone()).await.unwrap().entry.unwrap();
            assert_eq!(entry.value, value, "acknowledged by three, it is at each of them");
        }
    }
}

#[tokio::test]
async fn a_write_that_changed_nothing_is_acknowledged_by_those_who_have_what_it_found() {
    let cluster = Cluster::start(3).await.unwrap();
    let clients = clients(&cluster).await;
    let put = async |member: usize, value: &str| {
        let put = clients[member].eventual().put("most", value).strategy(Strategy::Max);
        // Nothing is sent for it: that the others have what there is has to be learnt well before the time is over.
        let put = put.acks(3).timeout(PATIENCE).into_future();
        tokio::time::timeout(PATIENCE / 3, put)
            .await
            .expect("it is acknowledged soon")
            .unwrap()
    };
    put(0, "9").await;
    // At the member that wrote what is there, and at one that has it from there.
    for member in [0, 1] {
        let again = put(member, "7").await;
        assert!(again.superseded);
        assert_eq!(again.acked, 3);
    }
    for _ in 0..2 {
        let deleted = clients[2]
            .eventual()
            .delete("most")
            .acks(3)
            .timeout(PATIENCE)
            .await
            .unwrap();
        assert_eq!(deleted.acked, 3);
    }
    for client in &clients {
        assert!(client.eventual().get("most").await.unwrap().entry.is_none());
    }
}

#[tokio::test]
async fn both_sides_of_a_partition_take_writes_and_are_equal_after_it() {
    let Some(mut cluster) = three_in_a_network().await else {
        return;
    };
    let clients = clients(&cluster).await;
    let put = async |side: usize, key: &str, value: &str| {
        let written = clients[side]
            .eventual()
            .put(key, value)
            .strategy(Strategy::Siblings)
            .await?;
        Ok::<_, Error>(written.siblings)
    };
    put(0, "k", "before").await.unwrap();
    until_it_reads(&clients[1], "k", "before").await.unwrap();
    until_it_reads(&clients[2], "k", "before").await.unwrap();
    cluster.cut(1, &[2, 3]).unwrap();
    assert_eq!(put(0, "k", "alone").await.unwrap(), 2);
    assert_eq!(put(1, "k", "of two").await.unwrap(), 2);
    until_it_reads(&clients[2], "k", "of two").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.heal().unwrap();
    for client in &clients {
        wait::until("three siblings", PATIENCE, async || {
            let reply = client.eventual().get("k").await.map_err(|error| error.to_string())?;
            let siblings = reply.entry.map(|entry| entry.siblings).unwrap_or_default();
            let mut values: Vec<_> = siblings.into_iter().map(|sibling| sibling.value).collect();
            values.sort();
            match values.as_slice() == ["alone", "before", "of two"] {
                true => Ok(()),
                false => Err(format!("{values:?}")),
            }
        })
        .await
        .unwrap();
    }
    for (member, peer) in [(1, 2), (1, 3), (2, 1), (3, 1)] {
        let heal = until_it_reports(&cluster, &clients[0], member, peer).await;
        assert!(heal.apart_ms >= 1000, "{heal:?}");
        assert!(heal.merged == 0 || heal.bytes > 0, "{heal:?}");
        assert_eq!((heal.mode.as_str(), heal.discarded), ("log", 0), "{heal:?}");
    }
    for id in cluster.ids() {
        let status = status_of(&cluster, &clients[0], id).await;
        let merged: u64 = status.heals.iter().map(|heal| heal.merged).sum();
        let left: u64 = status.heals.iter().map(|heal| heal.siblings_left).sum();
        assert_eq!((merged, left), (1, 1), "one key changed on the other side: {status:?}");
        assert_eq!(status.diverged_shards, 0);
    }
}

async fn status_of(cluster: &Cluster, client: &Client, id: u64) -> SyncStatus {
    let endpoint = cluster.member(id).unwrap().client_address();
    client.eventual_admin().sync_status(endpoint).await.unwrap()
}

async fn until_it_reports(cluster: &Cluster, client: &Client, member: u64, peer: u64) -> HealReport {
    wait::until(&format!("the report of {member} on {peer}"), PATIENCE, async || {
        let status = status_of(cluster, client, member).await;
        let heal = status.heals.iter().find(|heal| heal.peer == peer).cloned();
        heal.ok_or(format!("{status:?}"))
    })
    .await
    .unwrap()
}

async fn sync_force(cluster: &Cluster, client: &Client) {
    for id in cluster.ids() {
        let endpoint = cluster.member(id).unwrap().client_address();
        wait::until("the members to be even", PATIENCE, async || {
            client
                .eventual_admin()
                .sync_force(endpoint, Duration::from_secs(2))
                .await
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_write_that_fewer_members_have_than_were_asked_for_says_how_many_there_are() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client_of(1).await.unwrap();
    sync_force(&cluster, &client).await;
    cluster.kill9(3).unwrap();
    let put = client.eventual().put("k", "v").acks(3).timeout(Duration::from_secs(2));
    let error = put.await.unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::UnderReplicated { limit: 3, value: 2 },
        "{error}"
    );
    let entry = client.eventual().get("k").await.unwrap().entry.unwrap();
    assert_eq!(entry.value, "v", "it is written all the same");
    let put = client.eventual().put("k", "w").acks(4).await.unwrap_err();
    assert!(
        matches!(put.kind(), ErrorKind::InvalidArgument { field, .. } if field == "acks"),
        "{put}"
    );
    cluster.restart(3).unwrap();
    sync_force(&cluster, &client).await;
    let back = wait::until("the member to be back", PATIENCE, async || cluster.client_of(3).await);
    let back = back.await.unwrap();
    until_it_reads(&back, "k", "v").await.unwrap();
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn input_that_cannot_be_taken_is_refused_by_name_and_nothing_is_written() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let eventual = client.eventual();
    let hour_ahead = eventual
        .put("k", "v")
        .written_at(now_ms() + 3_600_000)
        .await
        .unwrap_err();
    assert!(matches!(hour_ahead.kind(), ErrorKind::InvalidArgument { field, .. } if field == "written_at_ms"));
    assert!(hour_ahead.to_string().contains("the limit is 500 ms"), "{hour_ahead}");
    let large = eventual.put("k", vec![0; (1 << 20) + 1]).await.unwrap_err();
    let ErrorKind::TooLarge { field, limit, value } = large.kind() else {
        panic!("{large}");
    };
    assert_eq!((field.as_str(), *limit, *value), ("value", 1 << 20, (1 << 20) + 1));
    let no_key = eventual.put("", "v").await.unwrap_err();
    assert!(
        matches!(no_key.kind(), ErrorKind::InvalidArgument { field, .. } if field == "key"),
        "{no_key}"
    );
    let no_array = eventual
        .put("k", "no array")
        .strategy(Strategy::Union)
        .await
        .unwrap_err();
    assert!(
        matches!(no_array.kind(), ErrorKind::InvalidArgument { field, .. } if field == "value"),
        "{no_array}"
    );
    let for_ever = client.eventual_in("ephemeral").put("k", "v").await.unwrap_err();
    assert!(
        matches!(for_ever.kind(), ErrorKind::InvalidArgument { field, .. } if field == "ttl_ms"),
        "{for_ever}"
    );
    let context = EventualContext::from_bytes("garbage");
    let foreign = eventual.put("k", "v").context(&context).await.unwrap_err();
    assert!(
        matches!(foreign.kind(), ErrorKind::InvalidArgument { field, .. } if field == "context"),
        "{foreign}"
    );
    assert_eq!(eventual.get("k").await.unwrap().entry, None);
}

#[tokio::test]
async fn tiers_do_not_mix() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let strong = client.put("k", "v").domain("default-eventual").await.unwrap_err();
    assert_eq!(*strong.kind(), ErrorKind::TierMismatch, "{strong}");
    let eventual = client.eventual_in("default").put("k", "v").await.unwrap_err();
    assert_eq!(*eventual.kind(), ErrorKind::TierMismatch, "{eventual}");
    assert!(eventual.to_string().contains("\"default\""), "{eventual}");
    let read = client.eventual_in("default").get("k").await.unwrap_err();
    assert_eq!(*read.kind(), ErrorKind::TierMismatch, "{read}");
}

#[tokio::test]
async fn the_65th_value_that_nobody_has_read_is_refused_and_one_that_has_read_them_replaces_all() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let put = |number: u64| {
        let put = client.eventual().put("k", number.to_string());
        put.strategy(Strategy::Siblings)
    };
    for number in 1..=64 {
        assert_eq!(u64::from(put(number).await.unwrap().siblings), number);
    }
    let error = put(65).await.unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::TooManySiblings { limit: 64, value: 65 },
        "{error}"
    );
    let context = client.eventual().get("k").await.unwrap().context;
    assert_eq!(put(66).context(&context).await.unwrap().siblings, 1);
}

async fn raw(cluster: &Cluster, id: u64) -> EventualClient<Channel> {
    let address = cluster.member(id).unwrap().client_address();
    EventualClient::connect(format!("http://{address}")).await.unwrap()
}

#[tokio::test]
async fn a_token_of_another_cluster_and_one_that_is_none_are_refused() {
    let (one, other) = (Cluster::start(1).await.unwrap(), Cluster::start(1).await.unwrap());
    let mut here = raw(&one, 1).await;
    let mut there = raw(&other, 1).await;
    let write = v1::EventualWriteRequest {
        writes: vec![v1::EventualWrite {
            key: "k".into(),
            change: Some(Change::Add(1)),
            ..Default::default()
        }],
        token: "garbage".into(),
        ..Default::default()
    };
    let refused = here.write(write.clone()).await.unwrap_err();
    assert!(refused.message().contains("token"), "{refused}");
    // Of two members, so that something is in it that not everybody has.
    let mut token = Vec::new();
    let key = [&[1][..], &[0; 4], &[0; 2], &[7; 8]].concat();
    token.push(u8::try_from(key.len()).unwrap());
    token.extend(key);
    token.push(1);
    let read = v1::EventualReadRequest {
        keys: vec!["k".into()],
        options: Some(v1::EventualReadOptions {
            token: token.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = there.read(read).await.unwrap_err();
    assert!(refused.message().contains("another cluster"), "{refused}");
}

#[tokio::test]
async fn an_increment_is_repeated_by_the_process_that_knows_it_and_by_no_other() {
    let cluster = Cluster::start(2).await.unwrap();
    let (mut one, mut two) = (raw(&cluster, 1).await, raw(&cluster, 2).await);
    let add = |first_process| v1::EventualWriteRequest {
        writes: vec![v1::EventualWrite {
            key: "sum".into(),
            change: Some(Change::Add(5)),
            ..Default::default()
        }],
        acks: 2,
        stamp: Some(v1::EventualStamp {
            session: 77,
            sequence: 1,
            first_process,
        }),
        ..Default::default()
    };
    let first = one.write(add(0)).await.unwrap().into_inner();
    let process = first.header.unwrap().process;
    for _ in 0..3 {
        let again = one.write(add(process)).await.unwrap().into_inner();
        assert_eq!(again.results, first.results);
    }
    let elsewhere = two.write(add(process)).await.unwrap().into_inner();
    let Some(WireResult::Error(error)) = elsewhere.results[0].result.clone() else {
        panic!("{elsewhere:?}");
    };
    assert_eq!(error.code(), v1::ErrorCode::TriedElsewhere, "{error:?}");
    for id in cluster.ids() {
        let client = cluster.client_of(id).await.unwrap();
        assert_eq!(client.eventual().counter("sum").get().await.unwrap(), 5);
    }
}

#[tokio::test]
async fn a_client_is_told_that_what_it_saw_was_lost_with_the_only_process_that_had_it() {
    let Some(mut cluster) = three_in_a_network().await else {
        return;
    };
    let clients = clients(&cluster).await;
    sync_force(&cluster, &clients[1]).await;
    cluster.cut(1, &[2, 3]).unwrap();
    // What is sent on connections that live waits in the kernel, and arrives when the process is dead.
    wait::until("the others to be out of reach", PATIENCE, async || {
        let status = status_of(&cluster, &clients[0], 1).await;
        let connected = status.peers.iter().any(|peer| peer.connected);
        (!connected).then_some(()).ok_or(format!("{status:?}"))
    })
    .await
    .unwrap();
    clients[0].eventual_in("cache").put("k", "lonely").await.unwrap();
    let token = clients[0].causal_token();
    clients[1].observe(&token);
    cluster.kill9(1).unwrap();
    let erased = std::fs::remove_dir_all(cluster.member(1).unwrap().data_directory().join("eventual"));
    assert!(erased.is_ok() || !cluster.member(1).unwrap().data_directory().join("eventual").exists());
    let read = |timeout| clients[1].eventual_in("cache").get("k").timeout(timeout);
    let early = read(Duration::from_secs(1)).await.unwrap_err();
    assert!(
        matches!(early.kind(), ErrorKind::Stale { .. }),
        "the process may live, and only be out of reach: {early}"
    );
    cluster.restart(1).unwrap();
    cluster.heal().unwrap();
    let lost = wait::until("an end of the wait", PATIENCE, async || {
        match read(Duration::from_secs(5)).await {
            Err(error) if *error.kind() == ErrorKind::ContextLost => Ok(error),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    assert!(lost.to_string().contains("lost"), "{lost}");
    let after = read(Duration::from_secs(5)).await.unwrap();
    assert_eq!(after.entry, None, "the client goes on without it");
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}

async fn write_quarter_megabytes(client: &quorate::Client, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut value = vec![b'v'; 256 << 10];
        value[..4].copy_from_slice(&number.to_be_bytes());
        client.eventual().put(format!("k{}", number % 16), value).await.unwrap();
    }
}

#[tokio::test]
async fn a_member_that_does_not_read_costs_the_others_bounded_memory() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client_of(1).await.unwrap();
    sync_force(&cluster, &client).await;
    let pid = cluster.member(1).unwrap().pid().unwrap();
    cluster.pause(3).await.unwrap();
    // 100 MB over 16 keys of a quarter of a megabyte: what buffers and the allocator keep for the next write is there then,
    // and what is kept for the member that does not read is full. Another 100 MB must not add to it.
    let empty = resident_bytes(pid);
    write_quarter_megabytes(&client, 0..400).await;
    let before = resident_bytes(pid);
    write_quarter_megabytes(&client, 400..800).await;
    let grown = resident_bytes(pid).saturating_sub(before);
    let endpoint = cluster.member(1).unwrap().client_address();
    let memory = client.eventual_admin().memory(endpoint).await.unwrap();
    eprintln!("grown by {grown} bytes; {memory:?}");
    assert!(grown < 64 << 20, "grown by {grown} bytes; {memory:?}");
    assert!(
        before.saturating_sub(empty) + grown < 128 << 20,
        "from {empty} by way of {before} by {grown}"
    );
    assert!(memory.orphan_bytes < 32 << 20, "{memory:?}");
    cluster.resume(3).unwrap();
    sync_force(&cluster, &client).await;
    let slow = cluster.client_of(3).await.unwrap();
    for key in 0..16 {
        let value = |entry: Option<quorate::EventualEntry>| entry.unwrap().value;
        let here = value(client.eventual().get(format!("k{key}")).await.unwrap().entry);
        let there = value(slow.eventual().get(format!("k{key}")).await.unwrap().entry);
        assert!(here == there, "k{key} differs");
    }
    assert_eq!(status_of(&cluster, &client, 1).await.diverged_shards, 0);
}
