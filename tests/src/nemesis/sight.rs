//! What is seen of members while something is done to them.

use quorate::Client;
use quorate_proto::v1::StatusResponse;

use super::{Nemesis, PATIENCE};
use crate::{HarnessError, wait};

impl Nemesis {
    pub(super) async fn leader_and_term(&mut self) -> Result<(u64, u64), HarnessError> {
        let leader = self.cluster.wait_for_leader().await?;
        Ok((leader, term(&self.status(leader).await?)))
    }

    pub(super) async fn status(&self, id: u64) -> Result<StatusResponse, HarnessError> {
        self.cluster.status(id).await.map_err(HarnessError::Broken)
    }

    /// Waits until one of these leads in a term after that one; returns it and its term.
    pub(super) async fn another_leader(&self, among: &[u64], after: u64) -> Result<(u64, u64), HarnessError> {
        let condition = format!("one of {among:?} to lead after term {after}");
        wait::until(&condition, PATIENCE, async || {
            let mut seen = Vec::new();
            for id in among {
                match self.cluster.status(*id).await {
                    Ok(status) if status.role == "leader" && term(&status) > after => return Ok((*id, term(&status))),
                    Ok(status) => seen.push(format!("{id} is {} in term {}", status.role, term(&status))),
                    Err(error) => seen.push(format!("{id}: {error}")),
                }
            }
            Err(seen.join(", "))
        })
        .await
    }

    /// Waits until the status of a member satisfies something.
    pub(super) async fn until_status<T>(
        &self,
        condition: &str,
        id: u64,
        mut holds: impl FnMut(&StatusResponse) -> Option<T>,
    ) -> Result<T, HarnessError> {
        wait::until(&format!("member {id} to {condition}"), PATIENCE, async || {
            let status = self.cluster.status(id).await?;
            holds(&status).ok_or_else(|| format!("{status:?}"))
        })
        .await
    }

    /// What of these is the newest that is known to be committed.
    pub(super) async fn committed(&self, among: &[u64]) -> Result<u64, HarnessError> {
        let mut newest = 0;
        for id in among {
            newest = newest.max(self.status(*id).await?.committed_index);
        }
        Ok(newest)
    }

    /// Demands that the one side has not committed what the other has since they were parted.
    pub(super) async fn demand_behind(&self, behind: &[u64], ahead: &[u64]) -> Result<String, HarnessError> {
        let (stood, went) = (self.committed(behind).await?, self.committed(ahead).await?);
        match stood < went {
            true => Ok(format!(
                "{behind:?} stood at index {stood} while {ahead:?} committed {went}"
            )),
            false => Err(HarnessError::Broken(format!(
                "{behind:?} are at index {stood}, although they were parted from {ahead:?}, who are at {went}"
            ))),
        }
    }

    /// A client for the nemesis itself. It must be closed.
    pub(super) async fn own_client(&self) -> Result<Client, HarnessError> {
        self.cluster.client().await
    }
}

pub(super) fn term(status: &StatusResponse) -> u64 {
    status.header.map_or(0, |header| header.raft_term)
}
