//! Who this member is, who its peers are, and what each call must prove.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::Caller;

use crate::consensus::Member;
use crate::types::{DirectoryId, MemberId};

const CLUSTER: &str = "quorate-cluster-id";
const FROM: &str = "quorate-from";
const FROM_DIRECTORY: &str = "quorate-from-directory";
const TO: &str = "quorate-to";
const TO_DIRECTORY: &str = "quorate-to-directory";

/// Names a member for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub member: MemberId,
    /// Its data directory.
    pub directory: DirectoryId,
}

/// What this member knows of the cluster, shared by everything that talks to peers.
pub struct Roster {
    me: Identity,
    /// 0 until the cluster is bootstrapped or joined.
    cluster_id: Mutex<u64>,
    members: ArcSwap<BTreeMap<MemberId, Member>>,
}

impl Roster {
    /// `cluster_id` is 0 where the directory belongs to no cluster yet.
    pub fn new(me: Identity, cluster_id: u64) -> Self {
        Self {
            me,
            cluster_id: Mutex::new(cluster_id),
            members: ArcSwap::default(),
        }
    }

    /// This member.
    pub fn me(&self) -> Identity {
        self.me
    }

    /// The cluster's id; 0 if there is none yet.
    pub fn cluster_id(&self) -> u64 {
        *self.cluster_id.lock()
    }

    /// Sets the cluster id, once: `persist` puts it on disk first. True if the id is now `id`.
    pub fn adopt_cluster(&self, id: u64, persist: impl FnOnce(u64) -> std::io::Result<()>) -> std::io::Result<bool> {
        let mut current = self.cluster_id.lock();
        if *current == 0 {
            persist(id)?;
            *current = id;
        }
        Ok(*current == id)
    }

    /// The members of the newest membership this member knows.
    pub fn members(&self) -> Arc<BTreeMap<MemberId, Member>> {
        self.members.load_full()
    }

    /// Called when the membership changes.
    pub fn set_members(&self, members: BTreeMap<MemberId, Member>) {
        self.members.store(Arc::new(members));
    }

    /// Adds to a request what proves that it is meant for `target`.
    pub fn stamp<T>(&self, message: T, target: MemberId, directory: DirectoryId) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert(CLUSTER, self.cluster_id().into());
        metadata.insert(FROM, self.me.member.into());
        metadata.insert(FROM_DIRECTORY, self.me.directory.0.into());
        metadata.insert(TO, target.into());
        metadata.insert(TO_DIRECTORY, directory.0.into());
        request
    }

    /// Refuses a call from another cluster, for another member or directory, or from a directory that is not the one
    /// the membership records for its sender. A sender that is not in the membership is accepted: this member may lag
    /// behind the change that brought a new leader in, and must hear it nevertheless.
    ///
    /// Where members have certificates, the sender's must be one for the member that it says it is.
    pub fn check<T>(&self, request: &Request<T>) -> Result<MemberId, Status> {
        let metadata = request.metadata();
        let cluster = number(metadata, CLUSTER)?;
        let mine = self.cluster_id();
        if mine == 0 || cluster != mine {
            return Err(Status::failed_precondition(format!(
                "the call is for cluster {cluster:016x}, this member belongs to {mine:016x}"
            )));
        }
        let to = Identity {
            member: number(metadata, TO)?,
            directory: DirectoryId(number(metadata, TO_DIRECTORY)?),
        };
        if to != self.me {
            return Err(Status::failed_precondition(format!(
                "the call is for member {} in directory {}, this is member {} in directory {}: a wiped or copied \
                 directory must join under a new id",
                to.member, to.directory, self.me.member, self.me.directory
            )));
        }
        let from = number(metadata, FROM)?;
        check_sender(request, from)?;
        let directory = DirectoryId(number(metadata, FROM_DIRECTORY)?);
        match self.members.load().get(&from) {
            Some(known) if known.directory != directory => Err(Status::failed_precondition(format!(
                "member {from} has directory {}, the call comes from directory {directory}",
                known.directory
            ))),
            _ => {
                if let Some(caller) = request.extensions().get::<Caller>() {
                    caller.line().know();
                }
                Ok(from)
            }
        }
    }
}

/// Refuses a call of a sender that says it is `from` and whose certificate is not one for that member.
pub(super) fn check_sender<T>(request: &Request<T>, from: MemberId) -> Result<(), Status> {
    match request.extensions().get::<Caller>() {
        Some(caller) => caller.check(from).map_err(Status::permission_denied),
        None => Ok(()),
    }
}

fn number(metadata: &MetadataMap, name: &'static str) -> Result<u64, Status> {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Status::invalid_argument(format!("the call lacks a valid {name}")))
}
