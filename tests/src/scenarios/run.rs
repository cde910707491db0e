//! What all scenarios share: a cluster under a recorded workload, and the verdict at the end.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use quorate::Client;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};

use crate::audit::{Audit, Change};
use crate::checker::{Summary, Verdict, check};
use crate::cluster::{Cluster, EqualState};
use crate::history::{History, Operation, Request, Response};
use crate::linearizable::{self, Budget, by_key};
use crate::workload::{PREFIX, Workload, read_every_key};
use crate::{HarnessError, wait};

/// Acknowledged writes between two steps of a round: enough that every client had a turn or two.
const WRITES_A_STEP: usize = 40;

/// An election, a restart and a slow machine together stay far below.
const WRITES_DEADLINE: Duration = Duration::from_secs(60);

/// What a scenario that passed has covered.
#[derive(Clone, Copy, Debug)]
pub struct RunReport {
    /// What was checked.
    pub checked: Summary,
    /// What was searched for an order without looking at revisions.
    pub searched: linearizable::Summary,
    /// The state that all members agree on.
    pub state: EqualState,
    /// Faults that happened.
    pub faults: u64,
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunReport {
            checked,
            searched,
            state,
            faults,
        } = self;
        write!(
            f,
            "{faults} faults, {} operations and {} revisions checked, {} writes of unknown outcome applied and {} not, \
             an order found for {} operations without their revisions ({} skipped), state {:016x} on every member at index {}",
            checked.operations,
            checked.revisions,
            checked.unknown_applied,
            checked.unknown_absent,
            searched.operations,
            searched.skipped,
            state.state_hash,
            state.applied_index
        )
    }
}

/// A cluster under a recorded workload.
pub(super) struct Run {
    pub cluster: Cluster,
    pub random: SmallRng,
    pub faults: u64,
    observer: Client,
    audit: Audit,
    workload: Workload,
    clients: u64,
}

impl Run {
    pub(super) async fn begin(cluster: Cluster, clients: u64, seed: u64) -> Result<Run, HarnessError> {
        let observer = cluster.client().await?;
        let audit = Audit::begin(&observer, PREFIX).await?;
        Self::begin_with(cluster, observer, audit, clients, seed).await
    }

    /// The same beside others, who write what they like under other keys.
    pub(super) async fn begin_among_others(cluster: Cluster, clients: u64, seed: u64) -> Result<Run, HarnessError> {
        let observer = cluster.client().await?;
        let audit = Audit::begin(&observer, PREFIX).await?.among_others();
        Self::begin_with(cluster, observer, audit, clients, seed).await
    }

    async fn begin_with(
        cluster: Cluster,
        observer: Client,
        audit: Audit,
        clients: u64,
        seed: u64,
    ) -> Result<Run, HarnessError> {
        let mut sdk_clients = Vec::new();
        for _ in 0..clients {
            sdk_clients.push(cluster.client().await?);
        }
        Ok(Run {
            cluster,
            random: SmallRng::seed_from_u64(seed),
            faults: 0,
            observer,
            audit,
            workload: Workload::start(sdk_clients, seed),
            clients,
        })
    }

    /// Waits until some more writes were acknowledged: without a majority this never comes.
    pub(super) async fn wait_for_writes(&mut self, moment: &str) -> Result<(), HarnessError> {
        let goal = self.workload.history().acknowledged_writes() + WRITES_A_STEP;
        let history = self.workload.history();
        wait::until(&format!("writes {moment}"), WRITES_DEADLINE, async || {
            let acknowledged = history.acknowledged_writes();
            (acknowledged >= goal)
                .then_some(())
                .ok_or(format!("{acknowledged} of {goal} acknowledged"))
        })
        .await?;
        self.cluster.check_nobody_ended()
    }

    /// The leader half of the time, otherwise any member.
    pub(super) async fn victim(&mut self) -> Result<u64, HarnessError> {
        if self.random.random_bool(0.5) {
            return self.cluster.wait_for_leader().await;
        }
        let any = self.cluster.running().into_iter().choose(&mut self.random);
        any.ok_or_else(|| HarnessError::Broken("no member runs".to_owned()))
    }

    /// Waits until a member that was away has applied what the leader has now.
    pub(super) async fn wait_until_caught_up(&mut self, id: u64) -> Result<(), HarnessError> {
        let leader = self.cluster.wait_for_leader().await?;
        let index = self
            .cluster
            .status(leader)
            .await
            .map_err(HarnessError::Broken)?
            .applied_index;
        self.cluster.wait_until_applied(id, index).await?;
        self.cluster.check_nobody_ended()
    }

    /// Reads back the round's revisions while compaction still keeps them, and says how far the run is.
    pub(super) async fn end_of_round(&mut self) -> Result<u64, HarnessError> {
        self.audit.advance(&self.observer).await
    }

    /// Operations recorded so far.
    pub(super) fn operations(&self) -> usize {
        self.workload.history().len()
    }

    /// A run that cannot go on may have lost more than its pace: what was recorded so far is judged too.
    pub(super) fn explain(&self, error: HarnessError) -> HarnessError {
        let operations = self.workload.history().operations();
        match check(&operations, self.audit.base(), self.audit.changes()) {
            Verdict::Illegal(violation) => {
                HarnessError::Broken(format!("illegal: {violation}\n(noticed after: {error})"))
            }
            Verdict::Ok(_) | Verdict::Unknown(_) => error,
        }
    }

    /// Ends the workload and judges it.
    pub(super) async fn verdict(mut self) -> Result<RunReport, HarnessError> {
        let history = self.workload.stop().await?;
        // A client that saw nothing of the run, so that nothing is remembered from it.
        let fresh = self.cluster.client().await?;
        read_every_key(&fresh, self.clients, &history).await?;
        self.audit.advance(&fresh).await?;
        let state = self.cluster.wait_for_equal_state().await?;
        let operations = history.operations();
        let verdict = check(&operations, self.audit.base(), self.audit.changes());
        let checked = verdict.into_result().map_err(HarnessError::Broken)?;
        let written: HashSet<_> = self.audit.changes().values().filter_map(written_value).collect();
        let searched = linearizable::check(&by_key(&operations, Some(&written)), Budget::default());
        let searched = searched.into_result().map_err(HarnessError::Broken)?;
        demand_every_kind(&history, &operations)?;
        Ok(RunReport {
            checked,
            searched,
            state,
            faults: self.faults,
        })
    }
}

fn written_value(change: &Change) -> Option<bytes::Bytes> {
    match change {
        Change::Put { record, .. } => Some(record.value.clone()),
        Change::Delete { .. } | Change::Nothing | Change::Elsewhere => None,
    }
}

/// A run in which some kind of operation never succeeded has shown nothing about it.
fn demand_every_kind(history: &History, operations: &[Operation]) -> Result<(), HarnessError> {
    let succeeded = |kind: fn(&Request) -> bool| {
        operations.iter().any(|operation| {
            let answered = matches!(operation.response, Response::Written { .. } | Response::Read { .. });
            answered && kind(&operation.request)
        })
    };
    let kinds = [
        ("put", succeeded(|request| matches!(request, Request::Put { .. }))),
        (
            "compare-and-swap",
            succeeded(|request| matches!(request, Request::CompareAndSwap { .. })),
        ),
        ("delete", succeeded(|request| matches!(request, Request::Delete { .. }))),
        (
            "strong read",
            succeeded(|request| matches!(request, Request::Get { strong: true, .. })),
        ),
        (
            "local read",
            succeeded(|request| matches!(request, Request::Get { strong: false, .. })),
        ),
    ];
    let missing: Vec<&str> = kinds
        .into_iter()
        .filter(|(_, seen)| !seen)
        .map(|(name, _)| name)
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(HarnessError::Broken(format!(
            "of {} operations not one of these succeeded: {missing:?}",
            history.len()
        ))),
    }
}
