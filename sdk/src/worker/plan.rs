//! Plans which tasks to move, and moves them.

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::worker_query::Query as WorkerQuery;

use super::call::query_workers;
use super::op::WorkerOp;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// Moves in one transaction.
const MOVES_AT_ONCE: usize = 128;

/// A plan to be made.
#[must_use = "a call is made when it is awaited"]
pub struct PlanTasks<'a> {
    client: &'a Client,
    moves_max: u32,
}

/// Which tasks to move so that workers are evenly loaded and those that drain are emptied. Nothing has been moved yet.
#[derive(Clone, Debug)]
#[must_use = "a plan changes nothing until it is applied"]
#[non_exhaustive]
pub struct Plan {
    /// The moves, in the order in which they are to be made.
    pub moves: Vec<PlannedMove>,
    /// With these moves, workers are as evenly loaded as their labels and capacities allow; otherwise make another plan
    /// when this one is applied.
    pub complete: bool,
    client: Client,
}

/// One task to move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedMove {
    /// The task.
    pub task: String,
    /// Who has it.
    pub from: String,
    /// Of that assignment.
    pub generation: u64,
    /// Who is to have it.
    pub to: String,
}

/// What became of a [`Plan`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PlanApplied {
    /// Tasks that were moved.
    pub moved: usize,
    /// Tasks that were not, since they or their workers had changed; and why.
    pub refused: Vec<(PlannedMove, Error)>,
}

impl Client {
    /// Plans which tasks to move so that workers are evenly loaded and those that drain are emptied. Await the builder,
    /// look at the plan, and apply it.
    ///
    /// ```no_run
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let plan = client.rebalance().moves_max(100).await?;
    /// let applied = plan.apply().await?;
    /// println!("{} tasks moved, {} had changed", applied.moved, applied.refused.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn rebalance(&self) -> PlanTasks<'_> {
        PlanTasks {
            client: self,
            moves_max: 0,
        }
    }
}

impl PlanTasks<'_> {
    /// At most this many moves, of at most 1,000. Default, and for 0: 1,000.
    pub fn moves_max(mut self, moves: u32) -> Self {
        self.moves_max = moves;
        self
    }

    async fn send(self) -> Result<Plan> {
        let query = WorkerQuery::Plan(v1::RebalancePlan {
            moves_max: self.moves_max,
        });
        let answer = query_workers(self.client, query, std::time::Duration::ZERO).await?;
        Ok(Plan {
            moves: answer.moves.into_iter().map(PlannedMove::from).collect(),
            complete: answer.complete,
            client: self.client.clone(),
        })
    }
}

impl<'a> IntoFuture for PlanTasks<'a> {
    type Output = Result<Plan>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Plan {
    /// Moves the tasks, many in one transaction. A task that has changed since the plan was made is left alone, and so is
    /// one whose new worker can no longer take it.
    ///
    /// # Errors
    ///
    /// What any call may return, except those refusals; some tasks may have been moved by then.
    pub async fn apply(&self) -> Result<PlanApplied> {
        let mut applied = PlanApplied::default();
        for moves in self.moves.chunks(MOVES_AT_ONCE) {
            match self.make(moves).await {
                Ok(()) => applied.moved += moves.len(),
                Err(error) if is_stale(&error) => self.make_singly(moves, &mut applied).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(applied)
    }

    async fn make(&self, moves: &[PlannedMove]) -> Result<()> {
        let transaction = moves.iter().fold(self.client.txn(), |transaction, one| {
            transaction.then(WorkerOp::move_task(&one.task, &one.from, one.generation, &one.to))
        });
        transaction.await.map(|_| ())
    }

    /// One of them was refused, and so all of them.
    async fn make_singly(&self, moves: &[PlannedMove], applied: &mut PlanApplied) -> Result<()> {
        for one in moves {
            match self.make(std::slice::from_ref(one)).await {
                Ok(()) => applied.moved += 1,
                Err(error) if is_stale(&error) => applied.refused.push((one.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What was planned from has changed.
fn is_stale(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Conflict
            | ErrorKind::NoCapacity { .. }
            | ErrorKind::NoWorker
            | ErrorKind::WorkerDraining
            | ErrorKind::UnknownWorker
    )
}

impl From<v1::TaskMove> for PlannedMove {
    fn from(planned: v1::TaskMove) -> Self {
        Self {
            task: planned.task,
            from: planned.from,
            generation: planned.generation,
            to: planned.to,
        }
    }
}
