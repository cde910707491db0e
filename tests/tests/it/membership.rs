//! Members join, are promoted, replaced and removed; what would lose the quorum is refused.

use std::time::Duration;

use quorate::{Client, ErrorKind};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_learner_catches_up_and_is_promoted() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..50 {
        client.put(format!("k{number}"), "v").await.unwrap();
    }
    cluster.start_joining(4).await.unwrap();
    let peer = cluster.member(4).unwrap().peer_address().to_owned();
    let members = client.member_add(4, &peer).await.unwrap();
    let added = members.iter().find(|member| member.id == 4).unwrap();
    assert!(!added.voter, "a new member is a learner");

    let leader = cluster.wait_for_leader().await.unwrap();
    let index = cluster.status(leader).await.unwrap().applied_index;
    cluster.wait_until_applied(4, index).await.unwrap();
    let members = client.member_promote(4).await.unwrap();
    assert_eq!(members.iter().filter(|member| member.voter).count(), 4);
    cluster.wait_for_equal_state().await.unwrap();
}

/// A machine whose first connection breaks, as when a packet is lost on a way that was never taken before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_first_connection_breaks_is_added_all_the_same() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    cluster.start_joining(4).await.unwrap();
    let member = cluster.member(4).unwrap().peer_address().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let passing = tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            let mut to = TcpStream::connect(&member).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    let members = client.member_add(4, &address).await.unwrap();
    assert!(members.iter().any(|member| member.id == 4));
    passing.abort();
}

/// It was told of one member, which leads, so that nobody ever names another.
#[tokio::test]
async fn a_client_learns_of_members_that_it_was_not_told_of_and_outlives_the_one_that_it_was() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let told_of = cluster.member(leader).unwrap().client_address().to_owned();
    let builder = Client::builder().endpoints([told_of]);
    let client = builder.refresh_members(Duration::from_secs(1)).connect().await.unwrap();
    client.put("k", "1").await.unwrap();
    wait::until("the client to know all members", PATIENCE, async || {
        let known = client.stats().endpoints;
        if known == 3 {
            Ok(())
        } else {
            Err(format!("it knows {known}"))
        }
    })
    .await
    .unwrap();
    cluster.kill9(leader).unwrap();
    client.put("k", "2").await.unwrap();
    let found = client.get("k").await.unwrap();
    assert_eq!(found.record.unwrap().value, "2");
}

#[tokio::test]
async fn a_wiped_member_cannot_return_under_its_id_but_is_replaced_under_a_new_one() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..50 {
        client.put(format!("k{number}"), "v").await.unwrap();
    }
    let lost = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    cluster.kill9(lost).unwrap();
    cluster.wipe(lost).unwrap();
    cluster.start_joining(4).await.unwrap();
    let peer = cluster.member(4).unwrap().peer_address().to_owned();
    let members = client.member_replace(lost, 4, &peer).await.unwrap();
    let voters: Vec<u64> = members
        .iter()
        .filter(|member| member.voter)
        .map(|member| member.id)
        .collect();
    assert!(
        voters.len() == 3 && voters.contains(&4) && !voters.contains(&lost),
        "{members:?}"
    );
    cluster.wait_for_equal_state().await.unwrap();

    let error = client.member_add(lost, &peer).await.unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::MembershipRefused,
        "an id is never used again: {error}"
    );
}

#[tokio::test]
async fn leadership_goes_where_it_is_sent() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    let to = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    assert_eq!(client.transfer_leader(to).await.unwrap(), to);
    assert_eq!(cluster.wait_for_leader().await.unwrap(), to);
    client.put("k", "2").await.unwrap();
}

#[tokio::test]
async fn a_change_that_would_lose_the_quorum_is_refused() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    cluster.kill9(others[0]).unwrap();

    // Two voters would remain, of which one is dead.
    let error = client.member_remove(others[1]).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::MembershipRefused, "{error}");
    let voters = client
        .members()
        .await
        .unwrap()
        .iter()
        .filter(|member| member.voter)
        .count();
    assert_eq!(voters, 3);
    client.put("k", "2").await.unwrap();
}
