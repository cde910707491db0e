//! What the eventual tier has after stops and kills.

use std::time::Duration;

use quorate::Client;
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(30);
/// Processes are surveyed every ten seconds, and two surveys have to agree.
const UNTIL_RETIRED: Duration = Duration::from_secs(90);

/// Waits until a register of a domain has this value, or none, wherever the client reads.
async fn wait_for(client: &Client, domain: &str, key: &str, value: Option<&str>) {
    wait::until(&format!("{domain}/{key} to be {value:?}"), PATIENCE, async || {
        let reply = client
            .eventual_in(domain)
            .get(key)
            .await
            .map_err(|error| error.to_string())?;
        let found = reply
            .entry
            .map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        (found.as_deref() == value)
            .then_some(())
            .ok_or(format!("it is {found:?}"))
    })
    .await
    .unwrap();
}

/// How often a line is in the logs of all members.
fn lines(cluster: &Cluster, line: &str) -> usize {
    let logs = cluster.ids().into_iter().map(|id| cluster.member(id).unwrap().log());
    let text = logs.map(|log| std::fs::read_to_string(log).unwrap_or_default());
    text.map(|text| text.matches(line).count()).sum()
}

async fn wait_for_lines(cluster: &Cluster, line: &str, count: usize, patience: Duration) {
    wait::until(&format!("{count} lines of {line:?}"), patience, async || {
        let found = lines(cluster, line);
        if found >= count {
            Ok(())
        } else {
            Err(format!("{found} lines"))
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_durable_domain_comes_back_after_all_members_were_stopped_and_a_volatile_one_does_not() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..100 {
        let key = format!("progress/{number}");
        client.eventual().put(key, format!("{number}")).await.unwrap();
    }
    client.eventual().delete("progress/7").await.unwrap();
    client.eventual_in("cache").put("page", "rendered").await.unwrap();
    for id in cluster.ids() {
        cluster.stop(id).await.unwrap();
    }
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    cluster.wait_for_leader().await.unwrap();
    let fresh = cluster.client().await.unwrap();
    for number in [0, 50, 99] {
        wait_for(
            &fresh,
            "default-eventual",
            &format!("progress/{number}"),
            Some(&number.to_string()),
        )
        .await;
    }
    wait_for(&fresh, "default-eventual", "progress/7", None).await;
    wait_for(&fresh, "cache", "page", None).await;
}

#[tokio::test]
async fn a_killed_process_is_retired_once_all_have_what_it_wrote_and_its_counter_goes_on() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    wait_for_lines(&cluster, "it is registered", 3, PATIENCE).await;
    let killed = cluster.ids()[0];
    let client = cluster.client_of(killed).await.unwrap();
    client.eventual().counter("tasks").add(5).acks(3).await.unwrap();
    cluster.kill9(killed).unwrap();
    cluster.restart(killed).unwrap();
    wait_for_lines(&cluster, "a process is retired", 1, UNTIL_RETIRED).await;
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client_of(killed).await.unwrap();
    client.eventual().counter("tasks").add(2).acks(3).await.unwrap();
    for id in cluster.ids() {
        let client = cluster.client_of(id).await.unwrap();
        wait::until("the counter to be 7", PATIENCE, async || {
            match client.eventual().counter("tasks").get().await {
                Ok(7) => Ok(()),
                Ok(other) => Err(format!("{other}")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
        .unwrap();
    }
}
