//! Values that members keep on their disks alone.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use quorate::{Client, DomainMemory, Evict, EvictPolicy, Strategy, Tier};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(60);
const DOMAIN: &str = "documents";
const BYTES_MAX: u64 = 2_000_000;
/// Twice the limit, of values alone.
const DOCUMENTS: usize = 4_000;
const DOCUMENT_BYTES: usize = 1_000;
/// Calls that are made at once.
const CALLS: usize = 64;

/// What tells one document from another.
fn document(number: usize) -> String {
    format!("{number:0>DOCUMENT_BYTES$}")
}

async fn write(client: &Client, numbers: std::ops::Range<usize>) {
    let writes = futures::stream::iter(numbers).map(async |number| {
        let put = client.eventual_in(DOMAIN).put(format!("d/{number}"), document(number));
        put.await.map(|_| ())
    });
    writes.buffer_unordered(CALLS).try_collect::<()>().await.unwrap();
}

/// Reads everything at one member, once it has everything.
async fn reads_all(cluster: &Cluster, id: u64) {
    let what = format!("member {id} to read every document");
    wait::until(&what, PATIENCE, async || {
        let client = cluster.client_of(id).await.map_err(|error| error.to_string())?;
        let reads = futures::stream::iter(0..DOCUMENTS).map(async |number| {
            let reply = client.eventual_in(DOMAIN).get(format!("d/{number}")).await;
            let entry = reply.map_err(|error| error.to_string())?.entry;
            let value = entry.ok_or_else(|| format!("d/{number} is missing"))?.value;
            if value == document(number) {
                Ok(())
            } else {
                Err(format!("d/{number} is {value:?}"))
            }
        });
        reads.buffer_unordered(CALLS).try_collect::<()>().await
    })
    .await
    .unwrap();
}

/// Both values of the key that was written twice with no look at it.
async fn reads_siblings(cluster: &Cluster, id: u64) {
    wait::until(&format!("member {id} to read both siblings"), PATIENCE, async || {
        let client = cluster.client_of(id).await.map_err(|error| error.to_string())?;
        let reply = client.eventual_in(DOMAIN).get("both").await;
        let entry = reply.map_err(|error| error.to_string())?.entry;
        let siblings = entry.map(|entry| entry.siblings).unwrap_or_default();
        let mut values: Vec<_> = siblings.into_iter().map(|sibling| sibling.value).collect();
        values.sort();
        let both = values.as_slice() == [document(1), document(2)];
        both.then_some(()).ok_or(format!("{} values", values.len()))
    })
    .await
    .unwrap();
}

/// Waits until a member keeps within the limit, with the rest on its disk.
async fn keeps_within_its_limit(cluster: &Cluster, id: u64) -> DomainMemory {
    let endpoint = cluster.member(id).unwrap().client_address();
    wait::until(&format!("member {id} to keep within its limit"), PATIENCE, async || {
        let client = cluster.client_of(id).await.map_err(|error| error.to_string())?;
        let memory = client.eventual_admin().memory(endpoint).await;
        let memory = memory.map_err(|error| error.to_string())?;
        let domain = memory.domains.into_iter().find(|domain| domain.domain == DOMAIN);
        let domain = domain.ok_or("it does not know the domain yet")?;
        let all = domain.entries as usize == DOCUMENTS + 1;
        let within = domain.bytes < BYTES_MAX * 80 / 100 && domain.cold_bytes > BYTES_MAX;
        if all && within {
            Ok(domain)
        } else {
            Err(format!("{domain:?}"))
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn twice_the_limit_is_readable_everywhere_after_restarts_and_at_a_member_that_lost_its_disk() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client_of(1).await.unwrap();
    let create = client.domains().create(DOMAIN, Tier::Eventual).bytes_max(BYTES_MAX);
    create.evict(Evict::Memory, EvictPolicy::Lru).await.unwrap();
    for id in cluster.ids() {
        let client = cluster.client_of(id).await.unwrap();
        wait::until("the member to know the domain", PATIENCE, async || {
            let put = client.eventual_in(DOMAIN).put("d/0", document(0)).await;
            put.map_err(|error| error.to_string())
        })
        .await
        .unwrap();
    }
    let second = cluster.client_of(2).await.unwrap();
    for number in [1, 2] {
        let put = client.eventual_in(DOMAIN).put("both", document(number));
        put.strategy(Strategy::Siblings).await.unwrap();
    }
    write(&client, 0..DOCUMENTS / 2).await;
    write(&second, DOCUMENTS / 2..DOCUMENTS).await;
    for id in cluster.ids() {
        reads_all(&cluster, id).await;
        let memory = keeps_within_its_limit(&cluster, id).await;
        assert_eq!(
            (memory.refused, memory.evicted),
            (0, 0),
            "nothing was refused or deleted"
        );
        reads_siblings(&cluster, id).await;
    }

    for id in cluster.ids() {
        cluster.stop(id).await.unwrap();
    }
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    cluster.wait_for_leader().await.unwrap();
    for id in cluster.ids() {
        keeps_within_its_limit(&cluster, id).await;
        reads_all(&cluster, id).await;
        reads_siblings(&cluster, id).await;
    }

    cluster.kill9(2).unwrap();
    std::fs::remove_dir_all(cluster.member(2).unwrap().data_directory().join("eventual")).unwrap();
    cluster.restart(2).unwrap();
    reads_all(&cluster, 2).await;
    reads_siblings(&cluster, 2).await;
    keeps_within_its_limit(&cluster, 2).await;
}
