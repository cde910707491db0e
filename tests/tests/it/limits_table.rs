//! Every limit of `limits.*`, from the outside: what is refused, and that the refusal says the limit and the value.

use quorate::{Client, ErrorKind, Keys, Op, QueueConfig};
use quorate_node::config::SETTINGS;
use quorate_proto::v1;
use quorate_proto::v1::coordination_client::CoordinationClient;
use quorate_proto::v1::kv_client::KvClient;
use quorate_proto::v1::session_client::SessionClient;
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::wait;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// A queue that stays empty.
const NOTHING_COMES: &str = "nothing comes";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Lower than anybody would have them, so that little is needed to meet them.
const LIMITS: &[(&str, u64)] = &[
    ("request_bytes_max", 16_384),
    ("key_bytes_max", 16),
    ("value_bytes_max", 1_024),
    ("txn_operations_max", 30),
    ("range_records_max", 5),
    ("range_bytes_max", 1_024),
    ("tags_max", 2),
    ("tag_bytes_max", 4),
    ("calls_outstanding_max", 4),
    ("calls_waiting_max", 3),
    ("clients_max", 2),
    ("watches_max", 2),
];

/// Those that need more than a call to be met, and where that is done.
const ELSEWHERE: &[(&str, &str)] = &[
    ("watch_stall_ms_max", "watch::"),
    ("connections_max", "abuse::idle"),
    ("streams_max", "abuse::floods"),
    ("header_bytes_max", "abuse::malformed"),
    ("request_arrival_ms_max", "abuse::slow"),
    ("arriving_bytes_max", "abuse::slow"),
    ("requests_bytes_max", "abuse::bytes"),
    ("answers_unread_bytes_max", "abuse::slow"),
];

fn limit(name: &str) -> u64 {
    LIMITS.iter().find(|(limit, _)| *limit == name).unwrap().1
}

/// The refusal is about this limit, and has both numbers.
#[track_caller]
fn refused<T>(name: &str, value: u64, result: quorate::Result<T>) {
    let error = result.map(drop).unwrap_err();
    let numbers = match error.kind() {
        ErrorKind::TooLarge { limit, value, .. } | ErrorKind::LimitReached { limit, value, .. } => (*limit, *value),
        other => panic!("{name}: {other:?}: {error}"),
    };
    assert_eq!(numbers, (limit(name), value), "{name}: {error}");
    assert!(error.message().contains(&format!("limits.{name}")), "{name}: {error}");
}

/// The same of a call that the SDK would not make, or make again.
#[track_caller]
fn refused_plainly(name: &str, status: &Status) {
    let error: v1::Error = prost::Message::decode(status.details()).unwrap();
    assert_eq!(error.limit, limit(name), "{name}: {status:?}");
    assert!(error.value >= error.limit, "{name}: {status:?}");
    assert!(
        status.message().contains(&format!("limits.{name}")),
        "{name}: {status:?}"
    );
}

async fn limited() -> (Cluster, Client, Channel) {
    let mut settings = Settings::of(1);
    settings.more_toml = "[limits]\n".to_owned();
    for (name, value) in LIMITS {
        settings.more_toml.push_str(&format!("{name} = {value}\n"));
    }
    let cluster = Cluster::start_with(settings).await.unwrap();
    let client = cluster.client().await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", cluster.endpoints()[0])).unwrap();
    let channel = endpoint.connect().await.unwrap();
    (cluster, client, channel)
}

#[test]
fn each_limit_is_met_here_or_elsewhere() {
    let limits = SETTINGS
        .iter()
        .filter_map(|setting| setting.key.strip_prefix("limits."));
    let mut all: Vec<&str> = limits.collect();
    let here = LIMITS.iter().map(|(name, _)| *name);
    let mut met: Vec<&str> = here.chain(ELSEWHERE.iter().map(|(name, _)| *name)).collect();
    all.sort_unstable();
    met.sort_unstable();
    assert_eq!(all, met);
}

#[tokio::test]
async fn what_is_one_more_than_a_request_may_have_is_refused_with_the_limit_and_the_value() {
    let (_cluster, client, _) = limited().await;
    let long = |bytes: usize| vec![b'k'; bytes];
    client.put(long(16), long(1_024)).await.unwrap();
    refused("key_bytes_max", 17, client.put(long(17), "v").await);
    refused("key_bytes_max", 17, client.get(long(17)).await);
    refused("key_bytes_max", 17, client.delete(long(17)).await);
    refused("key_bytes_max", 17, client.range(Keys::prefix(long(17))).await);
    refused("value_bytes_max", 1_025, client.put("k", long(1_025)).await);
    let txn = |operations: usize, bytes: usize| {
        let puts = (0..operations).map(|number| Op::put(format!("k{number}"), vec![7; bytes]));
        puts.fold(client.txn(), |txn, put| txn.then(put))
    };
    txn(30, 1).await.unwrap();
    refused("txn_operations_max", 31, txn(31, 1).await);
    txn(15, 1_024).await.unwrap();
    let error = txn(16, 1_024).await.map(drop).unwrap_err();
    assert!(error.message().contains("limits.request_bytes_max"), "{error}");
    let tagged = |tags: &[&str]| client.put("k", "v").tags(tags.iter().copied());
    tagged(&["a", "four"]).await.unwrap();
    refused("tags_max", 3, tagged(&["a", "b", "c"]).await);
    refused("tag_bytes_max", 5, tagged(&["five5"]).await);
}

#[tokio::test]
async fn a_page_ends_where_a_limit_says() {
    let (_cluster, client, _) = limited().await;
    for number in 0..10 {
        client.put(format!("small/{number}"), "v").await.unwrap();
        client.put(format!("large/{number}"), vec![7; 400]).await.unwrap();
    }
    let page = client.range(Keys::prefix("small/")).await.unwrap();
    assert_eq!((page.records.len(), page.more), (5, true), "range_records_max");
    let page = client.range(Keys::prefix("large/")).await.unwrap();
    assert_eq!((page.records.len(), page.more), (2, true), "range_bytes_max");
}

#[tokio::test]
async fn what_a_member_has_too_many_of_is_refused_until_there_are_fewer() {
    let (cluster, client, channel) = limited().await;

    let _watches = (client.watch("a").await.unwrap(), client.watch("b").await.unwrap());
    refused("watches_max", 3, client.watch("c").await);

    // The client itself has registered with its first write.
    client.put("k", "v").await.unwrap();
    let mut session = SessionClient::new(channel.clone());
    session
        .register_client(v1::RegisterClientRequest::default())
        .await
        .unwrap();
    let again = session.register_client(v1::RegisterClientRequest::default()).await;
    refused_plainly("clients_max", &again.unwrap_err());

    client
        .queue(NOTHING_COMES)
        .create(QueueConfig::default())
        .await
        .unwrap();
    let ready = v1::QueueGetReady {
        queue: NOTHING_COMES.to_owned(),
    };
    let waiting = v1::QueryRequest {
        query: Some(v1::query_request::Query::Queue(v1::QueueQuery {
            query: Some(v1::queue_query::Query::Ready(ready)),
        })),
        wait_ms: 60_000,
        ..Default::default()
    };
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let (mut coordination, waiting) = (CoordinationClient::new(channel.clone()), waiting.clone());
        calls.spawn(async move { coordination.query(waiting).await });
    }
    let first = tokio::time::timeout(PATIENCE, calls.join_next()).await.unwrap();
    refused_plainly("calls_waiting_max", &first.unwrap().unwrap().unwrap_err());
    calls.shutdown().await;

    // How many are worked on at a time is chance; of so many, more than four sooner or later.
    wait::until("a call too many", PATIENCE, async || {
        let mut calls = JoinSet::new();
        for _ in 0..200 {
            let mut kv = KvClient::new(channel.clone());
            let put = v1::PutRequest {
                key: "k".into(),
                ..Default::default()
            };
            calls.spawn(async move { kv.put(put).await });
        }
        let ended = calls.join_all().await;
        let refusals = ended.into_iter().filter_map(Result::err);
        let refusals = refusals.inspect(|status| refused_plainly("calls_outstanding_max", status));
        match refusals.count() {
            0 => Err("all were taken"),
            _ => Ok(()),
        }
    })
    .await
    .unwrap();
    client.put("k", "there is room again").await.unwrap();
    drop(cluster);
}
