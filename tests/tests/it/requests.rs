//! Single requests are followed: by their name in the logs of all members, and by their spans at a collector.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use quorate::{Client, ErrorKind};
use quorate_proto::v1;
use quorate_proto::v1::cluster_client::ClusterClient;
use quorate_proto::v1::eventual_client::EventualClient;
use quorate_tests::cluster::{Certificates, Cluster, MetricsPage, Settings, free_ports, server_binary};
use quorate_tests::collector::{Collected, Collector, Spans, follow_clients};
use quorate_tests::wait;
use serde_json::Value;
use tonic::Status;
use tonic::transport::Endpoint;

const PATIENCE: Duration = Duration::from_secs(30);

/// Members of which each makes spans of every request.
fn all_to(address: &str) -> Settings {
    Settings {
        more_toml: format!("[tracing]\notlp_endpoint = {address:?}\nsample_per_million = 1000000\n"),
        ..Settings::of(3)
    }
}

fn json_log(more: &str) -> Settings {
    Settings {
        more_toml: format!("[log]\nformat = \"json\"\n{more}"),
        ..Settings::of(3)
    }
}

/// The call of this method that the client made last.
fn last_call(spans: &Spans, method: &str) -> Collected {
    let mut calls = spans.named("call").into_iter();
    calls.rfind(|call| call.attributes["method"] == method).unwrap()
}

/// The fields of every line of a member that says this.
fn lines(cluster: &Cluster, id: u64, message: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(cluster.member(id).unwrap().log()).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.map(|mut line| line["fields"].take());
    fields.filter(|fields| fields["message"] == message).collect()
}

fn set_filter(cluster: &Cluster, filter: &str) {
    for id in cluster.ids() {
        let http = cluster.member(id).unwrap().http_address();
        let changed = Command::new(server_binary().unwrap())
            .args(["log-level", "--http", http, filter])
            .output()
            .unwrap();
        assert!(changed.status.success(), "{changed:?}");
    }
}

async fn counted(cluster: &Cluster, id: u64, name: &str, with: &[&str]) -> f64 {
    let page = MetricsPage::of(cluster.member(id).unwrap().http_address())
        .await
        .unwrap();
    page.sum(name, with).unwrap()
}

#[tokio::test]
async fn a_put_is_one_trace_from_the_client_to_the_apply_on_every_member() {
    let (collector, address) = Collector::start().await.unwrap();
    let mut cluster = Cluster::start_with(all_to(&address)).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    follow_clients(&collector.spans).unwrap();
    let client = cluster.client().await.unwrap();
    // The first goes where the client happens to be connected, and finds the leader.
    client.put("a", "1").await.unwrap();
    client.put("b", "2").await.unwrap();
    let call = last_call(&collector.spans, "Kv/Put");

    // The answer of the member that led, and the entry that it made of it.
    let found = wait::until("the spans of every member", PATIENCE, async || {
        let trace = collector.spans.of(call.request);
        let answered = |span: &&Collected| span.attributes["rpc.response.status_code"] == "OK";
        let put = named(&trace, "Kv/Put").find(answered).cloned();
        let part = |name| named(&trace, name).find(|span| Some(span.parent) == put.as_ref().map(|put| put.id));
        let parts = part("queue").cloned().zip(part("replicate").cloned());
        if let Some((put, (queue, replicate))) = put.zip(parts) {
            let of_entry = |name| named(&trace, name).filter(|span| span.parent == replicate.id).cloned();
            let (applied, synced): (Vec<_>, Vec<_>) = (of_entry("apply").collect(), of_entry("sync").collect());
            if applied.len() == 3 {
                return Ok((put, queue, replicate, applied, synced));
            }
        }
        Err(format!("{trace:#?}"))
    });
    let (put, queue, replicate, applied, synced) = found.await.unwrap();

    assert_eq!(put.parent, call.id);
    let members: BTreeSet<&str> = applied.iter().map(|span| span.from.as_str()).collect();
    assert_eq!(members, BTreeSet::from(["1", "2", "3"]));
    let of_members = || applied.iter().chain(&synced);
    for span in of_members() {
        assert_eq!(
            span.attributes["quorate.log_index"],
            replicate.attributes["quorate.log_index"]
        );
    }
    let all = [&call, &put, &queue, &replicate].into_iter().chain(of_members());
    let ids: BTreeSet<u64> = all.map(|span| span.id).collect();
    assert_eq!(ids.len(), 4 + applied.len() + synced.len());

    // All of it is on one clock.
    let apply = applied.iter().find(|span| span.from == put.from).unwrap();
    let order = [
        ("called", call.began),
        ("received", put.began),
        ("queued", queue.began),
        ("proposed", replicate.began),
        ("committed", apply.began),
        ("applied", apply.ended),
        ("replied", put.ended),
        ("answered", call.ended),
    ];
    assert!(order.is_sorted_by_key(|(_, at)| *at), "{order:#?}");
    assert_eq!((queue.ended, replicate.ended), (replicate.began, apply.ended));
    for span in of_members() {
        assert!(span.began >= replicate.began && span.began <= span.ended, "{span:?}");
    }

    let stage = |name: &str| call.attributes[name].parse::<f64>().unwrap();
    assert_eq!(call.attributes["outcome"], "ok");
    assert!(
        stage("queued_ms") <= stage("sent_ms") && stage("sent_ms") <= stage("answered_ms"),
        "{call:?}"
    );
}

fn named<'a>(trace: &'a [Collected], name: &'static str) -> impl Iterator<Item = &'a Collected> + use<'a> {
    trace.iter().filter(move |span| span.name == name)
}

#[tokio::test]
async fn a_read_is_followed_to_the_member_that_answered_it() {
    let (collector, address) = Collector::start().await.unwrap();
    let mut cluster = Cluster::start_with(all_to(&address)).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    follow_clients(&collector.spans).unwrap();
    let client = cluster.client().await.unwrap();
    client.get("a").await.unwrap();
    let call = last_call(&collector.spans, "Kv/Get");
    let get = wait::until("the span of the member", PATIENCE, async || {
        let trace = collector.spans.of(call.request);
        let ready = named(&trace, "ready").next().cloned();
        ready
            .zip(named(&trace, "Kv/Get").next().cloned())
            .ok_or(format!("{trace:?}"))
    });
    let (ready, get) = get.await.unwrap();
    assert_eq!((get.parent, ready.parent), (call.id, get.id));
}

#[tokio::test]
async fn calls_go_on_while_the_collector_is_away_and_the_spans_that_are_lost_are_counted() {
    let port = free_ports(1).unwrap()[0];
    let address = format!("127.0.0.1:{port}");
    let mut cluster = Cluster::start_with(all_to(&address)).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let spans = "quorate_trace_spans_total";
    for number in 0..20 {
        client.put("k", number.to_string()).await.unwrap();
    }
    wait::until("spans to be dropped", PATIENCE, async || {
        client.put("k", "v").await.map_err(|error| error.to_string())?;
        let dropped = counted(&cluster, leader, spans, &["result=\"dropped\""]).await;
        (dropped > 0.0).then_some(()).ok_or("none are".to_owned())
    })
    .await
    .unwrap();
    assert_eq!(counted(&cluster, leader, spans, &["result=\"exported\""]).await, 0.0);

    let collector = Collector::listen(&address).await.unwrap();
    wait::until("spans to be taken again", PATIENCE, async || {
        client.put("k", "v").await.map_err(|error| error.to_string())?;
        let exported = counted(&cluster, leader, spans, &["result=\"exported\""]).await;
        (exported > 0.0).then_some(()).ok_or("none are".to_owned())
    })
    .await
    .unwrap();
    assert!(!collector.spans.named("Kv/Put").is_empty());
}

#[tokio::test]
async fn a_member_that_stops_delivers_what_waits() {
    let (collector, address) = Collector::start().await.unwrap();
    let settings = Settings {
        members: 1,
        ..all_to(&address)
    };
    let mut cluster = Cluster::start_with(settings).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..50 {
        client.put("k", number.to_string()).await.unwrap();
    }
    cluster.stop(1).await.unwrap();
    assert_eq!(collector.spans.named("Kv/Put").len(), 50);
    assert_eq!(collector.spans.named("apply").len(), 50);
}

#[tokio::test]
async fn a_slow_call_is_written_of_with_its_stages() {
    let mut cluster = Cluster::start_with(json_log("slow_call_ms = 1\n")).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let spans = Spans::default();
    follow_clients(&spans).unwrap();
    let client = cluster.client_of(leader).await.unwrap();
    // A megabyte is not on the disks of a majority within a millisecond.
    client.put("k", vec![7; 1_000_000]).await.unwrap();
    let call = last_call(&spans, "Kv/Put");
    let line = wait::until("the line", PATIENCE, async || {
        let lines = lines(&cluster, leader, "a call was slow");
        let mut of_call = lines.iter().filter(|line| line["request"] == call.request.to_string());
        of_call.next().cloned().ok_or(format!("{lines:?}"))
    })
    .await
    .unwrap();
    assert_eq!(
        (&line["method"], &line["code"]),
        (&Value::from("Kv/Put"), &Value::from("OK"))
    );
    let ms = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
    let stages = ["queued_ms", "appended_ms", "replicated_ms", "applied_ms", "replied_ms"];
    let sum: f64 = stages.iter().map(|stage| ms(stage)).sum();
    assert!((sum - ms("took_ms")).abs() < 0.01, "{line}");
    assert!(ms("took_ms") >= 1.0, "{line}");
    assert!(counted(&cluster, leader, "quorate_slow_calls_total", &[]).await >= 1.0);
}

#[tokio::test]
async fn a_request_is_found_by_its_name_in_the_log_of_every_member() {
    let mut cluster = Cluster::start_with(json_log("")).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let spans = Spans::default();
    follow_clients(&spans).unwrap();
    let client = cluster.client().await.unwrap();
    client.put("before", "1").await.unwrap();
    set_filter(&cluster, "info,quorate_node::request=trace");
    client.put("after", "1").await.unwrap();
    let request = last_call(&spans, "Kv/Put").request.to_string();
    let found = |id, message| {
        let mut lines = lines(&cluster, id, message).into_iter();
        lines.find(|line| line["request"] == request)
    };
    let mut indexes = BTreeSet::new();
    for id in cluster.ids() {
        let line = wait::until("the member to have applied it", PATIENCE, async || {
            found(id, "a request was applied").ok_or("it has not")
        });
        indexes.insert(line.await.unwrap()["index"].as_u64());
    }
    assert_eq!(indexes.len(), 1);
    let answered = cluster.ids().into_iter().filter_map(|id| found(id, "a call ended"));
    assert_eq!(answered.filter(|line| line["code"] == "OK").count(), 1);
}

#[tokio::test]
async fn an_error_names_the_request_that_the_member_may_have_met() {
    let mut cluster = Cluster::start_with(json_log("")).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = Client::builder()
        .endpoints(cluster.endpoints())
        .call_timeout(Duration::from_secs(2));
    let client = client.connect().await.unwrap();
    client.put("k", "1").await.unwrap();
    set_filter(&cluster, "info,quorate_node::request=debug");
    let followers: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    for id in &followers {
        cluster.pause(*id).await.unwrap();
    }
    let error = client.put("k", "2").await.unwrap_err();
    for id in &followers {
        cluster.resume(*id).unwrap();
    }
    assert!(!matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    let request = error.request().unwrap().to_string();
    assert!(error.to_string().ends_with(&format!("(request {request})")), "{error}");
    // Another may lead by now.
    wait::until("a member to have told of it", PATIENCE, async || {
        let members = cluster.ids().into_iter();
        let told: Vec<Value> = members.flat_map(|id| lines(&cluster, id, "a call ended")).collect();
        let known = told.iter().any(|line| line["request"] == request);
        known.then_some(()).ok_or(format!("{told:?}"))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_collector_with_tls_gets_spans_and_one_that_another_authority_vouches_for_does_not() {
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(&home.path().join("own"), 1).unwrap();
    let strangers = Certificates::make(&home.path().join("strangers"), 1).unwrap();
    let address = format!("localhost:{}", free_ports(1).unwrap()[0]);
    let server = |made: &Certificates| ["server.crt", "server.key"].map(|file| made.of_member(1, file));
    let tracing = format!(
        "[tracing]\notlp_endpoint = {address:?}\nsample_per_million = 1000000\notlp_ca = {:?}\n",
        made.of_client("test", "client-ca.crt")
    );
    let settings = Settings {
        more_toml: tracing,
        ..Settings::of(1)
    };
    let [certificate, key] = server(&strangers);
    let stranger = Collector::listen_with_tls(&address, &certificate, &key).await.unwrap();
    let mut cluster = Cluster::start_with(settings).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let count = async |result: &str| counted(&cluster, 1, "quorate_trace_spans_total", &[result]).await;
    wait::until("spans to be dropped", PATIENCE, async || {
        client.put("k", "v").await.map_err(|error| error.to_string())?;
        (count("result=\"dropped\"").await > 0.0)
            .then_some(())
            .ok_or("none are".to_owned())
    })
    .await
    .unwrap();
    assert_eq!(count("result=\"exported\"").await, 0.0);
    assert!(stranger.spans.named("Kv/Put").is_empty());
    drop(stranger);

    let [certificate, key] = server(&made);
    let collector = wait::until("the port to be free", PATIENCE, async || {
        Collector::listen_with_tls(&address, &certificate, &key)
            .await
            .map_err(|error| error.to_string())
    });
    let collector = collector.await.unwrap();
    wait::until("spans to be taken", PATIENCE, async || {
        client.put("k", "v").await.map_err(|error| error.to_string())?;
        (!collector.spans.named("Kv/Put").is_empty())
            .then_some(())
            .ok_or("none are".to_owned())
    })
    .await
    .unwrap();
    // They are counted when the collector has said that it has them.
    wait::until("spans to be counted", PATIENCE, async || {
        let exported = count("result=\"exported\"").await;
        (exported > 0.0).then_some(()).ok_or("none are".to_owned())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn calls_of_the_eventual_tier_of_watches_and_of_operators_have_names() {
    let settings = Settings {
        members: 1,
        ..json_log("")
    };
    let mut cluster = Cluster::start_with(settings).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    set_filter(&cluster, "info,quorate_node::request=debug");
    let told = async |method: &str, code: &str, request: Option<&str>| {
        wait::until(method, PATIENCE, async || {
            let lines = lines(&cluster, 1, "a call ended");
            let so = |line: &&Value| {
                line["method"] == method
                    && line["code"] == code
                    && request.is_none_or(|request| line["request"] == request)
            };
            lines.iter().find(so).cloned().ok_or(format!("{lines:?}"))
        })
        .await
        .unwrap()
    };

    let endpoint = Endpoint::from_shared(format!("http://{}", cluster.endpoints()[0])).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let write = v1::EventualWriteRequest {
        domain: "nowhere".to_owned(),
        ..Default::default()
    };
    let write = EventualClient::new(channel.clone()).write(write).await.map(drop);
    let remove = v1::MemberRemoveRequest { member_id: 99 };
    let remove = ClusterClient::new(channel).member_remove(remove).await.map(drop);
    let mut names = BTreeSet::new();
    for (method, failed) in [("Eventual/Write", write), ("Cluster/MemberRemove", remove)] {
        let status: Status = failed.unwrap_err();
        let name = status.metadata().get("quorate-request").unwrap().to_str().unwrap();
        let code = told(method, &code_of(&status), Some(name)).await["code"].clone();
        assert_ne!(code, "OK");
        names.insert(name.to_owned());
    }
    assert_eq!(names.len(), 2);

    let client = cluster.client().await.unwrap();
    client.eventual().put("seen", "1").await.unwrap();
    let first = told("Eventual/Write", "OK", None).await["request"].clone();
    client.eventual().put("seen", "2").await.unwrap();
    let both = wait::until("the second write", PATIENCE, async || {
        let lines = lines(&cluster, 1, "a call ended");
        let writes = lines
            .iter()
            .filter(|line| line["method"] == "Eventual/Write" && line["code"] == "OK");
        let names: BTreeSet<String> = writes.map(|line| line["request"].to_string()).collect();
        (names.len() == 2).then_some(names).ok_or(format!("{lines:?}"))
    });
    assert!(both.await.unwrap().contains(&first.to_string()));
    let _watch = client.watch("w").await.unwrap();
    told("Watch/Open", "OK", None).await;
}

/// As members write it.
fn code_of(status: &Status) -> String {
    quorate_node::metrics::code_name(status.code() as i32).to_owned()
}
