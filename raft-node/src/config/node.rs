//! All settings of one member.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Cache, Compaction, Eventual, Limits, ListenHttp, Log, Metrics, Raft, Storage, Tls, Tracing};
use crate::types::MemberId;

/// What a member runs with. Made by [`super::load()`], or in code with [`NodeConfig::founding`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// This member's id, at least 1, never reused in the cluster. No default: 0 stands for "not set".
    pub member_id: MemberId,
    /// Where log and state live; made if missing. Default `/var/lib/quorate`.
    pub data_directory: PathBuf,
    /// Where clients connect. Default `127.0.0.1:7401`.
    pub listen_client: SocketAddr,
    /// Where the other members connect. Default `127.0.0.1:7501`.
    pub listen_peer: SocketAddr,
    /// Where `/metrics`, `/livez` and `/readyz` are, or `off`. Default `127.0.0.1:7601`.
    pub listen_http: ListenHttp,
    /// `host:port` that clients are told to use, when it is not `listen_client`. Default: empty, which is that.
    pub advertise_client: String,
    /// An address beyond loopback without TLS is refused unless this says that the network is trusted. Default `false`.
    pub insecure_allow_non_loopback: bool,
    /// Who founds the cluster.
    pub cluster: Cluster,
    /// Certificates.
    pub tls: Tls,
    /// Consensus.
    pub raft: Raft,
    /// What clients may ask.
    pub limits: Limits,
    /// Memory and disk.
    pub storage: Storage,
    /// How much history stays.
    pub compaction: Compaction,
    /// The eventual tier.
    pub eventual: Eventual,
    /// What clients cache.
    pub cache: Cache,
    /// What the server says about itself in numbers.
    pub metrics: Metrics,
    /// What the server says about itself.
    pub log: Log,
    /// Spans of requests.
    pub tracing: Tracing,
}

/// The members that found the cluster, the same list on each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// The founders, this member among them. Empty on a member that joins later. Looked at on the first start only.
    pub members: Vec<FoundingMember>,
    /// This member founds nothing: it waits until `quorate member add` brings it in. Default `false`.
    pub join: bool,
}

/// One founder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundingMember {
    /// Its `member_id`.
    pub id: MemberId,
    /// `host:port` at which the other members reach it.
    pub peer: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            member_id: 0,
            data_directory: PathBuf::from("/var/lib/quorate"),
            listen_client: SocketAddr::from((Ipv4Addr::LOCALHOST, 7401)),
            listen_peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 7501)),
            listen_http: ListenHttp::default(),
            advertise_client: String::new(),
            insecure_allow_non_loopback: false,
            cluster: Cluster::default(),
            tls: Tls::default(),
            raft: Raft::default(),
            limits: Limits::default(),
            storage: Storage::default(),
            compaction: Compaction::default(),
            eventual: Eventual::default(),
            cache: Cache::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            tracing: Tracing::default(),
        }
    }
}

impl NodeConfig {
    /// Defaults for a founder: what tests, `dev` and `demo` start from. Not validated yet.
    pub fn founding(
        member_id: MemberId,
        data_directory: impl Into<PathBuf>,
        listen_client: SocketAddr,
        listen_peer: SocketAddr,
        members: Vec<FoundingMember>,
    ) -> Self {
        Self {
            member_id,
            data_directory: data_directory.into(),
            listen_client,
            listen_peer,
            cluster: Cluster { members, join: false },
            ..Self::default()
        }
    }

    /// `host:port` that clients are told to use.
    pub fn client_address(&self) -> String {
        if self.advertise_client.is_empty() {
            self.listen_client.to_string()
        } else {
            self.advertise_client.clone()
        }
    }
}
