//! The eventual tier of real members: one thing at a time.

use std::time::Duration;

use quorate::{Client, Error, Strategy};
use quorate_tests::cluster::{Cluster, Network, Settings};
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
    for id in cluster.ids() {
        let endpoint = cluster.member(id).unwrap().client_address().to_owned();
        let status = clients[0].eventual_admin().sync_status(&endpoint).await.unwrap();
        eprintln!("{status:#?}");
    }
}
