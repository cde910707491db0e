//! Bad input gets a typed error that names what was wrong, and nothing else happens.

use quorate::{Client, Compare, Consistency, ErrorKind, Keys, Op, Outcome};
use quorate_proto::v1;
use quorate_proto::v1::kv_client::KvClient;
use quorate_tests::cluster::Cluster;

const KEY_BYTES_MAX: usize = 4 << 10;
const VALUE_BYTES_MAX: usize = 1 << 20;
const TXN_OPERATIONS_MAX: usize = 128;

async fn one_member() -> (Cluster, Client) {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    (cluster, client)
}

/// The limit and the value in an error about something too large.
fn too_large(error: &quorate::Error) -> (u64, u64) {
    assert_ne!(error.outcome(), Outcome::Unknown, "{error}");
    match error.kind() {
        ErrorKind::TooLarge { limit, value, .. } => (*limit, *value),
        other => panic!("{other:?}: {error}"),
    }
}

#[tokio::test]
async fn keys_and_values_up_to_the_limit_are_taken_and_beyond_it_refused_with_both_numbers() {
    let (_cluster, client) = one_member().await;
    client.put(vec![b'k'; KEY_BYTES_MAX], "v").await.unwrap();
    client.put("k", vec![0; VALUE_BYTES_MAX]).await.unwrap();
    let revision = client.get("k").await.unwrap().revision;

    let error = client.put(vec![b'k'; KEY_BYTES_MAX + 1], "v").await.unwrap_err();
    assert_eq!(too_large(&error), (KEY_BYTES_MAX as u64, KEY_BYTES_MAX as u64 + 1));
    let error = client.put("k", vec![0; VALUE_BYTES_MAX + 1]).await.unwrap_err();
    assert_eq!(too_large(&error), (VALUE_BYTES_MAX as u64, VALUE_BYTES_MAX as u64 + 1));
    let error = client.get(vec![b'k'; KEY_BYTES_MAX + 1]).await.unwrap_err();
    assert_eq!(too_large(&error).0, KEY_BYTES_MAX as u64);
    assert_eq!(client.get("k").await.unwrap().revision, revision, "nothing was applied");
}

#[tokio::test]
async fn a_transaction_with_too_many_operations_or_bytes_is_refused() {
    let (_cluster, client) = one_member().await;
    let mut txn = client.txn();
    for number in 0..TXN_OPERATIONS_MAX {
        txn = txn.then(Op::put(format!("k{number}"), "v"));
    }
    assert!(txn.await.unwrap().succeeded);

    let mut txn = client.txn();
    for number in 0..=TXN_OPERATIONS_MAX {
        txn = txn.then(Op::put(format!("k{number}"), "v"));
    }
    assert_eq!(too_large(&txn.await.unwrap_err()).0, TXN_OPERATIONS_MAX as u64);

    // Every value is within its limit; together they are beyond a request's.
    let megabyte = vec![0; VALUE_BYTES_MAX];
    let txn = client
        .txn()
        .then(Op::put("a", megabyte.clone()))
        .then(Op::put("b", megabyte));
    too_large(&txn.await.unwrap_err());
}

#[tokio::test]
async fn an_empty_key_and_a_key_changed_twice_are_refused() {
    let (_cluster, client) = one_member().await;
    let invalid = |error: quorate::Error| assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    invalid(client.put("", "v").await.unwrap_err());
    invalid(client.get("").await.unwrap_err());
    invalid(client.delete("").await.unwrap_err());
    invalid(
        client
            .txn()
            .when(Compare::exists(""))
            .then(Op::get("k"))
            .await
            .unwrap_err(),
    );
    let twice = client
        .txn()
        .then(Op::put("k", "1"))
        .then(Op::put("k", "2"))
        .await
        .unwrap_err();
    assert!(twice.message().contains('k'), "{twice}");
    invalid(twice);
    let overlapping = client
        .txn()
        .then(Op::put("a/1", "1"))
        .then(Op::delete(Keys::prefix("a/")));
    invalid(overlapping.await.unwrap_err());
    assert_eq!(client.get("k").await.unwrap().revision, 1, "nothing was applied");
}

#[tokio::test]
async fn a_revision_of_the_future_and_a_compacted_one_name_the_boundary() {
    let (_cluster, client) = one_member().await;
    for number in 0..10 {
        client.put("k", format!("{number}")).await.unwrap();
    }
    let error = client.get("k").at_revision(100).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::FutureRevision { boundary: 11 }, "{error}");

    client.compact(6).await.unwrap();
    let error = client.get("k").at_revision(5).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Compacted { boundary: 6 }, "{error}");
    let kept = client.get("k").at_revision(6).await.unwrap().record.unwrap();
    assert_eq!(kept.mod_revision, 6);
    let error = client.compact(100).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::FutureRevision { boundary: 11 }, "{error}");
}

#[tokio::test]
async fn levels_and_domains_that_do_not_exist_are_refused() {
    let (cluster, client) = one_member().await;
    let error = client.put("k", "v").domain("nowhere").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownDomain, "{error}");
    assert!(error.message().contains("nowhere"), "{error}");
    let zero = Consistency::BoundedStale(std::time::Duration::ZERO);
    let error = client.get("k").consistency(zero).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");

    // The SDK cannot say these.
    let mut kv = KvClient::connect(format!("http://{}", cluster.endpoints()[0]))
        .await
        .unwrap();
    for (level, code) in [(v1::Level::Eventual as i32, "is strong"), (77, "level")] {
        let request = v1::GetRequest {
            key: "k".into(),
            read: Some(v1::ReadOptions {
                level,
                ..Default::default()
            }),
            ..Default::default()
        };
        let status = kv.get(request).await.unwrap_err();
        assert!(
            status.message().to_lowercase().contains(code),
            "level {level}: {status:?}"
        );
    }
}
