//! Members that do not reach one another, while clients reach them all.

use std::time::Duration;

use quorate_proto::v1::kv_client::KvClient;
use quorate_proto::v1::{GetRequest, Level, ReadOptions};
use quorate_tests::cluster::{Cluster, Network, Quality, Settings};
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster whose members can be cut off from one another; none where the machine does not allow it, which is no pass.
async fn three_in_a_network() -> Option<Cluster> {
    if let Err(reason) = Network::possible() {
        eprintln!("skipped: {reason}");
        return None;
    }
    Some(Cluster::start_with(Settings::of(3).in_own_network()).await.unwrap())
}

#[tokio::test]
async fn a_leader_that_is_cut_off_confirms_nothing_and_the_others_go_on_without_it() {
    let Some(mut cluster) = three_in_a_network().await else {
        return;
    };
    let alone = cluster.wait_for_leader().await.unwrap();
    let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != alone).collect();
    let client = cluster.client().await.unwrap();
    client.put("k", "before").await.unwrap();
    cluster.cut(alone, &others).unwrap();

    wait::until("another leader", PATIENCE, async || match cluster.leader().await {
        Some(leader) if leader != alone => Ok(()),
        leader => Err(format!("{leader:?} leads")),
    })
    .await
    .unwrap();
    client.put("k", "meanwhile").await.unwrap();
    let address = format!("http://{}", cluster.member(alone).unwrap().client_address());
    let mut direct = KvClient::connect(address).await.unwrap();
    let mut read = async |level: Level| {
        let mut request = tonic::Request::new(GetRequest {
            key: "k".into(),
            read: Some(ReadOptions {
                level: level.into(),
                ..ReadOptions::default()
            }),
            ..GetRequest::default()
        });
        request.set_timeout(Duration::from_secs(2));
        direct.get(request).await.map(tonic::Response::into_inner)
    };
    let local = read(Level::Local).await.unwrap();
    assert_eq!(
        local.record.unwrap().value.as_ref(),
        b"before",
        "clients reach it, and it knows nothing new"
    );
    let strong = read(Level::Strong).await;
    assert!(strong.is_err(), "nobody has confirmed that it leads: {strong:?}");

    cluster.heal().unwrap();
    let state = cluster.wait_for_equal_state().await.unwrap();
    assert!(state.revision > local.header.unwrap().revision, "{state:?}");
    assert_ne!(cluster.leader().await, Some(alone));
    let strong = read(Level::Strong).await.unwrap();
    assert_eq!(strong.record.unwrap().value.as_ref(), b"meanwhile");
}

/// Its heartbeats arrive in time, only late: nobody who listens to them has a reason to stand for election. But by the time
/// answers are there they prove nothing any more, so that it may not take any write.
#[tokio::test]
async fn a_leader_that_is_too_far_away_to_take_writes_is_followed_by_one_that_is_not() {
    let Some(mut cluster) = three_in_a_network().await else {
        return;
    };
    let client = cluster.client().await.unwrap();
    client.put("k", "before").await.unwrap();
    let far = cluster.wait_for_leader().await.unwrap();
    let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != far).collect();
    // In steps: the first packet after a long one would be missed like one that is lost.
    for delay in [40, 80, 120, 150].map(Duration::from_millis) {
        let late = Quality {
            delay,
            ..Quality::default()
        };
        for other in &others {
            cluster.detour(far, *other, late, 1).unwrap();
            cluster.detour(*other, far, late, 2).unwrap();
        }
        wait::until("packets to be that late", PATIENCE, async || {
            match cluster.passed(far, others[0]).unwrap() {
                passed if passed.waited_max >= delay => Ok(()),
                passed => Err(format!("{passed:?}")),
            }
        })
        .await
        .unwrap();
    }
    wait::until("a leader that is near", PATIENCE, async || {
        match cluster.leader().await {
            Some(leader) if leader != far => Ok(()),
            leader => Err(format!("{leader:?} leads")),
        }
    })
    .await
    .unwrap();
    client.put("k", "meanwhile").await.unwrap();
    cluster.heal().unwrap();
    cluster.wait_for_equal_state().await.unwrap();
}

#[tokio::test]
async fn a_follower_that_is_cut_off_and_healed_does_not_disturb_the_leader() {
    let Some(mut cluster) = three_in_a_network().await else {
        return;
    };
    let leader = cluster.wait_for_leader().await.unwrap();
    let others: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    let term = async |cluster: &Cluster| cluster.status(leader).await.unwrap().header.unwrap().raft_term;
    let before = term(&cluster).await;
    cluster.cut(others[0], &[leader, others[1]]).unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..200 {
        client.put(format!("k{number}"), "v").await.unwrap();
    }
    cluster.heal().unwrap();
    cluster.wait_for_equal_state().await.unwrap();
    assert_eq!((cluster.leader().await, term(&cluster).await), (Some(leader), before));
}

#[tokio::test]
async fn what_a_network_was_made_of_is_gone_with_it() {
    let Some(cluster) = three_in_a_network().await else {
        return;
    };
    let endpoint = cluster.endpoints().remove(0);
    assert!(tokio::net::TcpStream::connect(&endpoint).await.is_ok());
    let (network, _) = endpoint.rsplit_once('.').unwrap();
    let routes = || std::fs::read_to_string("/proc/net/fib_trie").unwrap();
    let here = format!("{network}.254");
    assert!(routes().contains(&here));
    drop(cluster);
    wait::until("the interfaces to go", PATIENCE, async || {
        match routes().contains(&here) {
            true => Err("they are there"),
            false => Ok(()),
        }
    })
    .await
    .unwrap();
}
