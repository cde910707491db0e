//! How a cluster comes into being.
//!
//! The founder with the smallest id asks every other founder who it is, gives all of them one random cluster id, and
//! only then writes the first membership. Once a cluster exists nobody founds it again: an empty directory under the
//! id of a founder finds that the others belong to a cluster already, and stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::internal as proto;

use crate::config::{FoundingMember, NodeConfig};
use crate::consensus::network::{PeerNetwork, Roster};
use crate::consensus::{Member, Raft};
use crate::environment::Random;
use crate::types::{DirectoryId, MemberId};

/// Founders that are not up yet are asked again after this.
const RETRY: Duration = Duration::from_millis(100);
/// A founder that waits to be recruited asks the others this often whether they have a cluster without it.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Why the cluster cannot be founded from here.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// The cluster exists, and this directory is not part of it.
    #[error(
        "this data directory is empty, but member {other} at {address} already belongs to a cluster: a member whose \
         directory was lost joins under a new id (`quorate member replace`)"
    )]
    ClusterExists {
        /// Who says so.
        other: MemberId,
        /// Where.
        address: String,
    },
    /// Somebody else answers at a founder's address.
    #[error("cluster.members: member {expected} should answer at {address}, but member {found} does")]
    WrongMember {
        /// Who should.
        expected: MemberId,
        /// Who does.
        found: MemberId,
        /// Where.
        address: String,
    },
    /// Consensus refused the first membership, or the id could not be written.
    #[error("the cluster could not be founded: {0}")]
    Failed(String),
}

/// Founds the cluster, or makes sure that this member may take part in the one there is.
pub async fn found(
    config: &NodeConfig,
    raft: &Raft,
    roster: &Roster,
    network: &PeerNetwork,
    random: Arc<dyn Random>,
    persist: impl Fn(u64) -> std::io::Result<()>,
) -> Result<(), FoundingError> {
    if is_initialized(raft).await? || config.cluster.join {
        return Ok(());
    }
    let founders = &config.cluster.members;
    let first = founders
        .iter()
        .map(|founder| founder.id)
        .min()
        .unwrap_or(config.member_id);
    let others = founders.iter().filter(|founder| founder.id != config.member_id);
    if config.member_id != first {
        return wait_to_be_recruited(others, raft, roster, network).await;
    }
    let mut members = BTreeMap::new();
    for founder in others.clone() {
        refuse_if_cluster_exists(founder, roster, network).await?;
    }
    let cluster_id = if roster.cluster_id() == 0 {
        random.nonzero_u64()
    } else {
        roster.cluster_id()
    };
    roster
        .adopt_cluster(cluster_id, &persist)
        .map_err(|error| FoundingError::Failed(error.to_string()))?;
    for founder in others {
        members.insert(founder.id, recruit(founder, roster, network).await?);
    }
    let own = founders.iter().find(|founder| founder.id == config.member_id);
    members.insert(
        config.member_id,
        Member {
            peer_address: own.map_or_else(|| config.listen_peer.to_string(), |own| own.peer.clone()),
            client_address: config.client_address(),
            directory: roster.me().directory,
        },
    );
    tracing::info!(
        cluster = format!("{cluster_id:016x}"),
        members = members.len(),
        "founding the cluster"
    );
    raft.initialize(members)
        .await
        .map_err(|error| FoundingError::Failed(error.to_string()))
}

async fn is_initialized(raft: &Raft) -> Result<bool, FoundingError> {
    raft.is_initialized()
        .await
        .map_err(|error| FoundingError::Failed(error.to_string()))
}

/// Until the first membership arrives the others are asked again and again: they may come up later than this member,
/// and belong to a cluster that will never call it.
async fn wait_to_be_recruited(
    others: impl Iterator<Item = &FoundingMember> + Clone,
    raft: &Raft,
    roster: &Roster,
    network: &PeerNetwork,
) -> Result<(), FoundingError> {
    while !is_initialized(raft).await? {
        for founder in others.clone() {
            refuse_if_cluster_exists(founder, roster, network).await?;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(())
}

/// A founder that is not up cannot object.
async fn refuse_if_cluster_exists(
    founder: &FoundingMember,
    roster: &Roster,
    network: &PeerNetwork,
) -> Result<(), FoundingError> {
    let Ok(answer) = identify(founder, roster, network, 0).await else {
        return Ok(());
    };
    if answer.initialized && answer.cluster_id != roster.cluster_id() {
        return Err(FoundingError::ClusterExists {
            other: founder.id,
            address: founder.peer.clone(),
        });
    }
    Ok(())
}

/// Waits until a founder is up and has taken the cluster's id.
async fn recruit(founder: &FoundingMember, roster: &Roster, network: &PeerNetwork) -> Result<Member, FoundingError> {
    loop {
        match identify(founder, roster, network, roster.cluster_id()).await {
            Ok(answer) if answer.member_id != founder.id => {
                return Err(FoundingError::WrongMember {
                    expected: founder.id,
                    found: answer.member_id,
                    address: founder.peer.clone(),
                });
            }
            Ok(answer) if answer.cluster_id == roster.cluster_id() => {
                return Ok(Member {
                    peer_address: founder.peer.clone(),
                    client_address: answer.client_address,
                    directory: DirectoryId(answer.directory_id),
                });
            }
            Ok(_) => {
                return Err(FoundingError::ClusterExists {
                    other: founder.id,
                    address: founder.peer.clone(),
                });
            }
            Err(status) => tracing::debug!(founder = founder.id, %status, "waiting for a founder"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn identify(
    founder: &FoundingMember,
    roster: &Roster,
    network: &PeerNetwork,
    adopt_cluster_id: u64,
) -> Result<proto::IdentifyResponse, tonic::Status> {
    let member = Member {
        peer_address: founder.peer.clone(),
        ..Member::default()
    };
    let request = proto::IdentifyRequest {
        adopt_cluster_id,
        from: roster.me().member,
        expected_member_id: founder.id,
    };
    network.client(founder.id, &member).identify(request).await
}
