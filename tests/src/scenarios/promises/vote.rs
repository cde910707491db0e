//! A voter loses power right after it voted, and is asked again.

use quorate_proto::internal as proto;
use quorate_proto::internal::raft_client::RaftClient;
use tonic::Request;
use tonic::transport::Channel;

use super::{Kept, PATIENCE};
use crate::cluster::{Cluster, Settings};
use crate::disk::Disk;
use crate::{HarnessError, wait};

/// Candidates that are nobody: a member answers those that its membership lacks, since it may lag behind.
const FIRST: u64 = 101;
const SECOND: u64 = 102;

/// Terms ahead of the cluster.
const AHEAD: u64 = 10;

/// Longer than any log here, so that no candidate is refused for what it lacks.
const LONGEST_LOG: u64 = 1 << 40;

pub(super) async fn is_cast_once() -> Result<Kept, HarnessError> {
    if let Some(reason) = Disk::unavailable_because() {
        return Ok(Kept::Skipped(reason));
    }
    let root = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
    let mut disks = Vec::new();
    for id in 1..=3 {
        disks.push(Disk::format(&root.path().join(format!("n{id}")))?);
    }
    let settings = Settings {
        data_root: Some(root.path().to_owned()),
        ..Settings::of(3)
    };
    let mut cluster = Cluster::start_with(settings).await?;
    let leader = cluster.wait_for_leader().await?;
    let voter = if leader == 3 { 2 } else { 3 };
    let term = term_of(&cluster, voter).await? + AHEAD;
    // Alone, so that nothing it hears of afterwards makes it write.
    for id in cluster.ids().into_iter().filter(|id| *id != voter) {
        cluster.kill9(id)?;
    }
    let peer = cluster.member(voter)?.peer_address().to_owned();
    wait::until("the vote to be granted", PATIENCE, async || {
        let answer = ask(&peer, voter, term, FIRST).await?;
        answer.granted.then_some(()).ok_or(format!("{answer:?}"))
    })
    .await?;

    cluster.pause(voter).await?;
    let disk = &mut disks[usize::try_from(voter - 1).unwrap_or(0)];
    let frozen = disk.freeze()?;
    cluster.kill9(voter)?;
    disk.power_cycle(frozen).await?;
    cluster.restart(voter)?;

    let again = wait::until("the voter to answer", PATIENCE, async || {
        ask(&peer, voter, term, SECOND).await
    });
    let answer = again.await?;
    let remembered = answer.vote.as_ref().map_or((0, 0), |vote| (vote.term, vote.node));
    if answer.granted || remembered < (term, FIRST) {
        return Err(HarnessError::Broken(format!(
            "member {voter} voted for {FIRST} in term {term}, and has forgotten that with its power: asked for {SECOND} in \
             the same term it answers {answer:?}"
        )));
    }
    let after = term_of(&cluster, voter).await?;
    drop(cluster);
    Ok(Kept::Kept(format!(
        "member {voter} voted in term {term}, lost power, and refused another candidate; it is in term {after}"
    )))
}

async fn term_of(cluster: &Cluster, id: u64) -> Result<u64, HarnessError> {
    wait::until("the member's term", PATIENCE, async || {
        let status = cluster.status(id).await?;
        status
            .header
            .map(|header| header.raft_term)
            .ok_or("no header".to_owned())
    })
    .await
}

/// Asks a member for its vote.
async fn ask(peer: &str, voter: u64, term: u64, candidate: u64) -> Result<proto::VoteResponse, String> {
    let refused = |status: tonic::Status| status.to_string();
    let channel = Channel::from_shared(format!("http://{peer}")).map_err(|error| error.to_string())?;
    let mut raft = RaftClient::new(channel.connect().await.map_err(|error| error.to_string())?);
    let who = proto::IdentifyRequest {
        adopt_cluster_id: 0,
        from: 0,
        expected_member_id: voter,
    };
    let voter = raft.identify(who).await.map_err(refused)?.into_inner();
    let mut request = Request::new(proto::VoteRequest {
        vote: Some(proto::Vote {
            term,
            node: candidate,
            committed: false,
        }),
        last_log_id: Some(proto::LogId {
            term: term - 1,
            index: LONGEST_LOG,
        }),
        leadership_transfer: false,
    });
    let metadata = request.metadata_mut();
    metadata.insert("quorate-cluster-id", voter.cluster_id.into());
    metadata.insert("quorate-from", candidate.into());
    metadata.insert("quorate-from-directory", candidate.into());
    metadata.insert("quorate-to", voter.member_id.into());
    metadata.insert("quorate-to-directory", voter.directory_id.into());
    raft.vote(request)
        .await
        .map(tonic::Response::into_inner)
        .map_err(refused)
}
