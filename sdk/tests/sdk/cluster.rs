//! Administration and snapshots.

use std::path::PathBuf;

use quorate::{Client, ErrorKind, Outcome, SNAPSHOT_MANIFEST};

use crate::fake::FakeCluster;

/// A directory of this test's own, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quorate-sdk-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn the_members_teach_the_client_their_addresses() {
    let mut cluster = FakeCluster::start(3).await;
    let client = Client::builder()
        .endpoints([&cluster.members[0].address])
        .connect()
        .await
        .unwrap();
    let members = client.members().await.unwrap();
    assert_eq!(members.iter().map(|member| member.id).collect::<Vec<_>>(), [1, 2, 3]);
    cluster.members[0].kill().await;
    cluster.lead(2);
    client.put("k", "v").await.unwrap();
    assert_eq!(cluster.store.lock().applied, 1);
}

#[tokio::test]
async fn a_membership_change_is_redirected_by_the_details_of_the_status() {
    let cluster = FakeCluster::start(3).await;
    cluster.lead(1);
    let client = cluster.client().await;
    let members = client.member_add(9, "127.0.0.1:9").await.unwrap();
    assert_eq!(
        members.last().map(|member| (member.id, member.peer_address.as_str())),
        Some((9, "127.0.0.1:9"))
    );
    assert_eq!(client.member_replace(1, 10, "127.0.0.1:10").await.unwrap().len(), 4);
    assert_eq!(client.transfer_leader(3).await.unwrap(), 3);
    assert_eq!(client.stats().redirects, 1);
}

#[tokio::test]
async fn a_refused_membership_change_is_typed_and_not_applied() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let error = client.member_remove(1).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::MembershipRefused, Outcome::NotApplied)
    );
    assert!(error.message().ends_with("the quorum would be lost"), "{error}");
}

#[tokio::test]
async fn the_status_is_that_of_the_member_that_was_asked() {
    let cluster = FakeCluster::start(2).await;
    let client = Client::builder()
        .endpoints([&cluster.members[0].address])
        .connect()
        .await
        .unwrap();
    assert_eq!(client.status(&cluster.members[0].address).await.unwrap().role, "leader");
    let second = format!("http://{}", cluster.members[1].address);
    assert_eq!(client.status(&second).await.unwrap().role, "follower");
    let error = client.status("nowhere").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotAMutation);
}

#[tokio::test]
async fn a_snapshot_is_saved_file_by_file_with_its_manifest_last() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let directory = Directory::new("saved");
    let mut steps = Vec::new();
    let progress = |progress: &quorate::SnapshotProgress| steps.push((progress.files, progress.bytes));
    let saved = client
        .snapshot_save(&cluster.members[0].address, &directory.0, progress)
        .await
        .unwrap();
    assert_eq!((saved.files, saved.bytes), (2, 18));
    assert_eq!(steps, [(0, 0), (1, 9), (1, 18), (2, 18)]);
    assert_eq!(
        std::fs::read(directory.0.join("CURRENT")).unwrap(),
        b"123456789123456789"
    );
    assert_eq!(std::fs::read(directory.0.join("sub/000001.sst")).unwrap(), b"");
    assert_eq!(std::fs::read(directory.0.join(SNAPSHOT_MANIFEST)).unwrap(), b"{}");
    let again = client
        .snapshot_save(&cluster.members[0].address, &directory.0, |_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(again.kind(), ErrorKind::InvalidArgument { field, .. } if field == "directory"),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_leaves_no_manifest() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    let directory = Directory::new("damaged");
    let error = client
        .snapshot_save(&cluster.members[1].address, &directory.0, |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::SnapshotDamaged);
    assert!(error.message().contains("CURRENT at 0"), "{error}");
    assert!(!directory.0.join(SNAPSHOT_MANIFEST).exists());
}

#[tokio::test]
async fn every_call_can_be_made_from_a_spawned_task() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let address = cluster.members[0].address.clone();
    let directory = Directory::new("spawned");
    let path = directory.0.clone();
    let task = tokio::spawn(async move {
        client.status(&address).await?;
        client.members().await?;
        client.member_add(7, "127.0.0.1:7").await?;
        client.member_promote(7).await?;
        client.snapshot_save(&address, &path, |_| {}).await?;
        client.put("k", "v").await?;
        client.range("k").all(1).await?;
        client.compact(2).await
    });
    assert_eq!(task.await.unwrap().unwrap(), 2);
}
