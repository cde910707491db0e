//! Leases live as long as they are renewed, and no longer.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate::{Client, ErrorKind, Loss};
use quorate_proto::v1;
use quorate_proto::v1::coordination_client::CoordinationClient;
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::disk::Disk;
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(20);
const TTL: Duration = Duration::from_secs(1);

async fn wait_until_gone(client: &Client, key: &str) {
    wait::until("the key to go", PATIENCE, async || {
        let read = client.get(key).await.map_err(|error| error.to_string())?;
        read.record.is_none().then_some(()).ok_or("it is there".to_owned())
    })
    .await
    .unwrap();
}

/// The applied index, once nothing was added for as long as the leader takes between two looks at what members run: it has
/// written down their processes then.
async fn settled_index(cluster: &Cluster, leader: u64) -> u64 {
    const QUIET: Duration = Duration::from_secs(3);
    let (mut index, mut since) = (0, std::time::Instant::now());
    wait::until("the log to be quiet", PATIENCE, async || {
        let now = cluster
            .status(leader)
            .await
            .map_err(|error| error.to_string())?
            .applied_index;
        if now != index {
            (index, since) = (now, std::time::Instant::now());
        }
        match since.elapsed() >= QUIET {
            true => Ok(index),
            false => Err(format!("at {index} for {:?}", since.elapsed())),
        }
    })
    .await
    .unwrap()
}

/// One renewal over plain gRPC at one member: the SDK would go to the leader.
async fn renew_at(endpoint: &str, lease: u64) -> Result<Vec<u64>, tonic::Status> {
    let mut leases = CoordinationClient::connect(format!("http://{endpoint}")).await.unwrap();
    let request = v1::KeepAliveRequest { leases: vec![lease] };
    let mut answers = leases.keep_alive(futures::stream::iter([request])).await?.into_inner();
    Ok(answers.message().await?.expect("an answer").ttl_ms)
}

#[tokio::test]
async fn a_lease_that_nobody_renews_takes_its_keys_with_it_at_one_revision() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let granted = client.grant_lease(TTL).name("short").await.unwrap();
    for key in ["a", "b", "c"] {
        client.put(key, "v").lease(granted.lease).await.unwrap();
    }
    let last = client.put("d", "v").await.unwrap().revision;
    let shown = client.lease(granted.lease).await.unwrap().unwrap();
    assert_eq!((shown.attached, shown.name.as_str()), (3, "short"));
    assert!(shown.remaining.unwrap() <= TTL);

    wait_until_gone(&client, "a").await;
    let rest = client.range(quorate::Keys::prefix("")).await.unwrap();
    assert_eq!(rest.records.len(), 1);
    assert_eq!(rest.revision, last + 1);
    assert_eq!(client.lease(granted.lease).await.unwrap(), None);
    assert_eq!(client.keep_alive(&[granted.lease]).await.unwrap(), [None]);
    let refused = client.put("e", "v").lease(granted.lease).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::UnknownLease);
}

#[tokio::test]
async fn renewals_keep_a_session_alive_and_add_nothing_to_the_log() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let session = client.session(TTL).await.unwrap();
    client.put("k", "v").lease(session.id()).await.unwrap();
    let before = settled_index(&cluster, leader).await;
    let opened = session.deadline();
    let renewed = async || match session.deadline() > opened + 3 * TTL {
        true => Ok(()),
        false => Err(format!("{:?}", session.loss())),
    };
    wait::until("many renewals", PATIENCE, renewed).await.unwrap();
    assert_eq!(cluster.status(leader).await.unwrap().applied_index, before);
    assert_eq!(session.loss(), None);
    assert!(client.get("k").await.unwrap().record.is_some());

    session.end().await.unwrap();
    assert_eq!(session.lost().await, Loss::Closed);
    assert!(client.get("k").await.unwrap().record.is_none());
}

#[tokio::test]
async fn a_dropped_session_ends_without_waiting_for_its_time() {
    let cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    let hour = Duration::from_secs(3600);
    let session = client.session(hour).await.unwrap();
    let other = session.clone();
    client.put("k", "v").lease(session.id()).await.unwrap();
    drop(session);
    assert_eq!(other.loss(), None);
    drop(other);
    wait_until_gone(&client, "k").await;
}

#[tokio::test]
async fn sessions_outlive_their_leader() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let session = client.session(Duration::from_secs(2)).await.unwrap();
    client.put("k", "v").lease(session.id()).await.unwrap();
    cluster.kill9(leader).unwrap();
    let killed = tokio::time::Instant::now();
    let renewed = async || match session.deadline() > killed + 2 * session.ttl() {
        true => Ok(()),
        false => Err(format!("{:?}", session.loss())),
    };
    wait::until("renewals by the new leader", PATIENCE, renewed)
        .await
        .unwrap();
    assert_eq!(session.loss(), None);
    assert!(client.get("k").await.unwrap().record.is_some());
}

#[tokio::test]
async fn a_leader_that_was_stopped_and_replaced_neither_ends_nor_renews_leases() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let old = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let session = client.session(TTL).await.unwrap();
    client.put("k", "v").lease(session.id()).await.unwrap();
    let forgotten = client.grant_lease(TTL).await.unwrap().lease;
    let endpoint = cluster.member(old).unwrap().client_address().to_owned();

    // Longer than the time to live: to the old leader, every lease is overdue when it wakes up.
    cluster.pause(old).await.unwrap();
    let stopped = tokio::time::Instant::now();
    let passed = async || match session.deadline() > stopped + 3 * TTL {
        true => Ok(()),
        false => Err(format!("{:?}", session.loss())),
    };
    wait::until("renewals by the new leader", PATIENCE, passed)
        .await
        .unwrap();
    wait::until("the other lease to end", PATIENCE, async || {
        let found = client.lease(forgotten).await.map_err(|error| error.to_string())?;
        found.is_none().then_some(()).ok_or("it lives".to_owned())
    })
    .await
    .unwrap();

    // It waits in the socket, so that it is the first thing that the old leader sees.
    let renewing = tokio::spawn(async move { renew_at(&endpoint, forgotten).await });
    cluster.resume(old).unwrap();
    let answer = renewing.await.unwrap();
    assert!(
        answer.as_ref().is_err() || answer.as_ref().is_ok_and(|ttl_ms| ttl_ms == &[0]),
        "a deposed leader renewed a lease that is gone: {answer:?}"
    );
    cluster.wait_for_equal_state().await.unwrap();
    assert_eq!(session.loss(), None);
    assert!(client.get("k").await.unwrap().record.is_some());
}

#[tokio::test]
async fn times_to_live_that_cannot_be_are_refused_with_the_bounds() {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    for ttl in [
        Duration::ZERO,
        Duration::from_millis(499),
        day + Duration::from_millis(1),
    ] {
        let refused = client.grant_lease(ttl).await.unwrap_err();
        let ErrorKind::InvalidArgument { field, value, .. } = refused.kind() else {
            panic!("{refused:?}");
        };
        assert_eq!((field.as_str(), u128::from(*value)), ("ttl_ms", ttl.as_millis()));
        assert!(refused.message().contains("500 to 86400000 ms"), "{refused}");
    }
    let first = client.grant_lease(TTL).id(42).await.unwrap();
    assert_eq!(first.lease, 42);
    let again = client.grant_lease(TTL).id(42).await.unwrap_err();
    assert_eq!(*again.kind(), ErrorKind::LeaseExists);
    let unknown = client.revoke_lease(41).await.unwrap_err();
    assert_eq!(*unknown.kind(), ErrorKind::UnknownLease);
    assert!(unknown.message().contains("41"), "{unknown}");
}

#[tokio::test]
async fn a_leader_that_stalls_on_its_disk_ends_no_lease_once_another_leads() {
    if let Some(reason) = Disk::unavailable_because() {
        eprintln!("skipped: {reason}");
        return;
    }
    let mut cluster = Cluster::prepare(Settings::of(3)).unwrap();
    let mut disks = BTreeMap::new();
    for id in cluster.ids() {
        let directory = cluster.member(id).unwrap().data_directory();
        disks.insert(id, Disk::format(&directory).unwrap());
        cluster.restart(id).unwrap();
    }
    let old = cluster.wait_for_leader().await.unwrap();
    let next = cluster.ids().into_iter().find(|id| *id != old).unwrap();
    let client = cluster.client().await.unwrap();
    let session = client.session(TTL).await.unwrap();
    client.put("k", "v").lease(session.id()).await.unwrap();

    let stalled = disks[&old].stall().unwrap();
    // Whoever is asked cannot tell that the other one leads before its disk goes on.
    let asking = client.clone();
    tokio::spawn(async move { asking.transfer_leader(next).await });
    wait::until("another leader", PATIENCE, async || {
        let seen = cluster.status(next).await?.leader_id;
        (seen == next).then_some(()).ok_or(format!("member {seen} leads"))
    })
    .await
    .unwrap();
    let since = tokio::time::Instant::now();
    let renewed = async || match session.deadline() > since + 3 * TTL {
        true => Ok(()),
        false => Err(format!("{:?}", session.loss())),
    };
    wait::until("renewals by the new leader", PATIENCE, renewed)
        .await
        .unwrap();
    drop(stalled);

    cluster.wait_for_equal_state().await.unwrap();
    assert_eq!(session.loss(), None);
    assert!(client.get("k").await.unwrap().record.is_some());
    drop(cluster);
}
