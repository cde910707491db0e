//! Makes a member out of a snapshot that was saved: a cluster of its own, to which others are added.
//!
//! The snapshot's members, their votes and the log behind it are gone: so the member gets a cluster id that nobody knows, and
//! is its only voter. Whoever still belongs to the old cluster is refused by it, and refuses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openraft::Membership;
use serde::Deserialize;
use tokio::sync::watch;

use super::NodeError;
use super::directory::DataDirectory;
use super::parts::{open_engine, open_log};
use crate::config::NodeConfig;
use crate::consensus::{Member, StoredMembership, Vote, encode_membership, log_id_of};
use crate::environment::{Random, SystemRandom};
use crate::state_machine::{Manifest, ManifestFile, Restoring};
use crate::types::Revision;

/// What whoever saved the snapshot wrote last.
const MANIFEST: &str = "manifest.json";

/// Why a snapshot could not be restored. What was made of the data directory is useless: remove it before the next attempt.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is no snapshot, or not a whole one.
    #[error("{path} is not a whole snapshot: {reason}")]
    NoSnapshot {
        /// Where it should be.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The member has data already.
    #[error("data_directory {0} is not empty: a snapshot is restored into a new one")]
    NotEmpty(PathBuf),
    /// A file cannot be read or written, or is damaged.
    #[error("the snapshot cannot be restored: {0}")]
    Io(#[from] io::Error),
    /// The directory or the log of the member cannot be made.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The new cluster.
    pub cluster_id: u64,
    /// The revision of the snapshot.
    pub revision_before: Revision,
    /// The revision from which the new cluster goes on.
    pub revision: Revision,
    /// Bytes of the snapshot.
    pub bytes: u64,
}

/// A snapshot that was saved, and whose manifest can be read. Its files are checked when they are restored.
#[derive(Debug)]
pub struct SavedSnapshot {
    directory: PathBuf,
    files: Vec<ManifestFile>,
}

/// What is used of the manifest.
#[derive(Deserialize)]
struct SavedManifest {
    files: Vec<SavedFile>,
}

#[derive(Deserialize)]
struct SavedFile {
    name: String,
    bytes: u64,
    crc32c: u32,
}

impl SavedSnapshot {
    /// The one in `directory`.
    pub fn open(directory: &Path) -> Result<Self, RestoreError> {
        let no_snapshot = |reason: String| RestoreError::NoSnapshot {
            path: directory.to_owned(),
            reason,
        };
        let path = directory.join(MANIFEST);
        let text = fs::read(&path).map_err(|error| no_snapshot(format!("{}: {error}", path.display())))?;
        let manifest: SavedManifest =
            serde_json::from_slice(&text).map_err(|error| no_snapshot(format!("{}: {error}", path.display())))?;
        let files = manifest.files.into_iter().map(|file| ManifestFile {
            name: file.name,
            bytes: file.bytes,
            crc32c: file.crc32c,
        });
        let manifest = Manifest {
            last_log_id: None,
            membership: None,
            files: files.collect(),
        };
        manifest.check().map_err(|error| no_snapshot(error.to_string()))?;
        Ok(Self {
            directory: directory.to_owned(),
            files: manifest.files,
        })
    }
}

/// Fills the data directory of `config`, which must be new or empty, with `saved`. The first write there gets a
/// revision more than `revision_jump` above the snapshot's: it must be more than the old cluster wrote after it.
pub async fn restore(saved: &SavedSnapshot, config: &NodeConfig, revision_jump: u64) -> Result<Restored, RestoreError> {
    let data = config.data_directory.as_path();
    if is_occupied(data)? {
        return Err(RestoreError::NotEmpty(data.to_owned()));
    }
    let mut directory = DataDirectory::open(data, config.member_id, &SystemRandom).map_err(NodeError::from)?;
    // From here on until the end there is a state without its pointer, which no member starts with.
    let engines = open_engine(config, watch::Sender::new(None));
    let restoring = Restoring::begin(&saved.directory, &saved.files, data, &engines, revision_jump)?;
    let applied = restoring.applied();
    let log_id = log_id_of((applied.term, applied.index));
    let mut log = open_log(config, &mut directory)?;
    log.begin_after(log_id, Vote::new(applied.term, config.member_id))
        .await?;
    log.shutdown().await.map_err(NodeError::from)?;
    let cluster_id = SystemRandom.nonzero_u64();
    directory.cluster_writer()(cluster_id)?;
    let me = Member {
        peer_address: peer_address(config),
        client_address: config.client_address(),
        directory: directory.id(),
    };
    let voters = vec![BTreeSet::from([config.member_id])];
    let membership = Membership::new(voters, BTreeMap::from([(config.member_id, me)])).map_err(io::Error::other)?;
    let membership = StoredMembership::new(Some(log_id), membership);
    let membership = encode_membership(&membership, None).map_err(io::Error::other)?;
    let state = restoring.finish(membership)?;
    Ok(Restored {
        cluster_id,
        revision_before: state.revision_before,
        revision: state.revision,
        bytes: saved.files.iter().map(|file| file.bytes).sum(),
    })
}

/// As other members are to reach it.
fn peer_address(config: &NodeConfig) -> String {
    let own = config
        .cluster
        .members
        .iter()
        .find(|founder| founder.id == config.member_id);
    own.map_or_else(|| config.listen_peer.to_string(), |own| own.peer.clone())
}

fn is_occupied(data: &Path) -> io::Result<bool> {
    match fs::read_dir(data) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
