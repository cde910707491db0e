//! A snapshot that was saved becomes a new cluster.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use quorate::{Client, ErrorKind, Keys, QueueConfig, Watched};
use quorate_tests::cluster::{Cluster, free_ports, server_binary};
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// `quorate snapshot restore` with the settings of member 1.
pub fn restore(cluster: &Cluster, saved: &Path, more: &[&str]) -> Result<String, String> {
    let output = Command::new(server_binary().unwrap())
        .args(["-o", "json", "snapshot", "restore"])
        .arg(saved)
        .arg("--config")
        .arg(cluster.member(1).unwrap().configuration())
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

async fn value(client: &Client, key: &str) -> Option<String> {
    let record = client.get(key).await.unwrap().record?;
    Some(String::from_utf8_lossy(&record.value).into_owned())
}

#[tokio::test]
async fn a_saved_snapshot_becomes_a_cluster_that_grows_and_whose_revisions_never_go_back() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..200 {
        client.put(format!("kept/{number}"), "before").await.unwrap();
    }
    client.queue("jobs").create(QueueConfig::default()).await.unwrap();
    client.queue("jobs").push("work").await.unwrap();
    let endpoint = cluster.member(1).unwrap().client_address().to_owned();
    let root = tempfile::tempdir().unwrap();
    let saved = root.path().join("saved");
    client.snapshot_save(&endpoint, &saved, |_| {}).await.unwrap();
    let at_the_snapshot = client.get("kept/0").await.unwrap().revision;
    client.put("lost", "after").await.unwrap();
    let last_of_old = client.put("kept/0", "after").await.unwrap().revision;
    client.close().await;
    cluster.stop(1).await.unwrap();

    let refused = restore(&cluster, &saved, &[]).unwrap_err();
    assert!(refused.contains("is not empty"), "{refused}");
    cluster.wipe(1).unwrap();
    let told: serde_json::Value = serde_json::from_str(&restore(&cluster, &saved, &[]).unwrap()).unwrap();
    assert_eq!(told["revision_of_the_snapshot"], at_the_snapshot);
    assert_eq!(told["revision"], at_the_snapshot + 1_000_000);

    cluster.restart(1).unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    assert_eq!(value(&client, "kept/0").await.as_deref(), Some("before"));
    assert_eq!(value(&client, "kept/199").await.as_deref(), Some("before"));
    assert_eq!(value(&client, "lost").await, None);
    let put = client.put("new", "1").await.unwrap();
    assert!(
        put.revision > last_of_old && put.revision == at_the_snapshot + 1_000_001,
        "{put:?}"
    );
    let items = client.queue("jobs").claim(1).await.unwrap();
    assert_eq!(items.len(), 1, "what was queued is there");

    // Whoever watched the old cluster is told that it has to look anew.
    let error = client
        .watch(Watched::keys(Keys::prefix("kept/")))
        .from(last_of_old)
        .await;
    let error = match error {
        Ok(mut watch) => watch.next().await.unwrap().unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error.kind(), ErrorKind::Compacted { .. }), "{error}");

    for id in [2, 3] {
        cluster.start_joining(id).await.unwrap();
        let peer = cluster.member(id).unwrap().peer_address().to_owned();
        client.member_add(id, &peer).await.unwrap();
        let condition = format!("member {id} to be a voter");
        wait::until(&condition, PATIENCE, async || client.member_promote(id).await.map(drop))
            .await
            .unwrap();
    }
    let state = cluster.wait_for_equal_state().await.unwrap();
    assert!(state.revision > at_the_snapshot + 1_000_000);
    cluster.kill9(1).unwrap();
    wait::until("the others to go on", PATIENCE, async || {
        client.put("new", "2").await.map(drop)
    })
    .await
    .unwrap();
    assert_eq!(value(&client, "kept/7").await.as_deref(), Some("before"));
}

#[tokio::test]
async fn what_one_member_has_is_saved_without_a_quorum_and_becomes_a_cluster() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "v").await.unwrap();
    cluster.wait_for_equal_state().await.unwrap();
    client.close().await;
    cluster.kill9(2).unwrap();
    cluster.kill9(3).unwrap();
    let survivor = cluster.client_of(1).await.unwrap();
    let endpoint = cluster.member(1).unwrap().client_address().to_owned();
    let root = tempfile::tempdir().unwrap();
    let saved = root.path().join("saved");
    survivor.snapshot_save(&endpoint, &saved, |_| {}).await.unwrap();
    survivor.close().await;
    cluster.stop(1).await.unwrap();
    cluster.wipe(1).unwrap();
    restore(&cluster, &saved, &[]).unwrap();

    // The others come back with what they had: they belong to a cluster that is no more.
    cluster.restart(1).unwrap();
    cluster.restart(2).unwrap();
    let client = wait::until("member 1 to serve clients", PATIENCE, async || {
        cluster.client_of(1).await
    })
    .await
    .unwrap();
    wait::until("a write without the others", PATIENCE, async || {
        client.put("k", "w").await.map(drop)
    })
    .await
    .unwrap();
    let members = client.members().await.unwrap();
    assert_eq!(members.iter().map(|member| member.id).collect::<Vec<u64>>(), [1]);
    assert_eq!(value(&client, "k").await.as_deref(), Some("w"));
}

#[tokio::test]
async fn what_is_no_whole_snapshot_is_refused_and_named() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "v").await.unwrap();
    let endpoint = cluster.member(1).unwrap().client_address().to_owned();
    let root = tempfile::tempdir().unwrap();
    let saved = root.path().join("saved");
    client.snapshot_save(&endpoint, &saved, |_| {}).await.unwrap();
    cluster.stop(1).await.unwrap();
    cluster.wipe(1).unwrap();

    let nothing = restore(&cluster, root.path(), &[]).unwrap_err();
    assert!(
        nothing.contains("not a whole snapshot") && nothing.contains("manifest.json"),
        "{nothing}"
    );
    let nowhere = restore(&cluster, &root.path().join("nowhere"), &["--member-id", "0"]).unwrap_err();
    assert!(
        nowhere.contains("nowhere/manifest.json") && !nowhere.contains("member_id"),
        "{nowhere}"
    );
    let jump = restore(&cluster, &saved, &["--revision-jump", "0"]).unwrap_err();
    assert!(jump.contains("--revision-jump"), "{jump}");
    let files = std::fs::read_dir(&saved).unwrap().map(|entry| entry.unwrap().path());
    let mut tables = files.filter(|path| path.extension().is_some_and(|end| end == "sst"));
    let table = tables.next().unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let damaged = restore(&cluster, &saved, &[]).unwrap_err();
    let name = table.file_name().unwrap().to_str().unwrap();
    assert!(damaged.contains(name) && damaged.contains("damaged"), "{damaged}");

    // What such an attempt leaves is no member.
    cluster.restart(1).unwrap();
    let status = cluster.wait_until_ended(1, PATIENCE).await.unwrap();
    assert!(!status.success());
    assert!(cluster.member(1).unwrap().log_tail().contains("CURRENT"));
}

#[tokio::test]
async fn a_member_that_is_restored_alone_needs_no_list_of_members() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "kept").await.unwrap();
    let endpoint = cluster.member(1).unwrap().client_address().to_owned();
    let root = tempfile::tempdir().unwrap();
    let saved = root.path().join("saved");
    client.snapshot_save(&endpoint, &saved, |_| {}).await.unwrap();
    client.close().await;
    cluster.stop(1).await.unwrap();

    let ports = free_ports(2).unwrap();
    let [client_port, peer_port] = [0, 1].map(|at| format!("127.0.0.1:{}", ports[at]));
    let run = |verb: &[&str]| {
        let mut command = Command::new(server_binary().unwrap());
        command.args(verb).args(["--member-id", "1", "--listen-http", "off"]);
        command.arg("--data-directory").arg(root.path().join("data"));
        command.args(["--listen-client", &client_port, "--listen-peer", &peer_port]);
        command
    };
    let restored = run(&["snapshot", "restore", saved.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8(restored.stdout).unwrap();
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );
    assert!(told.contains("the same settings and --join"), "{told}");

    let mut started = run(&["server", "--join"]);
    started.stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = started.spawn().unwrap();
    let kept = wait::until("the restored member to answer", PATIENCE, async || {
        let builder = Client::builder().endpoints([client_port.clone()]);
        builder.connect().await?.get("k").await
    })
    .await;
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(kept.unwrap().record.unwrap().value, "kept");
}
