//! A server that cannot run says why, by name, and ends with an error.

use std::path::Path;
use std::time::Duration;

use quorate_tests::cluster::{Cluster, Settings, free_ports, run_to_exit};
use quorate_tests::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration of one member.
fn one_member(member_id: u64, data: &Path, client_port: u16, peer_port: u16) -> String {
    format!(
        "member_id = {member_id}\ndata_directory = {data:?}\nlisten_client = \"127.0.0.1:{client_port}\"\n\
         listen_peer = \"127.0.0.1:{peer_port}\"\nlisten_http = \"off\"\n[[cluster.members]]\nid = {member_id}\n\
         peer = \"127.0.0.1:{peer_port}\"\n"
    )
}

#[track_caller]
fn refused(run: (std::process::ExitStatus, String), words: &[&str]) {
    let (status, printed) = run;
    assert!(!status.success(), "it should have failed: {printed}");
    for word in words {
        assert!(printed.contains(word), "{word:?} is missing in: {printed}");
    }
    assert!(!printed.contains("panicked"), "{printed}");
}

#[tokio::test]
async fn a_configuration_that_cannot_stand_names_its_key() {
    let data = tempfile::tempdir().unwrap();
    let ports = free_ports(2).unwrap();
    let good = one_member(1, data.path(), ports[0], ports[1]);
    let cases = [
        (good.replace("member_id = 1", "member_id = 0"), vec!["member_id"]),
        (format!("colour = \"red\"\n{good}"), vec!["colour"]),
        (good.replace("member_id = 1", "member_id = \"one\""), vec!["member_id"]),
        (format!("{good}[raft]\nheartbeat_ms = 0\n"), vec!["raft.heartbeat_ms"]),
        (
            good.replace("\nid = 1", "\nid = 2"),
            vec!["member_id", "cluster.members"],
        ),
        (
            good.replace("listen_client = \"127.0.0.1", "listen_client = \"nowhere"),
            vec!["listen_client", "nowhere"],
        ),
        (format!("{good}]]"), vec!["TOML"]),
    ];
    for (configuration, words) in cases {
        refused(run_to_exit(&configuration, PATIENCE).await.unwrap(), &words);
    }
}

#[tokio::test]
async fn an_address_beyond_loopback_is_refused_without_tls() {
    let data = tempfile::tempdir().unwrap();
    let ports = free_ports(2).unwrap();
    let everywhere = one_member(1, data.path(), ports[0], ports[1]);
    let everywhere = everywhere.replace("listen_client = \"127.0.0.1", "listen_client = \"0.0.0.0");
    let run = run_to_exit(&everywhere, PATIENCE).await.unwrap();
    refused(run, &["listen_client", "insecure_allow_non_loopback"]);
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let data = tempfile::tempdir().unwrap();
    let ports = free_ports(2).unwrap();
    let _holder = std::net::TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
    let run = run_to_exit(&one_member(1, data.path(), ports[0], ports[1]), PATIENCE)
        .await
        .unwrap();
    refused(run, &[&ports[0].to_string()]);
}

#[tokio::test]
async fn a_data_directory_in_use_is_refused_and_stays_usable() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    let data = cluster.member(1).unwrap().data_directory();
    let ports = free_ports(2).unwrap();
    let run = run_to_exit(&one_member(1, &data, ports[0], ports[1]), PATIENCE)
        .await
        .unwrap();
    refused(run, &[&data.display().to_string()]);
    client.put("k", "2").await.unwrap();
    cluster.check_nobody_ended().unwrap();
}

#[tokio::test]
async fn the_data_directory_of_another_member_is_refused() {
    let mut cluster = Cluster::start(1).await.unwrap();
    cluster.client().await.unwrap().put("k", "1").await.unwrap();
    cluster.stop(1).await.unwrap();
    let data = cluster.member(1).unwrap().data_directory();
    let ports = free_ports(2).unwrap();
    let run = run_to_exit(&one_member(2, &data, ports[0], ports[1]), PATIENCE)
        .await
        .unwrap();
    refused(run, &["member", "1", "2"]);
    cluster.restart(1).unwrap();
    cluster.wait_for_leader().await.unwrap();
}

#[tokio::test]
async fn a_data_directory_of_another_cluster_does_not_mix_with_this_one() {
    let mut stranger = Cluster::start(1).await.unwrap();
    stranger.client().await.unwrap().put("stranger", "x").await.unwrap();
    stranger.stop(1).await.unwrap();

    let mut cluster = Cluster::start(3).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    let victim = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    cluster.kill9(victim).unwrap();
    cluster.wipe(victim).unwrap();
    copy_directory(
        &stranger.member(1).unwrap().data_directory(),
        &cluster.member(victim).unwrap().data_directory(),
    );
    cluster.restart(victim).unwrap();

    // The two others go on, and never see what came with the foreign directory.
    client.put("k", "2").await.unwrap();
    assert_eq!(client.get("stranger").await.unwrap().record, None);
    let members = client.members().await.unwrap();
    assert_eq!(members.iter().filter(|member| member.voter).count(), 3);
    if let Ok(status) = cluster.status(victim).await {
        assert_ne!(status.role, "leader", "a foreign directory leads");
        let ours = cluster.status(leader).await.unwrap();
        assert!(
            status.applied_index == 0 || status.header != ours.header,
            "it was let in: {status:?}"
        );
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[tokio::test]
async fn members_whose_cache_leases_differ_say_so_with_both_values() {
    let mut cluster = Cluster::prepare(Settings::of(3)).unwrap();
    let path = cluster.member(3).unwrap().configuration();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[cache]\nlease_ms = 4321\n")).unwrap();
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    for (id, words) in [
        (1, "cache.lease_ms is 1000 here and 4321 at member 3"),
        (3, "cache.lease_ms is 4321 here and 1000 at member 1"),
    ] {
        wait::until(words, 3 * PATIENCE, async || {
            let member = cluster.member(id).unwrap();
            match member.said(words) {
                Ok(0) => Err(member.log_tail()),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
        .unwrap();
    }
    assert_eq!(cluster.member(2).unwrap().said("at member 1").unwrap(), 0, "they agree");
}
