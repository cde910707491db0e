//! Why `enable_leader_restore` is off.
//!
//! A leader's sync stalls, both followers have the entry, the client is answered; then the leader loses its power and
//! with it the unsynced tail. If it takes up its old term again it hands out the same log ids once more: the followers
//! take the new entry for the one they have, an acknowledged write is gone, and the replicas differ for ever.

use openraft::Config;
use openraft::async_runtime::WatchReceiver;

use super::in_process::InProcess;
use crate::config;
use crate::consensus::raft_config;

/// Returns the keys that each member holds after the leader lost its unsynced tail and came back.
async fn keys_after_the_leader_lost_its_tail(config: Config) -> [Vec<String>; 3] {
    let mut cluster = InProcess::start(config).await;
    cluster.put("base").await;
    // All members have it on disk before the leader's disk stalls: an entry can be applied before the leader's own sync.
    let base = cluster.raft(1).metrics().borrow_watched().last_log_index.unwrap();
    for id in 1..=3 {
        cluster.applied(id, base).await;
        cluster.durable(id, base).await;
    }
    cluster.disks[&1].stall();
    cluster.put("acknowledged").await;
    let survived = cluster.power_off(1).await;
    cluster.boot(1, survived).await;
    cluster.put("later").await;
    let last = (1..=3)
        .filter_map(|id| cluster.raft(id).metrics().borrow_watched().last_log_index)
        .max()
        .unwrap();
    for id in 1..=3 {
        cluster.applied(id, last).await;
    }
    [cluster.keys(1), cluster.keys(2), cluster.keys(3)]
}

fn our_config() -> Config {
    raft_config(&config::Raft::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_restores_its_term_loses_an_acknowledged_write_and_forks_the_replicas() {
    let config = Config {
        enable_leader_restore: Some(true),
        ..our_config()
    };
    let [first, second, third] = keys_after_the_leader_lost_its_tail(config).await;
    assert_eq!(second, third, "the followers agree with each other");
    assert_ne!(
        first, second,
        "the fork that the flag causes is gone: openraft may have been mended"
    );
    assert!(!first.contains(&String::from("acknowledged")), "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_our_settings_the_acknowledged_write_survives_on_every_member() {
    let all = keys_after_the_leader_lost_its_tail(our_config()).await;
    for keys in all {
        assert_eq!(keys, ["acknowledged", "base", "later"]);
    }
}
