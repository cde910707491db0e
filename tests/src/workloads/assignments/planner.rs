//! One who gives tasks to workers and takes them away.

use quorate::{Client, ErrorKind};
use rand::Rng;
use rand::rngs::SmallRng;

use super::record::{Assignment, Call, Done};
use super::workload::{Assignments, worker};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::{Ground, Workload};

/// So few that each comes again and again.
const TASKS: u32 = 16;

/// A planner of [`Assignments`].
pub(super) struct Planner {
    number: u64,
    ground: Ground,
    client: Client,
    random: SmallRng,
    workers: u64,
}

impl Planner {
    pub(super) async fn new(ground: &Ground, workers: u64) -> Result<Planner, HarnessError> {
        let number = ground.client_number();
        Ok(Planner {
            number,
            client: ground.connect(number).await?,
            random: ground.random(number),
            ground: ground.clone(),
            workers,
        })
    }

    pub(super) async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            let task = format!("{}/task-{}", Assignments::NAME, self.random.random_range(0..TASKS));
            match self.random.random_range(0..20) {
                0..12 => {
                    let named = self.random.random_bool(0.3);
                    let worker = named.then(|| worker(self.random.random_range(0..self.workers)));
                    self.assign(task, worker).await;
                }
                12..16 => self.assign_pending().await,
                16..18 => self.unassign(task).await,
                18 => self.cancel(task).await,
                _ => {
                    let worker = worker(self.random.random_range(0..self.workers));
                    self.drain(worker).await;
                }
            }
        }
        Ok(())
    }

    /// Whatever the state of things does not allow is an answer.
    async fn call(&self, call: Call, calling: impl Future<Output = Result<Done, quorate::Error>>) -> Answer<Done> {
        let calling = async {
            match calling.await {
                Err(error) => match error.kind() {
                    ErrorKind::UnknownWorker
                    | ErrorKind::WorkerDraining
                    | ErrorKind::NoCapacity { .. }
                    | ErrorKind::NoWorker
                    | ErrorKind::UnknownTask
                    | ErrorKind::Conflict => Ok(Done::Refused),
                    _ => Err(error),
                },
                done => done,
            }
        };
        self.ground.call::<Assignments>(self.number, call, calling).await
    }

    async fn assign(&self, task: String, worker: Option<String>) {
        let assign = self.client.assign(task.clone());
        let assign = match &worker {
            Some(worker) => assign.to(worker.clone()),
            None => assign.or_wait(),
        };
        let assigning = async {
            let assigned = assign.await?;
            Ok(Done::Assigned {
                worker: assigned.worker,
                generation: assigned.generation,
                revision: assigned.revision,
            })
        };
        self.call(Call::Assign { task, worker }, assigning).await;
    }

    async fn assign_pending(&self) {
        let assigning = async {
            let placed = self.client.assign_pending().await?;
            let assignments = placed.into_iter().map(|placed| Assignment {
                task: placed.task,
                worker: placed.worker,
                generation: placed.generation,
            });
            Ok(Done::Placed {
                assignments: assignments.collect(),
            })
        };
        self.call(Call::AssignPending, assigning).await;
    }

    async fn unassign(&self, task: String) {
        let taking = async {
            let generation = self.client.unassign(task.clone(), None).await?;
            Ok(Done::Unassigned { generation })
        };
        self.call(Call::Unassign { task: task.clone() }, taking).await;
    }

    async fn cancel(&self, task: String) {
        let cancelling = async {
            let operation = quorate::WorkerOp::cancel(task.clone(), None);
            let reply = self.client.txn().then(operation).await?;
            Ok(Done::Ended {
                revision: reply.revision,
            })
        };
        self.call(Call::Cancel { task: task.clone() }, cancelling).await;
    }

    /// It takes nothing for a moment.
    async fn drain(&self, worker: String) {
        for draining in [true, false] {
            let draining_it = async {
                match draining {
                    true => self.client.drain_worker(worker.clone()).await?,
                    false => self.client.resume_worker(worker.clone()).await?,
                };
                Ok(Done::Drained)
            };
            let call = Call::Drain {
                worker: worker.clone(),
                draining,
            };
            self.call(call, draining_it).await;
            if !self.ground.turn().await {
                return;
            }
        }
    }
}
