//! What members say about themselves: every metric that they promise, and whether they are ready.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use quorate::{CacheSettings, Client, Consistency, Evict, EvictPolicy, Keys, NewItem, QueueConfig, Strategy, Tier};
use quorate_tests::cluster::{Cluster, MetricsPage, Settings, http_get, server_binary};
use quorate_tests::wait;
use serde_json::Value;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const PATIENCE: Duration = Duration::from_secs(40);
const HOUR: Duration = Duration::from_secs(3600);

/// Metrics that have no samples here: nothing is encrypted.
const ABSENT: [&str; 1] = ["quorate_tls_certificate_expiry_timestamp_seconds"];

/// What has to be greater after the load than before it, over all members, with some of the labels.
const MOVED: &[(&str, &[&str])] = &[
    ("quorate_proposals_total", &[]),
    ("quorate_proposal_groups_total", &[]),
    ("quorate_committed_index", &[]),
    ("quorate_applied_index", &[]),
    ("quorate_apply_seconds_count", &[]),
    ("quorate_apply_seconds_sum", &[]),
    ("quorate_read_index_rounds_total", &[]),
    ("quorate_snapshots_built_total", &[]),
    ("quorate_clients", &[]),
    ("quorate_log_sync_seconds_count", &[]),
    ("quorate_log_sync_seconds_sum", &[]),
    ("quorate_log_written_bytes_total", &[]),
    ("quorate_database_bytes", &[]),
    ("quorate_revision", &[]),
    ("quorate_compacted_revision", &[]),
    ("quorate_compactions_total", &[]),
    ("quorate_block_cache_hits_total", &[]),
    ("quorate_watches", &[]),
    ("quorate_watch_events_total", &[]),
    ("quorate_caches", &[]),
    ("quorate_cache_keys", &[]),
    ("quorate_cache_invalidations_total", &[]),
    ("quorate_leases", &[]),
    ("quorate_leases_expired_total", &[]),
    ("quorate_locks_held", &[]),
    ("quorate_lock_waiters", &[]),
    ("quorate_lock_wait_seconds_count", &[]),
    ("quorate_queues", &[]),
    ("quorate_queue_items", &["queue=\"work\"", "state=\"ready\""]),
    ("quorate_queue_items", &["queue=\"work\"", "state=\"claimed\""]),
    ("quorate_queue_items", &["queue=\"work\"", "state=\"delayed\""]),
    ("quorate_queue_items", &["queue=\"work\"", "state=\"dead\""]),
    ("quorate_queue_oldest_age_seconds", &["queue=\"work\""]),
    ("quorate_queue_redelivered_total", &["queue=\"work\""]),
    ("quorate_queue_dead_total", &["queue=\"work\""]),
    ("quorate_workers", &[]),
    ("quorate_assignments", &[]),
    ("quorate_eventual_writes_total", &[]),
    ("quorate_eventual_entries", &["domain=\"default-eventual\""]),
    ("quorate_eventual_siblings", &["domain=\"default-eventual\""]),
    ("quorate_eventual_conflicts_total", &["strategy=\"siblings\""]),
    ("quorate_memory_used_bytes", &["domain=\"default\""]),
    ("quorate_memory_used_bytes", &["domain=\"default-eventual\""]),
    ("quorate_memory_used_bytes", &["domain=\"small\""]),
    ("quorate_memory_limit_bytes", &["domain=\"small\""]),
    ("quorate_memory_pressure", &["domain=\"small\""]),
    ("quorate_rpc_total", &["method=\"Kv/Put\"", "code=\"OK\""]),
    ("quorate_rpc_total", &["method=\"Kv/Get\"", "code=\"NOT_FOUND\""]),
    ("quorate_rpc_total", &["method=\"Eventual/Write\"", "code=\"OK\""]),
    ("quorate_rpc_total", &["method=\"Cluster/Status\"", "code=\"OK\""]),
    ("quorate_rpc_seconds_count", &["method=\"Kv/Txn\""]),
    ("quorate_rpc_seconds_sum", &["method=\"Kv/Put\""]),
    ("quorate_connections", &["side=\"client\""]),
    ("quorate_process_cpu_seconds_total", &[]),
    ("quorate_scrape_seconds_count", &[]),
];

async fn page(cluster: &Cluster, id: u64) -> Result<MetricsPage, String> {
    let member = cluster.member(id).map_err(|error| error.to_string())?;
    MetricsPage::of(member.http_address()).await
}

async fn pages(cluster: &Cluster) -> Result<Vec<MetricsPage>, String> {
    let mut pages = Vec::new();
    for id in cluster.ids() {
        pages.push(page(cluster, id).await?);
    }
    Ok(pages)
}

fn sum(pages: &[MetricsPage], name: &str, with: &[&str]) -> f64 {
    pages.iter().filter_map(|page| page.sum(name, with)).sum()
}

/// Name and kind of every metric, as the program lists them.
fn listed() -> BTreeMap<String, String> {
    let output = Command::new(server_binary().unwrap())
        .args(["metrics", "list", "-o", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let metrics = json["metrics"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metrics
        .map(|metric| (text(&metric["name"]), text(&metric["kind"])))
        .collect()
}

/// A little of everything that a member counts. What it returns holds what is to be seen.
async fn load(cluster: &Cluster) -> impl Sized {
    let client = cluster.client().await.unwrap();
    cluster.status(1).await.unwrap();
    let watch = client.watch(Keys::prefix("k/")).await.unwrap();
    let cached = Client::builder()
        .endpoints(cluster.endpoints())
        .cache(CacheSettings::new());
    let cached = cached.connect().await.unwrap();
    client.put("c", "1").await.unwrap();
    wait::until("a cache to hold the key", PATIENCE, async || {
        let read = cached
            .get("c")
            .consistency(Consistency::BoundedStale(HOUR))
            .await
            .map_err(|error| error.to_string())?;
        let held = cached.cache().map(|cache| cache.stats().entries).unwrap_or_default();
        (held > 0).then_some(()).ok_or(format!("{read:?}"))
    })
    .await
    .unwrap();

    let domain = client.domains().create("small", Tier::Strong).bytes_max(1000);
    domain.await.unwrap();
    client.put("k", vec![7; 700]).domain("small").await.unwrap();
    for number in 0..200 {
        let put = client.put(format!("k/{number}"), vec![1; 1024]);
        put.await.unwrap();
        client.put("c", number.to_string()).await.unwrap();
    }
    let newest = client.get("k/1").await.unwrap().revision;
    client.get("k").domain("nowhere").await.unwrap_err();
    client.compact(newest).await.unwrap();

    client.grant_lease(Duration::from_millis(500)).await.unwrap();
    let session = client.session(HOUR).await.unwrap();
    let held = client.lock("l").session(&session).acquire().await.unwrap();
    let waiter = cluster.client().await.unwrap();
    let waiting = tokio::spawn(async move { waiter.lock("l").acquire_within(PATIENCE).await });
    wait::until("somebody to wait for the lock", PATIENCE, async || {
        let pages = pages(cluster).await?;
        (sum(&pages, "quorate_lock_waiters", &[]) > 0.0)
            .then_some(())
            .ok_or("nobody does".to_owned())
    })
    .await
    .unwrap();
    held.release().await.unwrap();
    let held = waiting.await.unwrap().unwrap().unwrap();
    let other = cluster.client().await.unwrap();
    let waiting = tokio::spawn(async move { other.lock("l").acquire_within(HOUR).await });

    let queue = client.queue("work");
    queue.create(QueueConfig::default()).await.unwrap();
    queue
        .push_all((0..4).map(|number| NewItem::new(number.to_string())))
        .await
        .unwrap();
    queue.push("later").delay(HOUR).await.unwrap();
    let claimed = queue.claim(3).await.unwrap();
    claimed[0].nack().await.unwrap();
    claimed[1].nack().dead().await.unwrap();

    let worker = client.register_worker("w", &session).await.unwrap();
    client.assign("t").await.unwrap();

    for value in ["a", "b"] {
        let put = client.eventual().put("e", value).strategy(Strategy::Siblings);
        put.await.unwrap();
    }
    (client, watch, cached, session, held, waiting, claimed, worker)
}

#[tokio::test]
async fn every_metric_of_the_table_is_on_the_page_and_moves_with_what_it_counts() {
    let settings = Settings {
        more_toml: "[compaction]\ninterval_ms = 100\n".to_owned(),
        ..Settings::of(3).with_early_snapshots()
    };
    let mut cluster = Cluster::start_with(settings).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let before = pages(&cluster).await.unwrap();
    let kept = load(&cluster).await;

    let still = wait::until("everything to have moved", PATIENCE, async || {
        let after = pages(&cluster).await?;
        let moved = |(name, with): &&(&str, &[&str])| sum(&after, name, with) > sum(&before, name, with);
        let still: Vec<_> = MOVED.iter().filter(|one| !moved(one)).collect();
        if still.is_empty() {
            Ok(after)
        } else {
            Err(format!("{still:?}"))
        }
    })
    .await;
    let after = still.unwrap();

    for (name, kind) in listed() {
        let sample = if kind == "histogram" {
            format!("{name}_count")
        } else {
            name.clone()
        };
        for (id, page) in cluster.ids().into_iter().zip(&after) {
            assert_eq!(page.kind(&name), Some(kind.as_str()), "{name} at member {id}");
        }
        let found = after.iter().any(|page| page.sum(&sample, &[]).is_some());
        assert_eq!(found, !ABSENT.contains(&name.as_str()), "samples of {name}");
    }

    // What belongs to one member, or is the same at each.
    for (id, page) in cluster.ids().into_iter().zip(&after) {
        let of = |name: &str| page.sum(name, &[]);
        assert_eq!(of("quorate_has_leader"), Some(1.0));
        assert_eq!(of("quorate_ready"), Some(1.0));
        assert_eq!(of("quorate_is_leader"), Some(f64::from(u8::from(id == leader))));
        assert_eq!(of("quorate_peer_connected"), Some(2.0), "member {id}");
        assert_eq!(of("quorate_replication_lag_entries").is_some(), id == leader);
        assert_eq!(of("quorate_alarm_active"), Some(0.0));
        assert_eq!(of("quorate_queues"), Some(1.0));
        assert!(of("quorate_process_start_time_seconds").unwrap() > 1_600_000_000.0);
        assert!(of("quorate_leader_changes_total").unwrap() >= 1.0);
    }
    drop(kept);
}

/// A cache makes room; a member is away until it needs a snapshot, and the eventual tier heals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_seldom_is_counted_when_it_does() {
    let mut cluster = Cluster::start_with(Settings::of(3).with_early_snapshots())
        .await
        .unwrap();
    let client = cluster.client_of(1).await.unwrap();
    let small = client.domains().create("small", Tier::Eventual).volatile();
    let small = small.entries_max(100).evict(Evict::Drop, EvictPolicy::Lru);
    small.await.unwrap();
    for number in 0..200 {
        wait::until("the small domain to take an entry", PATIENCE, async || {
            let put = client.eventual_in("small").put(number.to_string(), "v").await;
            put.map(drop).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
    }
    let evicted = &["domain=\"small\"", "policy=\"lru\""];
    rises(&cluster, "quorate_evictions_total", evicted).await;

    for seldom in [
        "quorate_snapshots_installed_total",
        "quorate_eventual_heal_reports_total",
    ] {
        assert_eq!(sum(&pages(&cluster).await.unwrap(), seldom, &[]), 0.0, "{seldom}");
    }
    let leader = cluster.wait_for_leader().await.unwrap();
    let away = cluster.ids().into_iter().find(|id| ![1, leader].contains(id)).unwrap();
    cluster.kill9(away).unwrap();
    let had = cluster.status(leader).await.unwrap().log_last_index;
    client.eventual().put("while it is away", "v").await.unwrap();
    // A thousand entries are purged at a time, and puts that are made together would be one.
    wait::until("the leader to forget what the member lacks", 3 * PATIENCE, async || {
        for _ in 0..50 {
            let put = client.put("filler", vec![0; 1 << 10]).await;
            put.map_err(|error| error.to_string())?;
        }
        let first = cluster.status(leader).await?.log_first_index;
        (first > had + 1).then_some(()).ok_or(format!("{first} of {had}"))
    })
    .await
    .unwrap();
    cluster.restart(away).unwrap();
    rises(&cluster, "quorate_snapshots_installed_total", &[]).await;
    rises(&cluster, "quorate_eventual_heal_reports_total", &[]).await;
}

/// Waits until it is more than 0 at some member.
async fn rises(cluster: &Cluster, name: &str, with: &[&str]) {
    wait::until(&format!("{name} to rise"), PATIENCE, async || {
        let total = sum(&pages(cluster).await?, name, with);
        (total > 0.0).then_some(()).ok_or("it is 0".to_owned())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn queues_beyond_the_limit_of_names_are_counted_together() {
    let settings = Settings {
        more_toml: "[metrics]\nnames_max = 2\n".to_owned(),
        ..Settings::of(1)
    };
    let cluster = Cluster::start_with(settings).await.unwrap();
    let client = cluster.client().await.unwrap();
    for name in ["a", "b", "c", "d"] {
        let queue = client.queue(name);
        queue.create(QueueConfig::default()).await.unwrap();
        queue.push("x").await.unwrap();
    }
    let page = page(&cluster, 1).await.unwrap();
    let ready = |queue: &str| {
        let queue = format!("queue=\"{queue}\"");
        page.sum("quorate_queue_items", &[&queue, "state=\"ready\""])
    };
    assert_eq!(
        [ready("a"), ready("b"), ready("other")],
        [Some(1.0), Some(1.0), Some(2.0)]
    );
    assert_eq!([ready("c"), ready("d")], [None, None]);
    assert_eq!(page.sum("quorate_queues", &[]), Some(4.0));
    let dead = |queue: &str| page.sum("quorate_queue_dead_total", &[&format!("queue=\"{queue}\"")]);
    assert_eq!([dead("a"), dead("b"), dead("c")], [Some(0.0), Some(0.0), None]);
}

async fn ready(cluster: &Cluster, id: u64, wanted: u16, words: &[&str]) {
    let address = cluster.member(id).unwrap().http_address();
    wait::until(
        &format!("/readyz of member {id} to say {wanted}"),
        PATIENCE,
        async || {
            let (status, text) = http_get(address, "/readyz?verbose").await?;
            let good = status == wanted && words.iter().all(|word| text.contains(word));
            good.then_some(()).ok_or(format!("{status}: {text}"))
        },
    )
    .await
    .unwrap();
}

async fn health(cluster: &Cluster, id: u64, wanted: ServingStatus) {
    let address = format!("http://{}", cluster.member(id).unwrap().client_address());
    wait::until(
        &format!("the health of member {id} to be {wanted:?}"),
        PATIENCE,
        async || {
            let endpoint = Channel::from_shared(address.clone()).map_err(|error| error.to_string())?;
            let connected = endpoint.connect().await;
            let mut client = HealthClient::new(connected.map_err(|error| error.to_string())?);
            for service in ["", "quorate.v1.Kv"] {
                let request = HealthCheckRequest {
                    service: service.to_owned(),
                };
                let answer = client.check(request).await.map_err(|status| status.to_string())?;
                let status = answer.into_inner().status();
                if status != wanted {
                    return Err(format!("{service:?}: {status:?}"));
                }
            }
            Ok(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_member_without_a_quorum_is_alive_and_not_ready_until_there_is_one_again() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    for id in cluster.ids() {
        ready(
            &cluster,
            id,
            200,
            &["[+] leader: ok", "[+] eventual: ok", "[+] disk: ok"],
        )
        .await;
        health(&cluster, id, ServingStatus::Serving).await;
    }
    cluster.kill9(2).unwrap();
    cluster.kill9(3).unwrap();
    ready(&cluster, 1, 503, &["[-] leader: no leader is known", "not ready"]).await;
    health(&cluster, 1, ServingStatus::NotServing).await;
    let address = cluster.member(1).unwrap().http_address();
    assert_eq!(http_get(address, "/livez").await.unwrap(), (200, "ok\n".to_owned()));
    assert_eq!(http_get(address, "/readyz?exclude=leader").await.unwrap().0, 200);
    let alone = page(&cluster, 1).await.unwrap();
    assert_eq!(alone.sum("quorate_ready", &[]), Some(0.0));
    assert_eq!(alone.sum("quorate_alarm_active", &["alarm=\"no_leader\""]), Some(1.0));

    cluster.restart(2).unwrap();
    for id in [1, 2] {
        ready(&cluster, id, 200, &["ok"]).await;
        health(&cluster, id, ServingStatus::Serving).await;
    }
}

#[tokio::test]
async fn a_program_with_a_recorder_has_the_metrics_of_its_clients() {
    let recorder = PrometheusBuilder::new().install_recorder().unwrap();
    let cluster = Cluster::start(1).await.unwrap();
    let client = Client::builder()
        .endpoints(cluster.endpoints())
        .cache(CacheSettings::new());
    let client = client.connect().await.unwrap();
    client.put("k", "v").await.unwrap();
    client.get("k").domain("nowhere").await.unwrap_err();
    client.eventual().put("e", "v").await.unwrap();
    let counted = |page: &MetricsPage, name: &str, with: &[&str]| {
        let name = format!("quorate_client_{name}");
        page.sum(&name, with).unwrap_or_default()
    };
    let page = wait::until("the counts of the cache to be published", PATIENCE, async || {
        // The first ones fill it, once it is kept true.
        let read = client.get("k").consistency(Consistency::BoundedStale(HOUR));
        read.await.map_err(|error| error.to_string())?;
        let page = MetricsPage::read(&recorder.render())?;
        let hits = counted(&page, "cache_hits_total", &[]);
        (hits >= 1.0).then_some(page).ok_or(recorder.render())
    })
    .await
    .unwrap();
    let calls = |method: &str, outcome: &str| {
        let (method, outcome) = (format!("method=\"{method}\""), format!("outcome=\"{outcome}\""));
        counted(&page, "calls_total", &[&method, &outcome])
    };
    assert_eq!([calls("Kv/Put", "ok"), calls("Kv/Get", "error")], [1.0, 1.0]);
    assert_eq!(calls("Eventual/Write", "ok"), 1.0);
    assert_eq!(counted(&page, "call_seconds_count", &["method=\"Kv/Put\""]), 1.0);
    assert_eq!(counted(&page, "cache_entries", &[]), 1.0);
    assert!(counted(&page, "cache_bytes", &[]) > 0.0);
    assert!(counted(&page, "cache_misses_total", &["reason=\"absent\""]) >= 1.0);

    drop(client);
    wait::until("the entries of the cache to go with it", PATIENCE, async || {
        let page = MetricsPage::read(&recorder.render())?;
        let entries = counted(&page, "cache_entries", &[]);
        (entries == 0.0).then_some(()).ok_or(entries.to_string())
    })
    .await
    .unwrap();
}
