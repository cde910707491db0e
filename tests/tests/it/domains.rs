//! Domains are made, changed and dropped by a cluster; tiers do not mix; the SDK and the command line show the same.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Compare, Consistency, Error, ErrorKind, Evict, EvictPolicy, Keys, Op, Strategy, Tier};
use quorate_proto::v1;
use quorate_proto::v1::domains_client::DomainsClient;
use quorate_proto::v1::kv_client::KvClient;
use quorate_tests::cluster::{Cluster, Settings, server_binary};
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(60);

async fn one_member() -> (Cluster, Client) {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    (cluster, client)
}

#[tokio::test]
async fn a_domain_survives_restarts_and_comes_to_a_new_member_with_a_snapshot() {
    let mut cluster = Cluster::start_with(Settings::of(3).with_early_snapshots())
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    let domains = client.domains();
    let made = domains.create("orders", Tier::Strong).bytes_max(1_000).await.unwrap();
    client.put("key", "1234567").domain("orders").await.unwrap();
    domains
        .create("seen", Tier::Eventual)
        .volatile()
        .evict(Evict::Drop, EvictPolicy::Arc)
        .strategy(Strategy::Merge)
        .await
        .unwrap();
    wait::until("a log that begins behind the creation", PATIENCE, async || {
        for number in 0..50 {
            let put = client.put(format!("k{number}"), vec![number; 4 << 10]);
            put.await.map_err(|error| error.to_string())?;
        }
        let leader = cluster.leader().await.ok_or("no leader")?;
        let first = cluster.status(leader).await?.log_first_index;
        (first > 50).then_some(()).ok_or(format!("it begins at {first}"))
    })
    .await
    .unwrap();

    cluster.start_joining(4).await.unwrap();
    let peer = cluster.member(4).unwrap().peer_address().to_owned();
    client.member_add(4, &peer).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let index = cluster.status(leader).await.unwrap().applied_index;
    cluster.wait_until_applied(4, index).await.unwrap();
    assert!(
        cluster.status(4).await.unwrap().snapshot_index > 50,
        "it replayed the log"
    );
    let local = local_list(cluster.member(4).unwrap().client_address()).await;
    assert_eq!(local.len(), 9);
    let orders = &local[7];
    assert_eq!((orders.name.as_str(), orders.id, orders.bytes), ("orders", made.id, 10));

    for id in cluster.ids() {
        cluster.kill9(id).unwrap();
    }
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let orders = client.domains().get("orders").await.unwrap().unwrap();
    assert_eq!((orders.id, orders.bytes, orders.bytes_max), (made.id, 10, 1_000));
    let seen = client.domains().get("seen").await.unwrap().unwrap();
    assert_eq!(
        (seen.tier, seen.volatile, seen.evict),
        (Tier::Eventual, true, Evict::Drop)
    );
    assert_eq!(
        (seen.policy, seen.strategy),
        (Some(EvictPolicy::Arc), Some(Strategy::Merge))
    );
    let read = client.get("key").domain("orders").await.unwrap();
    assert_eq!(read.record.unwrap().value, Bytes::from("1234567"));
    cluster.wait_for_equal_state().await.unwrap();
}

/// What a member itself has applied.
async fn local_list(endpoint: &str) -> Vec<v1::Domain> {
    let mut domains = DomainsClient::connect(format!("http://{endpoint}")).await.unwrap();
    let request = v1::DomainListRequest {
        read: Some(v1::ReadOptions {
            level: v1::Level::Local.into(),
            ..Default::default()
        }),
    };
    domains.list(request).await.unwrap().into_inner().domains
}

#[tokio::test]
async fn the_limit_of_a_domain_is_kept_and_a_change_of_it_takes_effect() {
    let (_cluster, client) = one_member().await;
    let domains = client.domains();
    domains.create("small", Tier::Strong).bytes_max(10).await.unwrap();
    let write = async |value: &str| client.put("key", value.to_owned()).domain("small").await.map(|_| ());
    write("1234567").await.unwrap();
    let full = write("12345678").await.unwrap_err();
    assert_eq!(*full.kind(), ErrorKind::DomainFull { limit: 10, value: 11 });
    let changed = domains.change("small").bytes_max(11).await.unwrap();
    assert_eq!((changed.bytes, changed.bytes_max), (10, 11));
    write("12345678").await.unwrap();

    domains.change("small").ttl_required(true).await.unwrap();
    let for_ever = write("1").await.unwrap_err();
    assert!(
        matches!(for_ever.kind(), ErrorKind::InvalidArgument { field, .. } if field == "ttl_ms"),
        "{for_ever}"
    );
    domains
        .change("small")
        .ttl_default(Duration::from_secs(3600))
        .await
        .unwrap();
    write("1").await.unwrap();
    let record = client.get("key").domain("small").await.unwrap().record.unwrap();
    assert!(record.expires_at_ms.is_some());
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_reason() {
    let (_cluster, client) = one_member().await;
    let domains = client.domains();
    domains.create("orders", Tier::Strong).await.unwrap();
    let kind = |error: Error| error.kind().clone();
    let again = domains.create("orders", Tier::Eventual).await.unwrap_err();
    assert_eq!(kind(again), ErrorKind::DomainExists);
    let built_in = domains.create("cache", Tier::Eventual).await.unwrap_err();
    assert_eq!(kind(built_in), ErrorKind::DomainExists);
    for wrong in ["", "A", "a b", "ä", &"a".repeat(129)] {
        let refused = domains.create(wrong, Tier::Strong).await.unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::InvalidArgument { field, .. } if field == "name"),
            "{wrong:?}: {refused}"
        );
    }
    let not_strong = domains.create("wrong", Tier::Strong).entries_max(1).await.unwrap_err();
    assert!(not_strong.message().contains("entries_max"), "{not_strong}");
    let not_eventual = domains
        .change("cache")
        .consistency(Consistency::Local)
        .await
        .unwrap_err();
    assert!(not_eventual.message().contains("level"), "{not_eventual}");
    for name in ["nowhere", "wrong"] {
        assert_eq!(domains.get(name).await.unwrap(), None);
        assert_eq!(kind(domains.drop(name).await.unwrap_err()), ErrorKind::UnknownDomain);
        let changed = domains.change(name).bytes_max(1).await.unwrap_err();
        assert_eq!(kind(changed), ErrorKind::UnknownDomain);
    }
    assert_eq!(kind(domains.drop("session").await.unwrap_err()), ErrorKind::DomainInUse);
}

#[tokio::test]
async fn a_strong_domain_is_dropped_only_when_it_is_empty() {
    let (_cluster, client) = one_member().await;
    let domains = client.domains();
    let first = domains.create("orders", Tier::Strong).await.unwrap();
    client.put("key", "1").domain("orders").await.unwrap();
    let in_use = domains.drop("orders").await.unwrap_err();
    assert_eq!(*in_use.kind(), ErrorKind::DomainInUse);
    assert!(in_use.message().contains("delete its keys first"), "{in_use}");
    client.delete(Keys::prefix("")).domain("orders").await.unwrap();
    domains.drop("orders").await.unwrap();
    let gone = client.get("key").domain("orders").await.unwrap_err();
    assert_eq!(*gone.kind(), ErrorKind::UnknownDomain);
    let second = domains.create("orders", Tier::Strong).await.unwrap();
    assert!(second.id > first.id, "an id is never used again");
    assert_eq!(client.get("key").domain("orders").await.unwrap().record, None);
}

#[tokio::test]
async fn every_strong_verb_on_an_eventual_domain_is_a_tier_mismatch() {
    let (_cluster, client) = one_member().await;
    client.domains().create("seen", Tier::Eventual).await.unwrap();
    let lease = client.grant_lease(Duration::from_secs(60)).await.unwrap().lease;
    for domain in ["seen", "cache", "default-eventual", "ephemeral"] {
        let refused = [
            ("put", client.put("k", "v").domain(domain).await.err()),
            (
                "put under a lease",
                client.put("k", "v").domain(domain).lease(lease).await.err(),
            ),
            ("get", client.get("k").domain(domain).await.err()),
            (
                "local get",
                client
                    .get("k")
                    .domain(domain)
                    .consistency(Consistency::Local)
                    .await
                    .err(),
            ),
            ("range", client.range(Keys::prefix("")).domain(domain).await.err()),
            ("delete", client.delete("k").domain(domain).await.err()),
            (
                "txn put",
                client
                    .txn()
                    .then(Op::from(Op::put("k", "v").domain(domain)))
                    .await
                    .err(),
            ),
            (
                "txn get",
                client.txn().then(Op::from(Op::get("k").domain(domain))).await.err(),
            ),
            (
                "compare",
                client
                    .txn()
                    .when(Compare::exists("k").domain(domain))
                    .then(Op::get("k"))
                    .await
                    .err(),
            ),
            ("watch", client.watch(Keys::prefix("")).domain(domain).await.err()),
        ];
        for (verb, refused) in refused {
            let refused = refused.unwrap_or_else(|| panic!("{verb} in {domain} was not refused"));
            assert_eq!(
                *refused.kind(),
                ErrorKind::TierMismatch,
                "{verb} in {domain}: {refused}"
            );
            let expected = format!("domain {domain:?} is eventual");
            assert!(refused.message().contains(&expected), "{verb} in {domain}: {refused}");
        }
    }
}

#[tokio::test]
async fn the_eventual_level_is_a_tier_mismatch_wherever_strong_keys_are_read() {
    let (cluster, client) = one_member().await;
    client.domains().create("orders", Tier::Strong).await.unwrap();
    let endpoint = format!("http://{}", cluster.endpoints()[0]);
    let mut kv = KvClient::connect(endpoint).await.unwrap();
    let read = Some(v1::ReadOptions {
        level: v1::Level::Eventual.into(),
        ..Default::default()
    });
    for (domain, named) in [
        ("orders", "domain \"orders\" is strong"),
        ("", "domain \"default\" is strong"),
        ("cache", "domain \"cache\" is eventual"),
        ("nowhere", "domain \"nowhere\""),
    ] {
        let get = kv.get(v1::GetRequest {
            domain: domain.to_owned(),
            key: "k".into(),
            read,
            ..Default::default()
        });
        let get = get.await.unwrap_err();
        let range = kv.range(v1::RangeRequest {
            domain: domain.to_owned(),
            keys: Some(v1::KeySelector {
                kind: Some(v1::key_selector::Kind::Prefix(Bytes::new())),
            }),
            read,
            ..Default::default()
        });
        for status in [get, range.await.unwrap_err()] {
            assert_eq!(code(&status), v1::ErrorCode::TierMismatch, "{domain}: {status}");
            assert!(status.message().contains(named), "{domain}: {status}");
        }
    }
}

/// The code in the details of a status.
fn code(status: &tonic::Status) -> v1::ErrorCode {
    let error: v1::Error = prost::Message::decode(status.details()).unwrap();
    error.code()
}

#[tokio::test]
async fn a_domain_made_at_the_leader_is_found_by_strong_calls_at_every_member_at_once() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    for round in 0..30 {
        let domain = format!("d{round}");
        client.domains().create(&domain, Tier::Strong).await.unwrap();
        for endpoint in cluster.endpoints() {
            let mut kv = KvClient::connect(format!("http://{endpoint}")).await.unwrap();
            for level in [v1::Level::Unspecified, v1::Level::Strong] {
                let request = v1::GetRequest {
                    domain: domain.clone(),
                    key: "k".into(),
                    read: Some(v1::ReadOptions {
                        level: level.into(),
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                let found = kv.get(request).await;
                assert!(found.is_ok(), "round {round} at {endpoint}: {found:?}");
            }
        }
        let away = round % cluster.endpoints().len();
        let at = cluster.client_of(cluster.ids()[away]).await.unwrap();
        let watch = at.watch(Keys::prefix("")).domain(&domain).await;
        assert!(watch.is_ok(), "round {round}: {:?}", watch.err());
    }
}

#[tokio::test]
async fn a_read_that_names_no_level_has_that_of_its_domain() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let domains = client.domains();
    let bound = Consistency::BoundedStale(Duration::from_secs(3600));
    domains
        .create("relaxed", Tier::Strong)
        .consistency(bound)
        .await
        .unwrap();
    domains
        .create("local", Tier::Strong)
        .consistency(Consistency::Local)
        .await
        .unwrap();
    client.put("k", "v").domain("relaxed").await.unwrap();
    let written = client.put("k", "v").domain("local").await.unwrap().revision;
    client.put("k", "v").await.unwrap();
    // A round proves how fresh the leader is.
    client.get("k").consistency(Consistency::Strong).await.unwrap();
    // Without a quorum a strong read fails, and these are answered still.
    let leader = cluster.wait_for_leader().await.unwrap();
    let endpoint = cluster.member(leader).unwrap().client_address().to_owned();
    for id in cluster.ids().into_iter().filter(|id| *id != leader) {
        cluster.kill9(id).unwrap();
    }
    let mut kv = KvClient::connect(format!("http://{endpoint}")).await.unwrap();
    let mut read = async |domain: &str, level: v1::Level, min_revision: u64| {
        let request = v1::GetRequest {
            domain: domain.to_owned(),
            key: "k".into(),
            read: Some(v1::ReadOptions {
                level: level.into(),
                min_revision,
                ..Default::default()
            }),
            ..Default::default()
        };
        kv.get(request)
            .await
            .map(|response| response.into_inner().record.is_some())
    };
    assert!(read("relaxed", v1::Level::Unspecified, 0).await.unwrap());
    assert!(read("local", v1::Level::Unspecified, written).await.unwrap());
    let through_the_sdk = client.get("k").domain("relaxed").await.unwrap();
    assert!(through_the_sdk.record.is_some());
    assert!(read("local", v1::Level::Strong, 0).await.is_err());
    assert!(read("default", v1::Level::Unspecified, 0).await.is_err());
}

fn quorate(cluster: &Cluster, arguments: &[&str]) -> Output {
    Command::new(server_binary().unwrap())
        .args(arguments)
        .env("QUORATE_ENDPOINTS", cluster.endpoints().join(","))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_command_line_makes_changes_shows_and_drops() {
    let (cluster, client) = one_member().await;
    let made = quorate(
        &cluster,
        &[
            "domain",
            "create",
            "orders",
            "--bytes-max",
            "1000",
            "--level",
            "50ms",
            "-o",
            "json",
        ],
    );
    let made = json(&made);
    assert_eq!(
        (&made["tier"], &made["bytes_max"], &made["level"]),
        (&"strong".into(), &1000.into(), &"50ms".into())
    );
    let again = quorate(&cluster, &["domain", "create", "orders"]);
    assert_eq!(again.status.code(), Some(1));
    let evicting = [
        "domain",
        "create",
        "seen",
        "--tier",
        "eventual",
        "--volatile",
        "--evict",
        "drop",
        "--policy",
        "lfu",
        "-o",
        "json",
    ];
    let evicting = json(&quorate(&cluster, &evicting));
    assert_eq!(
        (&evicting["evict"], &evicting["policy"]),
        (&"drop".into(), &"lfu".into())
    );
    let changed = [
        "domain",
        "change",
        "seen",
        "--evict",
        "none",
        "--ttl-default",
        "5s",
        "-o",
        "json",
    ];
    let changed = json(&quorate(&cluster, &changed));
    assert_eq!(
        (&changed["evict"], &changed["policy"]),
        (&"none".into(), &serde_json::Value::Null)
    );
    assert_eq!(changed["ttl_ms_default"], 5000);
    assert_eq!(
        quorate(&cluster, &["domain", "change", "seen"]).status.code(),
        Some(2),
        "nothing to change"
    );

    client.put("key", "1").domain("orders").await.unwrap();
    let shown = json(&quorate(&cluster, &["domain", "get", "orders", "-o", "json"]));
    assert_eq!(shown["bytes"], 4);
    let list = quorate(&cluster, &["domain", "list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    for name in ["default", "session", "cache", "orders", "seen"] {
        assert!(
            list.lines().any(|line| line.split_whitespace().next() == Some(name)),
            "{list}"
        );
    }
    let refused = quorate(&cluster, &["domain", "drop", "orders", "-o", "json"]);
    assert_eq!(refused.status.code(), Some(1));
    let error: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "domain_in_use");
    assert_eq!(
        json(&quorate(&cluster, &["domain", "drop", "seen", "-o", "json"]))["dropped"],
        true
    );
    assert_eq!(quorate(&cluster, &["domain", "get", "seen"]).status.code(), Some(1));
}
